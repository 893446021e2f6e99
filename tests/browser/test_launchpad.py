"""The Launchpad in a real browser: completion, problems, plan, launch, code with an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from launchpad_jobs import JOBS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

Serve = Callable[..., DevServer]
GOOD = "ops:\n  load:\n    config:\n      rows: 3 # few\n"
TIMEOUT_MS = 30_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of the jobs."""
    path = tmp_path / "jobs.py"
    path.write_text(JOBS)
    return path


@pytest.fixture
def opened(dev_server: Serve, open_page: OpenPage, file: Path) -> Callable[..., Page]:
    """Open the Launchpad of the job ``copy``."""

    def open_at(path: str = "/jobs/copy/launch", **options: Any) -> Page:
        server = dev_server("-f", str(file))
        page = open_page(server.url, **options)
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(server.base.rstrip("/") + path)
        page.locator("textarea").wait_for()
        # Completion is there once the ops are.
        page.wait_for_function("() => document.querySelector('#launch-tag-names').children.length")
        return page

    return open_at


def text_of(page: Page) -> str:
    return page.locator("textarea").input_value()


def ready(page: Page) -> None:
    page.locator(".launch-head .is-primary[aria-disabled=false]").wait_for()


def shown_text(page: Page, text: str) -> None:
    page.get_by_text(text).first.wait_for()


def test_config_is_typed_with_completion_mended_and_launched_by_keys(
    opened: Callable[..., Page],
) -> None:
    page = opened()
    page.locator(".launch-head .is-primary[aria-disabled=true]").wait_for()
    page.locator("textarea").focus()
    option = page.get_by_role("option")
    # A key with one letter and Enter; each map opens the next list by itself.
    page.keyboard.type("op")
    option.first.wait_for()
    page.keyboard.press("Enter")
    assert text_of(page) == "ops:\n  "
    page.keyboard.type("l")
    page.keyboard.press("Enter")
    page.keyboard.type("conf")
    page.keyboard.press("Enter")
    page.keyboard.type("m")
    page.keyboard.press("Enter")
    # Values of the enum.
    page.get_by_role("option", name="CAREFUL").wait_for()
    page.keyboard.type("C")
    page.keyboard.press("Enter")
    assert text_of(page) == "ops:\n  load:\n    config:\n      mode: CAREFUL"
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Space")
    rows = page.get_by_role("option", name="rows")
    rows.wait_for()
    assert "required" in rows.inner_text()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.type("x3")
    assert text_of(page).endswith("mode: CAREFUL\n      rows: x3")
    # The problem is at its line, and a click goes there.
    page.locator(".editor-number.is-wrong", has_text="5").wait_for()
    page.locator(".editor-squiggle").first.wait_for()
    problem = page.locator(".launch-problem").first
    assert "5:" in problem.inner_text()
    assert "int" in problem.inner_text()
    assert "problem" in page.locator(".launch-why").inner_text()
    page.keyboard.press("Control+Home")
    problem.click()
    page.wait_for_function("() => document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.press("End")
    for _ in "x3":
        page.keyboard.press("Backspace")
    page.keyboard.type("3")
    page.get_by_label("Where to run").select_option("in_process")
    ready(page)
    page.expected_errors.append("404")  # type: ignore[attr-defined]
    page.locator("textarea").focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/runs/*")
    until_success(page)


def until_success(page: Page) -> None:
    """Wait until the run of the page has succeeded, by the API."""
    base, _, run = page.url.partition("/runs/")
    deadline = time.monotonic() + 60
    while True:
        answer = page.request.get(f"{base}/api/runs/{run}")
        if answer.ok and answer.json()["report"]["status"] == "SUCCESS":
            return
        assert time.monotonic() < deadline, answer.text()
        time.sleep(0.2)


def test_the_plan_follows_the_text_and_the_selection_lights_the_graph(
    opened: Callable[..., Page],
) -> None:
    page = opened()
    page.locator("textarea").fill(GOOD)
    ready(page)
    plan = page.get_by_role("region", name="Plan preview")
    plan.get_by_text("load → ").wait_for()
    assert "1 CPU" in plan.inner_text()
    ops = page.get_by_role("combobox", name="Ops")
    ops.click()
    page.keyboard.type("*spl")
    page.get_by_role("option", name="split").wait_for()
    page.keyboard.press("Enter")
    assert ops.input_value() == "*split"
    page.locator(".selection-count", has_text="4 of 6").wait_for()
    # Only boxes in view are drawn.
    page.get_by_role("button", name="Fit", exact=True).click()
    page.locator('.graph-node.is-faded[data-id="total"]').wait_for(state="attached")
    assert page.locator('.graph-node.is-faded[data-id="load"]').count() == 0
    plan.get_by_text("load → tidy.first → tidy.second → split").wait_for()
    ops.fill("nothing_here")
    page.locator('.launch-problem:has-text("nothing_here")').first.wait_for()


def test_find_undo_indentation_and_the_way_out(opened: Callable[..., Page]) -> None:
    page = opened()
    area = page.locator("textarea")
    area.focus()
    page.keyboard.type("a:")
    page.keyboard.press("Enter")
    page.keyboard.type("zz: 1")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("yy: 2")
    assert text_of(page) == "a:\n  zz: 1\n    yy: 2"
    page.keyboard.press("Shift+Tab")
    assert text_of(page) == "a:\n  zz: 1\n  yy: 2"
    page.keyboard.press("Control+z")
    assert text_of(page) == "a:\n  zz: 1\n    yy: 2"
    page.keyboard.press("Control+f")
    page.keyboard.type("yy")
    page.locator(".editor-found", has_text="1 of 1").wait_for()
    page.keyboard.press("Escape")
    assert (
        page.evaluate(
            "() => { const a = document.querySelector('textarea');"
            " return a.value.slice(a.selectionStart, a.selectionEnd); }"
        )
        == "yy"
    )
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.tagName") != "TEXTAREA"


def test_drafts_stay_in_the_browser(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("textarea").fill(GOOD)
    page.get_by_label("Tags").fill("team=data")
    page.get_by_role("button", name="New draft").click()
    assert text_of(page) == ""
    page.reload()
    page.locator("textarea").wait_for()
    page.get_by_role("tab", name="Config 1").click()
    assert text_of(page) == GOOD
    assert page.get_by_label("Tags").input_value() == "team=data"


def test_copies_run_the_same(opened: Callable[..., Page]) -> None:
    page = opened()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("textarea").fill(GOOD)
    ready(page)
    page.get_by_role("button", name="Copy as CLI").click()
    shown_text(page, "Command copied.")
    command = page.evaluate("() => navigator.clipboard.readText()")
    assert "rayexec job execute" in command
    page.get_by_role("button", name="Copy as Python").click()
    shown_text(page, "Python copied.")
    assert "rows" in page.evaluate("() => navigator.clipboard.readText()")


def test_an_error_in_the_code_shows_and_its_mend_is_seen(
    opened: Callable[..., Page], file: Path
) -> None:
    page = opened()
    page.locator("textarea").fill(GOOD)
    ready(page)
    file.write_text(JOBS.replace("class Source(Config):", "class Source(Missing):"))
    error = page.locator(".code-error")
    error.wait_for()
    assert "Missing" in error.inner_text()
    assert "Traceback" in error.locator("pre").inner_text()
    # The last good job stays in use: its plan is there, and completion works.
    assert "load → " in page.get_by_role("region", name="Plan preview").inner_text()
    file.write_text(JOBS.replace("rows: int\n    mode", "rows: int\n    table: str\n    mode"))
    error.wait_for(state="detached")
    # The new code needs one value more.
    page.locator('.launch-problem:has-text("table")').wait_for()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_accessible_in_both_themes_and_narrow(
    dark: bool, width: int, opened: Callable[..., Page]
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped, unused-ignore]

    page = opened(dark=dark, width=width)
    page.locator("textarea").fill(GOOD.replace("rows", "row"))
    page.locator(".launch-problem").first.wait_for()
    page.locator(".graph-node").first.wait_for()
    violations = Axe().run(page).response["violations"]
    assert [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in violations
    ] == []
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0


def test_a_long_text_is_painted_in_view_only(opened: Callable[..., Page]) -> None:
    page = opened()
    lines = "".join(f"  op_{n}:\n    config:\n      a: 1\n      b: 2\n" for n in range(500))
    page.evaluate(
        "text => { const a = document.querySelector('textarea'); a.value = text;"
        " a.dispatchEvent(new InputEvent('input', { inputType: 'insertFromPaste' })); }",
        f"ops:\n{lines}",
    )
    page.locator(".launch-problem").first.wait_for()
    assert page.locator(".editor-line").count() < 120
    page.locator("textarea").focus()
    page.keyboard.press("Control+End")
    page.locator(".editor-number", has_text="2002").wait_for()
    page.keyboard.type("x")
    assert text_of(page).endswith("b: 2\nx")
    page.locator(".editor-line", has_text="x").last.wait_for()

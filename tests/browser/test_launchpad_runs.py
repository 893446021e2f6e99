"""Runs of the Launchpad in a real browser: copied, taken up again, resumed, and by keys alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from launchpad_page import (
    FRAGILE,
    GOOD,
    copied_by,
    launch,
    press,
    ready,
    report,
    show,
    text_of,
    until_text,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

TIMEOUT_MS = 60_000
FAILING = """\
ops:
  follow:
    config:
      fails: true
execution:
  config:
    in_process:
      durable: true
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """`rayexec dev` with the jobs; each test has drafts of its own."""
    directory = tmp_path_factory.mktemp("door")
    (directory / "jobs.py").write_text(FRAGILE)
    server = DevServer(("-f", "jobs.py"), directory / "home", directory)
    yield server
    server.stop()


@pytest.fixture
def opened(open_page: OpenPage, door: DevServer) -> Callable[..., Page]:
    """Open the Launchpad of a job."""

    def open_at(job: str = "copy") -> Page:
        page = open_page(door.url)
        page.set_default_timeout(TIMEOUT_MS)
        page.base = door.base  # type: ignore[attr-defined]
        show(page, f"{door.base}jobs/{job}/launch")
        return page

    return open_at


def states(page: Any, answer: dict[str, Any]) -> dict[str, str]:
    """Return the states of the steps of a run."""
    run_id = answer["report"]["run_id"]
    rows = page.request.get(f"{page.base}api/runs/{run_id}/steps").json()["rows"]
    return {row["key"]: row["state"] for row in rows}


def test_what_is_copied_from_the_page_runs_the_same(
    opened: Callable[..., Page], door: DevServer
) -> None:
    page: Any = opened("fragile")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("textarea").fill(FAILING.replace("fails: true", "fails: false # yet"))
    page.get_by_role("combobox", name="Ops").fill("begin, follow")
    page.get_by_label("Tags").fill('team=data, note=it\'s "so"')
    page.get_by_label("Where to run").select_option("in_process")
    page.locator(".selection-count", has_text="2 of 3").wait_for()
    ready(page)
    command = copied_by(page, "Copy as CLI", "Command copied.")
    snippet = copied_by(page, "Copy as Python", "Python copied.")
    mine = launch(page)
    known = {run["run_id"] for run in page.request.get(f"{page.base}api/runs").json()["runs"]}
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "RAYEXEC_HOME": str(door.home)}
    for arguments in (["bash", "-c", command], [sys.executable, "-c", snippet]):
        subprocess.run(arguments, check=True, env=environment, capture_output=True, timeout=120)
        runs = page.request.get(f"{page.base}api/runs").json()["runs"]
        (new,) = [run["run_id"] for run in runs if run["run_id"] not in known]
        known.add(new)
        theirs = report(page, new)
        assert theirs["report"]["status"] == "SUCCESS"
        assert theirs["report"]["tags"]["team"] == "data"
        assert theirs["report"]["tags"]["note"] == 'it\'s "so"'
        for field in ("job", "status", "tags", "op_selection", "run_config", "steps"):
            assert theirs["report"][field] == mine["report"][field], field
        for field in ("file", "job"):
            assert theirs["report"]["origin"][field] == mine["report"]["origin"][field], field
        assert states(page, theirs) == states(page, mine)


def test_a_run_is_begun_again_from_its_page_with_other_config(opened: Callable[..., Page]) -> None:
    page: Any = opened()
    page.locator("textarea").fill(GOOD)
    page.get_by_role("combobox", name="Ops").fill("load")
    page.get_by_label("Tags").fill("team=data")
    page.get_by_label("Where to run").select_option("in_process")
    first = launch(page)["report"]["run_id"]
    page.get_by_role("link", name="Run again").click()
    page.wait_for_url("**/jobs/copy/launch")
    text = until_text(page, "rows: 3")
    page.get_by_role("tab", name=f"from run {first[:8]}", selected=True).wait_for()
    assert page.get_by_role("combobox", name="Ops").input_value() == "load"
    assert page.get_by_label("Tags").input_value() == "team=data"
    page.locator("textarea").fill(text.replace("rows: 3", "rows: 4"))
    page.wait_for_function("() => document.querySelector('.plan-state').textContent === ''")
    second = launch(page)
    assert second["report"]["status"] == "SUCCESS"
    assert second["report"]["run_config"]["ops"]["load"]["config"]["rows"] == 4
    assert second["report"]["run_config"]["execution"] == {"config": {"in_process": {}}}
    assert second["report"]["tags"]["team"] == "data"
    assert second["op_selection"] == ["load"]
    assert second["report"]["parent_run_id"] is None


def test_a_failed_run_is_resumed_with_other_config_and_its_steps_again(
    opened: Callable[..., Page],
) -> None:
    page: Any = opened("fragile")
    page.locator("textarea").fill(FAILING)
    page.get_by_label("Tags").fill("team=data")
    failed = launch(page)
    first = failed["report"]["run_id"]
    assert failed["report"]["status"] == "FAILURE"

    show(page, f"{page.base}jobs/fragile/launch")
    press(page, "New draft")
    field = page.get_by_label("Resume from run")
    field.fill("nothing-there")
    page.locator(".launch-why", has_text="No run of fragile begins with").wait_for()
    field.fill(first)
    text = until_text(page, "fails: true")
    for label in ("Tags", "Where to run", "Steps at once"):
        assert page.get_by_label(label).is_disabled()
    page.get_by_text("A resumed run keeps the ops and tags").wait_for()
    page.locator("textarea").fill(text.replace("fails: true", "fails: false"))
    page.wait_for_function("() => document.querySelector('.plan-state').textContent === ''")
    mended = launch(page)
    assert (mended["report"]["status"], mended["report"]["parent_run_id"]) == ("SUCCESS", first)
    assert mended["report"]["tags"]["team"] == "data"
    assert states(page, mended) == {
        "begin": "reused",
        "follow": "succeeded",
        "finish": "succeeded",
    }

    # Of a run without failures, its steps must be chosen.
    second = mended["report"]["run_id"]
    show(page, f"{page.base}jobs/fragile/launch")
    press(page, "New draft")
    page.get_by_label("Resume from run").fill(second[:12])
    page.locator(".launch-why", has_text="All steps of this run are done").wait_for()
    until_text(page, "fails: false")
    page.get_by_label("Steps to run again").fill("finish")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ready(page)
    command = copied_by(page, "Copy as CLI", "Command copied.")
    assert f"rayexec run resume {second}" in command
    assert "-s finish" in command
    chosen = launch(page)
    assert (chosen["report"]["status"], chosen["report"]["parent_run_id"]) == ("SUCCESS", second)
    assert states(page, chosen) == {
        "begin": "reused",
        "follow": "reused",
        "finish": "succeeded",
    }


def test_keys_alone_lead_from_the_jobs_to_a_run(open_page: OpenPage, door: DevServer) -> None:
    page: Any = open_page(door.url)
    page.set_default_timeout(TIMEOUT_MS)
    page.get_by_role("link", name="copy", exact=True).first.wait_for()

    def tab_to(words: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(
                "words => (document.activeElement.ariaLabel ?? document.activeElement.textContent)"
                ".trim().startsWith(words)",
                words,
            ):
                return
        raise AssertionError(f"Tab does not lead to {words}")

    tab_to("copy")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/copy")
    page.get_by_role("heading", name="copy", level=1).wait_for()
    page.keyboard.press("l")
    page.wait_for_url("**/jobs/copy/launch")
    page.locator("textarea").wait_for()
    tab_to("Scaffold missing")
    page.keyboard.press("Enter")
    # What is added has the focus.
    until_text(page, "rows:")
    page.wait_for_function("() => document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.press("Control+f")
    page.keyboard.type("rows: ")
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    for _ in range(len(text_of(page).partition("rows: ")[2].partition("\n")[0])):
        page.keyboard.press("Backspace")
    page.keyboard.type("5")
    page.keyboard.press("Escape")  # Tab leaves the editor after it
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.tagName") == "SELECT":
            break
    page.keyboard.type("in one")
    assert page.get_by_label("Where to run").input_value() == "in_process"
    ready(page)
    page.expected_errors.append("404")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/runs/*")
    answer = report(page)
    assert answer["report"]["status"] == "SUCCESS"
    assert answer["report"]["run_config"]["ops"]["load"]["config"]["rows"] == 5


def test_the_launch_says_why_it_is_not_possible(opened: Callable[..., Page]) -> None:
    page: Any = opened()
    button = page.get_by_role("button", name="Launch")
    why = page.locator(".launch-why")
    text, tags = page.locator("textarea"), page.get_by_label("Tags")
    for field, value, words in (
        (text, "ops: [", "expected"),
        (text, "", "load"),
        (tags, "team", "team is no tag"),
        (page.get_by_label("Steps at once"), "0", "whole number"),
    ):
        text.fill(GOOD)
        tags.fill("")
        ready(page)
        field.fill(value)
        why.get_by_text(words).wait_for()
        assert button.get_attribute("aria-disabled") == "true"
        assert button.get_attribute("aria-describedby") == why.get_attribute("id")
        button.click(force=True)  # It is disabled for assistive technology only.
        page.locator(".toast", has_text=words).first.wait_for()
        assert page.url.endswith("/launch")

"""The buttons of the Launchpad that write run config, in a real browser."""

from __future__ import annotations

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

TIMEOUT_MS = 30_000
SOURCE = f"""{JOBS}
@job(config={{"ops": {{"load": {{"config": {{"rows": 7}}}}}}}})
def configured():
    load()


@op
def nothing():
    pass


@job
def free():
    nothing()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of the jobs."""
    path = tmp_path / "jobs.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def opened(dev_server: Callable[..., DevServer], open_page: OpenPage, file: Path) -> Any:
    """Open a path of a server with the jobs."""

    def open_at(path: str = "/jobs/copy/launch", **options: Any) -> Page:
        server = dev_server("-f", str(file))
        page = open_page(server.url, **options)
        page.base = server.base.rstrip("/")  # type: ignore[attr-defined]
        page.set_default_timeout(TIMEOUT_MS)
        show(page, path)
        return page

    return open_at


def show(page: Any, path: str) -> None:
    page.goto(page.base + path)
    page.locator("textarea").wait_for()


def text_of(page: Page) -> str:
    return page.locator("textarea").input_value()


def until_text(page: Page, part: str) -> str:
    page.wait_for_function(
        "part => document.querySelector('textarea').value.includes(part)", arg=part
    )
    return text_of(page)


def ready(page: Page) -> None:
    page.locator(".launch-head .is-primary[aria-disabled=false]").wait_for()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_scaffold_leaves_every_other_byte(opened: Callable[..., Page]) -> None:
    page = opened()
    area = page.locator("textarea")
    page.wait_for_function(
        "() => document.querySelector('textarea').placeholder.startsWith('Press Scaffold missing')"
    )
    start = "# mine\nops:\n  load:\n    config:\n      deep: true   # odd\n"
    area.fill(start)
    press(page, "Scaffold missing")
    after = until_text(page, "rows")
    added = [line for line in after.splitlines() if line not in start.splitlines()]
    assert [line.strip().partition(":")[0] for line in added] == ["rows"]
    assert "".join(f"{line}\n" for line in after.splitlines() if line not in added) == start
    # It is one edit, that undo takes back.
    area.focus()
    page.keyboard.press("Control+z")
    assert text_of(page) == start
    press(page, "Scaffold all")
    after = until_text(page, "execution:")
    kept = iter(after.splitlines())
    assert all(line in kept for line in start.splitlines())
    assert after.count("mode") == 1
    useless = f"{start}  nowhere: 1 # nothing\n# end\n"
    area.fill(useless)
    press(page, "Remove unused")
    page.wait_for_function("() => !document.querySelector('textarea').value.includes('nowhere')")
    assert text_of(page).startswith(start)
    assert text_of(page).endswith("# end\n")
    show(page, "/jobs/configured/launch")
    press(page, "Defaults")
    assert "rows: 7" in until_text(page, "rows")
    show(page, "/jobs/free/launch")
    ready(page)
    assert "needs no config" in (area.get_attribute("placeholder") or "")

"""The page of a step in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from accessibility import assert_accessible
from browser_fixtures import OpenPage
from dev_server import DevServer

from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

RUN = "aaaa1111"


@pytest.mark.parametrize(
    ("dark", "width"), [(False, 1280), (True, 375)], ids=["light, wide", "dark, narrow"]
)
def test_a_step_shows_why_it_failed_and_its_neighbours(
    open_page: OpenPage,
    dev_server: Callable[..., DevServer],
    tmp_path: Path,
    dark: bool,
    width: int,
) -> None:
    home = tmp_path / "home"
    record_large_run(DirectoryRunStore(home), RUN, 100, failing=(50,), waiting=10)
    server = dev_server(home=home)
    page = open_page(server.url, dark=dark, width=width)
    page.goto(f"{server.base}runs/{RUN}/steps/load_26")
    page.get_by_text("Why it failed").wait_for()
    page.get_by_text("ValueError: part 50 is empty").first.wait_for()
    assert "in load" in page.locator("pre.traceback").first.inner_text()
    assert_accessible(page)
    overflow = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
    page.get_by_role("link", name="clean_26").click()
    page.get_by_role("heading", name="clean_26").wait_for()
    page.goto(f"{server.base}runs/{RUN}/steps/load_2")
    page.get_by_text("for kind=x, held by").first.wait_for()

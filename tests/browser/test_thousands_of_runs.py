"""The page of 5,000 runs: few elements, the last run by keys, and one by a filter."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from many_runs import copied_runs

pytestmark = [pytest.mark.browser, pytest.mark.long("writes 5,000 runs, and starts a browser")]

RUNS = 5_000
MOST_ELEMENTS = 2_000
PATIENCE_S = 60.0


def test_a_page_of_5_000_runs_has_few_elements(
    open_page: OpenPage,
    dev_server: Callable[..., DevServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    ids = copied_runs(home, RUNS)
    server = dev_server(home=home)
    page = open_page(server.url)
    page.goto(f"{server.base}runs")
    page.locator(".table-row").first.wait_for(timeout=PATIENCE_S * 1000)
    page.get_by_text("5,000").first.wait_for()

    def elements() -> int:
        return int(page.evaluate("() => document.querySelectorAll('*').length"))

    most = elements()
    page.locator("[role=grid]").first.focus()
    deadline = time.monotonic() + PATIENCE_S
    while not page.locator(f"a[href*='{ids[-1]}']").count():
        assert time.monotonic() < deadline
        page.keyboard.press("End")
        most = max(most, elements())
    print(f"at most {most} elements for {RUNS:,} runs")
    assert most < MOST_ELEMENTS
    page.goto(f"{server.base}runs?text=copy-01234")
    page.locator(".table-row a[href*='copy-01234']").first.wait_for()
    assert page.locator(".table-row").count() == 1

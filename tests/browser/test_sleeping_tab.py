"""A tab that sleeps for so long that its connection is gone, and then goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import OpenPage
from dev_processes import until
from served_pages import ServedInThread, served_in_thread

from rayexec import job, op

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
GATE = "GATE_OF_THE_SLEEPING_TAB"
PATIENCE_MS = 60_000


@op
def waits() -> int:
    while not os.path.exists(os.environ[GATE]):
        time.sleep(0.01)
    return 1


@op
def after(number: int) -> int:
    return number


@job
def nightly() -> None:
    number = waits()
    for _ in range(100):
        after(number)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedInThread]:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(GATE, str(tmp_path / "open"))
    with served_in_thread() as server:
        yield server


def test_a_tab_that_sleeps_catches_up(
    served: ServedInThread, open_page: OpenPage, tmp_path: Path
) -> None:
    """All that an hour of sleep changes: the connection is gone, and the run has ended."""
    run_id = "seen-by-a-sleeper"
    runner = threading.Thread(target=lambda: nightly.execute(IN_PROCESS, run_id=run_id))
    runner.start()
    live = served.session.live
    try:
        until(lambda: served.request("GET", f"api/runs/{run_id}").status == 200)
        page = open_page(f"{served.url}runs/{run_id}?tab=steps&token={served.token}")
        page.locator(".run-head, .page-head").first.get_by_text("running").first.wait_for(
            timeout=PATIENCE_MS
        )
        page.expected_errors.append("/now")  # type: ignore[attr-defined]  # 404: it is over
        until(lambda: live.tab_count == 1)
        lifecycle = page.context.new_cdp_session(page)
        lifecycle.send("Page.setWebLifecycleState", {"state": "frozen"})
        (tmp_path / "open").touch()
        runner.join()
        for tab in list(live._tabs):
            served.loop.call_soon_threadsafe(tab.abort)
        until(lambda: live.tab_count == 0)
        lifecycle.send("Page.setWebLifecycleState", {"state": "active"})
        page.locator(".run-head, .page-head").first.get_by_text("success").first.wait_for(
            timeout=PATIENCE_MS
        )
        page.get_by_text("101").first.wait_for(timeout=PATIENCE_MS)
        until(lambda: live.tab_count == 1)
    finally:
        (tmp_path / "open").touch()
        runner.join()

"""Memory and CPU of the browser door's server: without a tab, with large runs, and watched.

Run it by ``python -m benchmarks.web server``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.measure import print_table
from benchmarks.web_chromium import Door, await_warm_ray, launch, new_page, rss_mb
from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run

__all__ = ["server_figures"]

_STEPS = 100_000
_RUN = f"run-{_STEPS}"
_TABS = 10
_AT_REST_S = 6.0  # behind the start, which imports what reads runs
_QUIET_S = 20.0
_WATCHED_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


def server_figures(
    browser: Browser,
    directory: Path,
    job_file: Path,
) -> None:
    """Print the table."""
    rows = [
        *_memory(browser, directory / "large-server"),
        *_processor_time(browser, directory / "home-server", job_file),
    ]
    print_table("Server", ["what", "measured", "goal"], rows)


def _memory(browser: Browser, home: Path) -> list[list[str]]:
    record_large_run(DirectoryRunStore(home), _RUN, _STEPS, failing=[5], waiting=3_000)
    door = Door(home)
    pages: list[Page] = []
    try:
        time.sleep(_AT_REST_S)
        idle = rss_mb(door.process.pid)
        pages.append(_run_page(browser, door))
        time.sleep(6)  # What the reading took for a moment is given back.
        opened = rss_mb(door.process.pid)
        pages += [_run_page(browser, door) for _ in range(_TABS)]
        time.sleep(6)
        tabs = rss_mb(door.process.pid)
    finally:
        for page in pages:
            page.context.close()
        door.stop()
    return [
        ["memory without a run, MB", f"{idle:.0f}", "120"],
        [f"more for an open run of {_STEPS:,} steps, MB", f"{opened - idle:.0f}", "40"],
        ["more for each further tab, MB", f"{(tabs - opened) / _TABS:.1f}", "2"],
    ]


def _run_page(browser: Browser, door: Door) -> Page:
    page = new_page(browser)
    page.goto(door.url, wait_until="commit")
    page.goto(f"{door.base}/runs/{_RUN}")
    page.locator("canvas").first.wait_for()
    page.wait_for_load_state("networkidle")
    return page


def _processor_time(
    browser: Browser,
    home: Path,
    job_file: Path,
) -> list[list[str]]:
    door = Door(home, "-f", str(job_file))
    page = new_page(browser)
    try:
        await_warm_ray(door)
        quiet = _share(door.process.pid, _QUIET_S)
        page.goto(door.url)
        # In one process, five steps end in a second.
        run_id = launch(door, "naps", "", "in_process")
        page.goto(f"{door.base}/runs/{run_id}")
        page.locator("canvas").first.wait_for(timeout=60_000)
        watched = _share(door.process.pid, _WATCHED_S)
    finally:
        page.context.close()
        door.stop()
    return [
        ["of a core without a tab, %", f"{quiet:.1f}", "0"],
        ["of a core for a watched run of five steps a second, %", f"{watched:.1f}", "3"],
    ]


def _share(pid: int, seconds: float) -> float:
    """Return how much of a core a process uses for some seconds, in percent."""
    before, began = _spent(pid), time.perf_counter()
    time.sleep(seconds)
    return (_spent(pid) - before) / (time.perf_counter() - began) * 100


def _spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS

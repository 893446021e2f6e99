"""Runs under way in Chromium: from a click to the end, and from a step's end to its bar.

Run it by ``python -m benchmarks.web live``.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from playwright.sync_api import Browser

from benchmarks.measure import median, print_table
from benchmarks.web_chromium import Door, ask, await_warm_ray, launch, marks, new_page

__all__ = ["live_figures"]

_REPEATS = 3
_PATIENCE_S = 120.0


def live_figures(browser: Browser, directory: Path, job_file: Path) -> None:
    """Print the times, for a run on the server's Ray and for one in one process."""
    door = Door(directory / "home-live", "-f", str(job_file))
    page = new_page(browser)
    try:
        page.goto(door.url)
        await_warm_ray(door)
        ends = []
        for _ in range(_REPEATS):
            began = time.time()
            run_id = launch(door, "three", "")
            report = _ended(door, run_id)
            ends.append(datetime.fromisoformat(report["end_time"]).timestamp() - began)
            time.sleep(5)  # for the next spare driver
        rows = [["click to the end of three ops, on Ray, s", f"{median(ends):.2f}", "2"]]
        for name, where in (("on Ray", "ray"), ("in one process", "in_process")):
            run_id = launch(door, "naps", "", where)
            page.goto(f"{door.base}/runs/{run_id}")
            _ended(door, run_id)
            delays = _delays(door, page, run_id)
            least, most = f"{median(delays) * 1e3:.0f}", f"{quantiles(delays, n=20)[-1] * 1e3:.0f}"
            rows.append([f"step end to bar, {name}, {len(delays)} steps, median, ms", least, "150"])
            rows.append([f"step end to bar, {name}, p95, ms", most, "250"])
    finally:
        page.context.close()
        door.stop()
    print_table("Live", ["what", "measured", "goal"], rows)


def _ended(door: Door, run_id: str) -> dict[str, Any]:
    """Wait for the end of a run, and return its report."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        answer: dict[str, Any] = ask(door, f"api/runs/{run_id}")
        if answer["is_over"]:
            assert answer["report"]["status"] == "SUCCESS", answer["report"]
            report: dict[str, Any] = answer["report"]
            return report
        time.sleep(0.5)
    raise SystemExit(f"run {run_id} did not end")


def _delays(door: Door, page: Any, run_id: str) -> list[float]:
    """Return the seconds from each step's end to the first drawing that has its bar.

    Only for steps that ended while the page was there: those of the first drawing came before it.
    """
    time.sleep(1.0)  # for the last drawing
    painted = marks(page, "timeline")
    origin = page.evaluate("() => performance.timeOrigin") / 1e3
    listed = ask(door, f"api/runs/{run_id}/steps", sort="started", count=500)["rows"]
    # Rows of the log are in the order in which the steps ended.
    ended = sorted(row["started"] + row["seconds"] for row in listed if row["started"])
    first = painted[0]["detail"]["rows"]
    delays = []
    for index in range(first, len(ended)):
        drawing = next((each for each in painted if each["detail"]["rows"] > index), None)
        if drawing is not None:
            delays.append(origin + drawing["at"] / 1e3 - ended[index])
    return delays

"""Pages of the browser door in a real Chromium, and Dagster's webserver beside it.

Run it from the repository, with the extras ``web-test`` and ``bench``, and ``dagster-webserver``:
``python -m benchmarks.web [pages] [runs] [search] [live] [server] [editor] [dagster]``; all without
names.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.measure import median, print_machine, print_table
from benchmarks.web_chromium import Door, chromium, marks, new_page, page_at
from benchmarks.web_dagster import dagster
from benchmarks.web_live import live_figures
from benchmarks.web_runs import runs, search
from benchmarks.web_server import server_figures

REPEATS = 3
JOBS = {300: 0.5, 1_000: 1.0, 5_000: 2.0}  # ops: goal in seconds
_JOB = """
import time
from rayexec import Config, job, op

class Wait(Config):
    seconds: float = 0.2

{ops}
"""


def job_file(directory: Path) -> Path:
    """Write a file with jobs of each size, in chains of ten, and return its path."""
    parts = [
        "@op\ndef load() -> int:\n    return 1\n",
        "@op\ndef clean(part: int) -> int:\n    return part\n",
        "@op\ndef nap(config: Wait) -> None:\n    time.sleep(config.seconds)\n",
        "@job\ndef naps():\n    for _ in range(150):\n        nap()\n",
        "@job\ndef naps_1000():\n    for _ in range(1000):\n        nap()\n",
        "@job\ndef three():\n    clean(clean(load()))\n",
    ]
    for size in JOBS:
        parts.append(
            f"@job\ndef ops_{size}():\n    for _ in range({size // 10}):\n        part = load()\n"
            "        for _ in range(9):\n            part = clean(part)\n"
        )
    path = directory / "many_jobs.py"
    path.write_text(_JOB.format(ops="\n".join(parts)))
    return path


def pages(browser: Browser, directory: Path) -> None:
    """Print the time from the command to a usable page, the first load, and job pages."""
    home, file = directory / "home", job_file(directory)
    starts, loads = [], []
    for _ in range(REPEATS):
        door = Door(home, "-f", str(file))
        page = new_page(browser)
        answers = _answers_of(page)
        page.goto(door.url)
        page.get_by_role("link", name="ops_300").first.wait_for()
        starts.append(time.perf_counter() - door.started)
        page.wait_for_load_state("networkidle")
        loads.append((sum(map(_bytes_of, answers)), len(answers)))
        page.context.close()
        door.stop()
    size, requests = loads[0]
    rows = [
        ["`rayexec dev` to the page with its jobs, s", f"{median(starts):.2f}", "2"],
        ["first load, KB", f"{size / 1e3:.0f}", "150"],
        ["first load, requests", str(requests), "20"],
    ]
    door = Door(home, "-f", str(file))
    for ops, goal in JOBS.items():
        took = _opened(browser, door, f"/jobs/ops_{ops}", "graph")
        rows.append([f"page of a job of {ops:,} ops, s", f"{took:.2f}", f"{goal:g}"])
    door.stop()
    print_table("First pages", ["what", "measured", "goal"], rows)


def _answers_of(page: Page) -> list[Any]:
    answers: list[Any] = []

    def add(answer: Any) -> None:
        answers.append(answer)

    page.on("response", add)
    return answers


def _bytes_of(response: Any) -> int:
    try:
        return len(response.body())
    except Exception:  # a redirect has no body
        return 0


def _opened(browser: Browser, door: Door, path: str, mark: str, **wanted: Any) -> float:
    """Return the median seconds from a page's navigation to its first mark of a name."""
    times = []
    for _ in range(REPEATS):
        page = page_at(browser, door, path, mark)
        times.append(_first(page, mark)["at"] / 1e3)
        page.context.close()
    return median(times)


def _first(page: Page, mark: str) -> dict[str, Any]:
    """Return the first mark of a drawing with something in it."""
    return next(each for each in marks(page, mark) if each["detail"].get("rows") != 0)


def server(browser: Browser, directory: Path) -> None:
    """Print memory and processor time of the server."""
    server_figures(browser, directory, job_file(directory))


def live(browser: Browser, directory: Path) -> None:
    """Print the times of runs under way."""
    live_figures(browser, directory, job_file(directory))


def editor(browser: Browser, directory: Path) -> None:
    """Print the time from a key to the next painted frame, in a config of 2,000 lines."""
    door = Door(directory / "home", "-f", str(job_file(directory)))
    page = new_page(browser)
    page.goto(door.url)
    page.goto(f"{door.base}/jobs/naps_1000/launch")
    area = page.get_by_role("textbox", name="Run config").first
    area.wait_for()
    names = ["nap", *(f"nap_{index}" for index in range(2, 1_001))]
    lines = "".join(f"  {name}:\n    config: {{seconds: 0.2}}\n" for name in names)
    area.focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(f"ops:\n{lines}")
    page.evaluate(
        """() => { window.keys = []; document.addEventListener("keydown", () => {
          const began = performance.now();
          requestAnimationFrame(() => { const channel = new MessageChannel();
            channel.port1.onmessage = () => window.keys.push(performance.now() - began);
            channel.port2.postMessage(0); });
        }, {capture: true}); }"""
    )
    area.press("Control+End")
    for letter in "  # a comment of some words, typed at the end":
        page.keyboard.type(letter)
        time.sleep(0.03)
    times = page.evaluate("() => window.keys")
    page.context.close()
    door.stop()
    rows = [
        ["key to frame, median, ms", f"{median(times):.1f}", "16.7"],
        ["key to frame, p95, ms", f"{quantiles(times, n=20)[-1]:.1f}", "33"],
    ]
    print_table("Editor, 2,000 lines", ["what", "measured", "goal"], rows)


PARTS: dict[str, Callable[[Browser, Path], None]] = {
    "pages": pages,
    "runs": runs,
    "search": search,
    "live": live,
    "server": server,
    "editor": editor,
    "dagster": dagster,
}


def main() -> None:
    """Print the tables of the named parts."""
    print_machine("rayexec", "aiohttp", "playwright")
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        print(f"Chromium {browser.version}")
        for name in sys.argv[1:] or PARTS:
            began = time.perf_counter()
            PARTS[name](browser, Path(directory))
            took, load = time.perf_counter() - began, os.getloadavg()[0]
            print(f"({name} took {took:.0f} s; load {load:.0f})", flush=True)


if __name__ == "__main__":
    main()

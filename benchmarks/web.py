"""Pages of the browser door in a real Chromium, and Dagster's webserver beside it.

Run it from the repository, with the extras ``web-test`` and ``bench``, and ``dagster-webserver``:
``python -m benchmarks.web [pages] [runs] [live] [server] [editor] [dagster]``; all without names.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.measure import median, print_machine, print_table
from benchmarks.web_chromium import Door, chromium, heap_mb, marks, new_page, rss_mb
from benchmarks.web_dagster import dagster
from benchmarks.web_server import server_figures
from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run

REPEATS = 3
RUNS = {20_000: 0.5, 100_000: 1.0, 1_000_000: 5.0}  # steps: goal in seconds
JOBS = {300: 0.5, 1_000: 1.0, 5_000: 2.0}  # ops: goal in seconds
_PATIENCE_MS = 60_000
_JOB = """
import time
from rayexec import Config, job, op

class Wait(Config):
    seconds: float = 0.0

{ops}
"""


def job_file(directory: Path) -> Path:
    """Write a file with jobs of each size, in chains of ten, and return its path."""
    parts = [
        "@op\ndef load() -> int:\n    return 1\n",
        "@op\ndef clean(part: int) -> int:\n    return part\n",
        "@op\ndef nap(config: Wait) -> None:\n    time.sleep(config.seconds)\n",
        "@job\ndef naps():\n    for _ in range(150):\n        nap()\n",
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
        page = _page_at(browser, door, path, mark)
        times.append(_first(page, mark)["at"] / 1e3)
        page.context.close()
    return median(times)


def _first(page: Page, mark: str) -> dict[str, Any]:
    """Return the first mark of a drawing with something in it."""
    return next(each for each in marks(page, mark) if each["detail"].get("rows") != 0)


def _page_at(browser: Browser, door: Door, path: str, mark: str) -> Page:
    page = new_page(browser)
    page.goto(door.url, wait_until="commit")
    page.goto(f"{door.base}{path}")
    page.wait_for_function(
        "(name) => window.seen.some((each) => each.name === name && each.detail?.rows !== 0)",
        arg=mark,
        timeout=_PATIENCE_MS,
    )
    return page


def runs(browser: Browser, directory: Path) -> None:
    """Print the times and the memory of pages of large runs."""
    home = directory / "large"
    store, rows = DirectoryRunStore(home), []
    for steps in RUNS:
        record_large_run(store, f"run-{steps}", steps, failing=[5, steps // 2], waiting=3_000)
    for steps, goal in RUNS.items():
        door = Door(home)
        idle = rss_mb(door.process.pid)
        took = _opened(browser, door, f"/runs/run-{steps}", "timeline")
        page = _page_at(browser, door, f"/runs/run-{steps}", "timeline")
        page.wait_for_load_state("networkidle")
        page.locator("canvas").first.hover()
        page.evaluate("() => { window.seen.length = 0; }")
        for turn in range(20):
            page.keyboard.down("Control")
            page.mouse.wheel(0, -200 if turn < 12 else 200)
            page.keyboard.up("Control")
            page.evaluate("() => new Promise(requestAnimationFrame)")
        frames = [each["detail"]["ms"] for each in marks(page, "timeline")]
        grown = rss_mb(door.process.pid) - idle
        rows.append(
            [
                f"{steps:,} steps",
                f"{took:.2f}",
                f"{goal:g}",
                f"{median(frames):.1f}",
                f"{max(frames):.1f}",
                f"{heap_mb(page):.1f}",
                f"{idle:.0f}",
                f"{grown:.0f}",
            ]
        )
        page.context.close()
        door.stop()
    head = ["run", "interactive, s", "goal", "a frame, ms", "longest, ms", "JS heap, MB"]
    print_table("Pages of runs", [*head, "server idle, MB", "server more, MB"], rows)


def live(browser: Browser, directory: Path) -> None:
    """Print the time from a step's end to its bar, and from a click to the end of three ops."""
    door = Door(directory / "home", "-f", str(job_file(directory)))
    page = new_page(browser)
    page.goto(door.url)
    _wait_for_warm_ray(door)
    ends = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run_id = _launch(door, "three", "")
        while not ask(door, f"api/runs/{run_id}")["is_over"]:
            time.sleep(0.01)
        ends.append(time.perf_counter() - began)
    run_id = _launch(door, "naps", "ops:\n  nap:\n    config: {seconds: 0.2}\n")
    page.goto(f"{door.base}/runs/{run_id}")
    while not ask(door, f"api/runs/{run_id}")["is_over"]:
        time.sleep(0.2)
    time.sleep(1)
    painted = marks(page, "timeline")
    origin = page.evaluate("() => performance.timeOrigin")
    delays = []
    columns = ask(door, f"api/runs/{run_id}/steps", sort="started", count=500)["rows"]
    finished = sorted(row["started"] + row["seconds"] for row in columns if row["started"])
    for index, ended in enumerate(finished):
        first = next((each for each in painted if each["detail"]["rows"] > index), None)
        if first is not None and index > painted[0]["detail"]["rows"]:
            delays.append((origin + first["at"]) / 1e3 - ended)
    page.context.close()
    door.stop()
    rows = [
        ["click to the end of three ops, s", f"{median(ends):.2f}", "2"],
        ["step end to pixel, median, ms", f"{median(delays) * 1e3:.0f}", "150"],
        ["step end to pixel, p95, ms", f"{quantiles(delays, n=20)[-1] * 1e3:.0f}", "250"],
    ]
    print_table(f"Live, {len(delays)} steps", ["what", "measured", "goal"], rows)


def ask(door: Door, path: str, body: Any = None, **query: Any) -> Any:
    """Return an answer of the server's API."""
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(door.url).query)["token"][0]
    request = urllib.request.Request(
        f"{door.base}/{path}?{urllib.parse.urlencode(query)}",
        headers={"Authorization": f"Bearer {token}", "X-Rayexec": "1"},
    )
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _launch(door: Door, job: str, config: str, where: str = "ray") -> str:
    body = {"yaml": config, "selection": [], "tags": {}, "where": where}
    run_id: str = ask(door, f"api/jobs/{job}/launch", body)["run_id"]
    return run_id


def _wait_for_warm_ray(door: Door) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        cluster = ask(door, "api/session")["cluster"]
        if cluster and cluster["state"] == "up":
            time.sleep(3)  # for the spare driver
            return
        time.sleep(0.2)


def server(browser: Browser, directory: Path) -> None:
    """Print memory and processor time of the server."""
    server_figures(browser, directory, job_file(directory), _launch)


def editor(browser: Browser, directory: Path) -> None:
    """Print the time from a key to the next painted frame, in a config of 2,000 lines."""
    door = Door(directory / "home", "-f", str(job_file(directory)))
    page = new_page(browser)
    page.goto(door.url)
    page.goto(f"{door.base}/jobs/naps/launch")
    area = page.get_by_role("textbox", name="Run config").first
    area.wait_for()
    lines = "".join(f"  nap_{index}:\n    config: {{seconds: 0.2}}\n" for index in range(2, 1_001))
    area.focus()
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
            PARTS[name](browser, Path(directory))


if __name__ == "__main__":
    main()

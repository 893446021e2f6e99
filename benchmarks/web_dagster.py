"""Dagster's webserver beside the browser door, on the same jobs: runs of no-ops, and Launchpads.

Dagster may be in another Python: name it in ``BENCH_DAGSTER_PYTHON``. Its run of 10,000 steps
takes minutes; ``BENCH_DAGSTER_HOME`` is a directory that keeps it for the next time.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.measure import print_table
from benchmarks.web_chromium import Door, heap_mb
from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run

__all__ = ["dagster"]

SIZES = (1_000, 10_000)
_FILE = """
import sys
import dagster

@dagster.op
def load():
    return 1

def of(size):
    @dagster.job(name=f"ops_{size}", executor_def=dagster.in_process_executor)
    def many():
        for _ in range(size):
            load()
    return many

ops_1000, ops_10000 = of(1000), of(10000)
definitions = dagster.Definitions(jobs=[ops_1000, ops_10000])

if __name__ == "__main__":
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    jobs = {"1000": ops_1000, "10000": ops_10000}
    instance = dagster.DagsterInstance.get()
    print(jobs[sys.argv[1]].execute_in_process(quiet, instance=instance).run_id)
"""
_VERSION = "from importlib.metadata import version; print(version('dagster-webserver'))"
_STILL_S, _PATIENCE_S = 3.0, 180.0
_Row = list[str]


def dagster(browser: Browser, directory: Path) -> None:
    """Print the times of the pages; nothing of Dagster without dagster-webserver."""
    python = os.environ.get("BENCH_DAGSTER_PYTHON", sys.executable)
    asked = subprocess.run([python, "-c", _VERSION], capture_output=True, text=True, check=False)
    rows = _pages_of_rayexec(browser, directory)
    if asked.returncode == 0:
        rows += _pages_of_dagster(browser, python, directory)
    else:
        print("dagster-webserver is not installed: no pages of Dagster")
    head = ["page", "shows it, s", "at rest, s", "JS heap, MB", "DOM nodes", "MB loaded"]
    print_table(f"Pages beside Dagster {asked.stdout.strip()}", head, rows)


def _pages_of_rayexec(browser: Browser, directory: Path) -> list[_Row]:
    home = directory / "beside-dagster"
    store = DirectoryRunStore(home)
    for size in SIZES:
        record_large_run(store, f"run-{size}", size)
    file = directory / "ops_of_rayexec.py"
    file.write_text(
        "from rayexec import job, op\n\n@op\ndef load() -> int:\n    return 1\n\n@job\n"
        "def ops_1000():\n    for _ in range(1000):\n        load()\n"
    )
    door = Door(home, "-f", str(file))
    try:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(door.url)  # for the cookie
        page.locator("main").get_by_text("ops_1000").first.wait_for()
        cookies = context.cookies()
        context.close()
        base = door.base
        rows = [
            _settled(
                browser,
                f"rayexec, run of {size:,} steps",
                f"{base}/runs/run-{size}",
                f"{size:,} succeeded",
                cookies,
            )
            for size in SIZES
        ]
        path = f"{base}/jobs/ops_1000/launch"
        name = "rayexec, Launchpad of 1,000 ops"
        return [*rows, _settled(browser, name, path, "1,000 steps", cookies)]
    finally:
        door.stop()


def _pages_of_dagster(browser: Browser, python: str, directory: Path) -> list[_Row]:
    home = Path(os.environ.get("BENCH_DAGSTER_HOME", directory / "dagster"))
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    file = home / "dagster_jobs.py"
    file.write_text(_FILE)
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    recorded = _recorded(python, file, environment)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    server = subprocess.Popen(
        [python, "-m", "dagster_webserver", "-f", str(file), "-p", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(f"{base}/server_info")
        print(f"Dagster's webserver answers after {time.perf_counter() - began:.1f} s")
        rows = [
            _settled(
                browser, f"Dagster, run of {int(size):,} steps", f"{base}/runs/{run_id}", "load_1"
            )
            for size, run_id in recorded.items()
        ]
        path = f"{base}/locations/{file.name}/jobs/ops_1000/playground"
        return [*rows, _settled(browser, "Dagster, Launchpad of 1,000 ops", path, "Launch Run")]
    finally:
        server.terminate()
        server.wait(30)


def _recorded(python: str, file: Path, environment: dict[str, str]) -> dict[str, str]:
    """Return the runs by size, those of an earlier time if there are any."""
    listed = file.parent / "recorded.json"
    if listed.exists():
        kept: dict[str, str] = json.loads(listed.read_text())
        return kept
    recorded = {
        str(size): subprocess.run(
            [python, str(file), str(size)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
        for size in SIZES
    }
    listed.write_text(json.dumps(recorded))
    return recorded


def _await(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                json.load(answer)
                return
        except (OSError, ValueError):
            time.sleep(0.1)
    raise SystemExit("Dagster's webserver did not start")


def _settled(
    browser: Browser, name: str, url: str, words: str, cookies: Sequence[object] = ()
) -> _Row:
    """Open a page of an empty profile, and return the row of its figures.

    It shows its content once it has the words, and is at rest once its text stays for 3 s.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies(list(cookies))  # type: ignore[arg-type]
    page = context.new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    began = changed = time.perf_counter()
    page.goto(url, wait_until="commit")
    text, shown, at_rest = "", "", ""
    while not at_rest and time.perf_counter() - began < _PATIENCE_S:
        time.sleep(0.05)
        latest: str = page.evaluate("() => document.body?.innerText ?? ''")
        now = time.perf_counter()
        if not shown and words in latest:
            shown = f"{now - began:.1f}"
        latest = re.sub("[0-9]+", "0", latest)  # Times that pass are no change.
        if latest != text:
            text, changed = latest, now
        elif shown and now - changed > _STILL_S:
            at_rest = f"{changed - began:.1f}"
    nodes = page.evaluate("() => document.querySelectorAll('*').length")
    never = f"over {_PATIENCE_S:g}"
    figures = [f"{heap_mb(page):.0f}", f"{nodes:,}", f"{sum(sizes) / 1e6:.1f}"]
    context.close()
    return [name, shown or never, at_rest or never, *figures]

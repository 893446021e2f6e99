"""Dagster's webserver on recorded runs of 1,000 and 10,000 no-ops, and its Launchpad."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.measure import print_table
from benchmarks.web_chromium import heap_mb

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
_STILL_S, _PATIENCE_S = 2.0, 90.0


def dagster(browser: Browser, directory: Path) -> None:
    """Record the runs, and print the times of the pages; nothing without dagster-webserver."""
    if importlib.util.find_spec("dagster_webserver") is None:
        print("dagster-webserver is not installed: no pages of Dagster")
        return
    home = directory / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    file = directory / "dagster_jobs.py"
    file.write_text(_FILE)
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    recorded = {
        size: subprocess.run(
            [sys.executable, str(file), str(size)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
        for size in SIZES
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "dagster_webserver", "-f", str(file), "-p", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(f"{base}/server_info")
        rows = [["server up, s", f"{time.perf_counter() - began:.1f}", "", ""]]
        for size, run_id in recorded.items():
            took, page = _settled(browser, f"{base}/runs/{run_id}")
            nodes = page.evaluate("() => document.querySelectorAll('*').length")
            row = [f"page of a run of {size:,} steps", f"{took:.1f}"]
            rows.append([*row, f"{heap_mb(page):.0f}", str(nodes)])
            page.context.close()
        path = f"{base}/locations/{file.name}/jobs/ops_1000/playground"
        took, page = _settled(browser, path)
        rows.append(["Launchpad of 1,000 ops", f"{took:.1f}", f"{heap_mb(page):.0f}", ""])
        page.context.close()
    finally:
        server.terminate()
        server.wait(30)
    head = ["Dagster's webserver", "until its text stays as it is, s", "JS heap, MB", "DOM nodes"]
    print_table(f"Dagster {_version(base)}", head, rows)


def _version(_: str) -> str:
    from importlib.metadata import version

    return version("dagster-webserver")


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


def _settled(browser: Browser, url: str) -> tuple[float, Page]:
    """Open a page, and return the seconds until its text changed for the last time."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    began = changed = time.perf_counter()
    page.goto(url, wait_until="commit")
    text = ""
    while time.perf_counter() - began < _PATIENCE_S:
        time.sleep(0.1)
        shown = page.evaluate("() => document.body?.innerText ?? ''")
        if shown != text:
            text, changed = shown, time.perf_counter()
        elif len(text) > 500 and time.perf_counter() - changed > _STILL_S:
            break
    return changed - began, page

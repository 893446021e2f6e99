"""Chromium for measurements of pages, and a server of the browser door in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

__all__ = [
    "Door",
    "ask",
    "await_warm_ray",
    "chromium",
    "heap_mb",
    "launch",
    "marks",
    "new_page",
    "page_at",
    "rss_mb",
]

_PATIENCE_MS = 60_000
_RAY_PATIENCE_S = 120.0

_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Marks of the pages' modules, with the time of each since the navigation began, in milliseconds.
_LISTEN = """
window.seen = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) {
    window.seen.push({name: each.name, at: each.startTime, detail: each.detail});
  }
}).observe({type: "mark", buffered: true});
"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Yield Chromium of this machine; ends the program without one."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise SystemExit(f"no browser on PATH: {', '.join(_NAMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    """Return a page of an empty profile, 1280 pixels wide, that keeps its performance marks."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(_LISTEN)
    return page


def marks(page: Page, name: str) -> list[dict[str, Any]]:
    """Return the marks of a name so far, with ``at`` in milliseconds and ``detail``."""
    seen: list[dict[str, Any]] = page.evaluate(
        "(name) => window.seen.filter((each) => each.name === name)", name
    )
    return seen


def heap_mb(page: Page) -> float:
    """Return the used heap of a page's JavaScript after a garbage collection, in MB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    # Arrays of numbers are beside the heap proper.
    return float(usage["usedSize"] + usage["backingStorageSize"]) / 1e6


def rss_mb(pid: int) -> float:
    """Return the memory of a process that is its own, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(part) for part in re.findall(r"Private_\w+:\s+(\d+) kB", text)) / 1e3


class Door:
    """`rayexec dev` in a process of its own; its output goes to a file below ``home``."""

    def __init__(self, home: Path, *arguments: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._log = home / "dev.log"
        self.started = time.perf_counter()
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rayexec", "dev", "--no-open", "--port=0", *arguments],
                # Other benchmarks measure runs without a record; pages show records.
                env={**os.environ, "RAYEXEC_HOME": str(home), "RAYEXEC_RECORD": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = self._address()
        self.base = self.url.partition("?")[0].rstrip("/")

    def _address(self) -> str:
        while self.process.poll() is None:
            found = re.search(r"http://\S+(?=\n)", self._log.read_text())
            if found:
                return found[0]
            time.sleep(0.002)
        raise SystemExit("the server ended before it printed an address")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def page_at(browser: Browser, door: Door, path: str, mark: str) -> Page:
    """Return a page of an empty profile at a path, once it has drawn something with a mark."""
    page = new_page(browser)
    page.goto(door.url, wait_until="commit")
    page.goto(f"{door.base}{path}")
    page.wait_for_function(
        "(name) => window.seen.some((each) => each.name === name && each.detail?.rows !== 0)",
        arg=mark,
        timeout=_PATIENCE_MS,
    )
    return page


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


def launch(door: Door, job: str, config: str, where: str = "ray") -> str:
    """Launch a job, and return the id of its run."""
    body = {"yaml": config, "selection": [], "tags": {}, "where": where}
    run_id: str = ask(door, f"api/jobs/{job}/launch", body)["run_id"]
    return run_id


def await_warm_ray(door: Door) -> None:
    """Wait until the Ray of the server is up, with a driver that waits for a run."""
    deadline = time.monotonic() + _RAY_PATIENCE_S
    while time.monotonic() < deadline:
        cluster = ask(door, "api/session")["cluster"]
        if cluster and cluster["state"] == "up":
            time.sleep(10)  # for the spare driver
            return
        time.sleep(0.2)
    raise SystemExit("the Ray of the server did not start")

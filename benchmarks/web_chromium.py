"""Chromium for measurements of pages, and a server of the browser door in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["Door", "chromium", "heap_mb", "marks", "new_page", "rss_mb"]

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
    used = float(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return used / 1e6


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
                env={**os.environ, "RAYEXEC_HOME": str(home)},
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

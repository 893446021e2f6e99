"""Pages of large runs in Chromium: opened cold and warm, zoomed, and searched.

Run it by ``python -m benchmarks.web runs`` and ``python -m benchmarks.web search``.
"""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.measure import median, print_table
from benchmarks.web_chromium import Door, heap_mb, marks, page_at, rss_mb
from rayexec.definitions.op import op
from rayexec.events import SUCCESS, Attempt, LogLine, OutputRecord, RunStatus
from rayexec.jobs import job
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.writing import LogWriter
from rayexec.testing.recorded_runs import record_large_run

__all__ = ["runs", "search"]

RUNS = {20_000: 0.5, 100_000: 1.0, 1_000_000: 5.0}  # steps: goal in seconds
_REPEATS = 3
_SPEAKERS, _LINES_OF_A_STEP = 10_000, 100
_RARE = "the needle of step 7777"
# Behind a server's start, so that what it does then is over.
_AT_REST_S = 6.0


@op
def speak() -> int:
    """Say something."""
    return 1


def runs(browser: Browser, directory: Path) -> None:
    """Print the times and the memory of pages of large runs."""
    home = directory / "large"
    store, rows = DirectoryRunStore(home), []
    for steps in RUNS:
        record_large_run(store, f"run-{steps}", steps, failing=[5, steps // 2], waiting=3_000)
    for steps, goal in RUNS.items():
        path = f"/runs/run-{steps}"
        cold, whole, warm, idle = [], [], [], []
        for turn in range(_REPEATS):
            door = Door(home)
            time.sleep(_AT_REST_S)
            idle.append(rss_mb(door.process.pid))
            page = page_at(browser, door, path, "timeline")
            cold.append(_first(page, 1))
            whole.append(_all_rows(page, steps))
            page.context.close()
            page = page_at(browser, door, path, "timeline")
            warm.append(_first(page, 1))
            if turn < _REPEATS - 1:
                page.context.close()
                door.stop()
        frames = _zoomed(page)
        heap, grown = heap_mb(page), rss_mb(door.process.pid) - idle[-1]
        page.context.close()
        door.stop()
        rows.append(
            [
                f"{steps:,}",
                *(f"{median(each):.2f}" for each in (cold, whole, warm)),
                f"{goal:g}",
                f"{median(frames):.1f}",
                f"{max(frames):.1f}",
                f"{heap:.1f}",
                f"{median(idle):.0f}",
                f"{grown:.0f}",
            ]
        )
    head = [
        "steps",
        "first bars, cold, s",
        "all bars, s",
        "first bars, warm, s",
        "goal",
        "a frame, ms",
        "longest, ms",
        "JS heap, MB",
        "server idle, MB",
        "server more, MB",
    ]
    print_table("Pages of runs", head, rows)


def _first(page: Page, rows: int) -> float:
    """Return the seconds from the navigation to the first drawing with so many bars."""
    drawings = marks(page, "timeline")
    at: float = next(each["at"] for each in drawings if each["detail"]["rows"] >= rows)
    return at / 1e3


def _all_rows(page: Page, rows: int) -> float:
    page.wait_for_function(
        "(rows) => window.seen.some((one) => one.name === 'timeline' && one.detail.rows >= rows)",
        arg=rows,
        timeout=60_000,
    )
    return _first(page, rows)


def _zoomed(page: Page) -> list[float]:
    """Zoom in and out, and return the milliseconds of each drawing."""
    page.wait_for_load_state("networkidle")
    page.locator("canvas").first.hover()
    page.evaluate("() => { window.seen.length = 0; }")
    for turn in range(20):
        page.keyboard.down("Control")
        page.mouse.wheel(0, -200 if turn < 12 else 200)
        page.keyboard.up("Control")
        page.evaluate("() => new Promise(requestAnimationFrame)")
    return [each["detail"]["ms"] for each in marks(page, "timeline")]


def search(browser: Browser, directory: Path) -> None:
    """Print the times from a key of the search field to the lines, of 1,000,000 lines."""
    home = directory / "speaking"
    _record_speakers(DirectoryRunStore(home))
    door = Door(home)
    page = page_at(browser, door, "/runs/speaking", "timeline")
    rows = []
    try:
        page.goto(f"{door.base}/runs/speaking?tab=log&kind=log")
        page.locator("ol.log li").first.wait_for(timeout=60_000)
        for name, text in (
            ("a line that there is once", _RARE),
            ("a part of each line", "loaded part"),
            ("a text of no line", "no such words"),
        ):
            shown, answered = [], []
            for _ in range(_REPEATS):
                took = _search(page, text)
                shown.append(took[0])
                answered.append(took[1])
            rows.append([name, f"{median(shown):.0f}", f"{median(answered):.0f}", "300"])
    finally:
        page.context.close()
        door.stop()
    lines = _SPEAKERS * _LINES_OF_A_STEP
    head = ["search for", "key to lines in the page, ms", "of it the server, ms", "goal"]
    print_table(f"Search of {lines:,} lines", head, rows)


# The page waits 120 ms for the next key before it asks: that counts too.
_SEARCH = """async (text) => {
  const field = document.querySelector("input[aria-label=Text]");
  const list = document.querySelector("ol.log"), none = document.querySelector(".log-none");
  const type = (words) => {
    field.value = words;
    field.dispatchEvent(new Event("input", {bubbles: true}));
  };
  const changed = () => new Promise((done) => {
    const observer = new MutationObserver(() => { observer.disconnect(); done(); });
    observer.observe(none, {childList: true, characterData: true, subtree: true});
    observer.observe(list, {childList: true});
  });
  performance.clearResourceTimings();
  let news = changed();
  type("");
  await news;
  await new Promise((done) => setTimeout(done, 300));
  performance.clearResourceTimings();
  news = changed();
  const began = performance.now();
  type(text);
  await news;
  await new Promise((done) => requestAnimationFrame(done));
  const took = performance.now() - began;
  const asked = performance.getEntriesByType("resource").filter((e) => e.name.includes("/log?"));
  return [took, asked.reduce((sum, each) => sum + each.responseEnd - each.requestStart, 0),
    list.children.length];
}"""


def _search(page: Page, text: str) -> tuple[float, float]:
    """Return the milliseconds from a key to its lines, and those of the server's answers."""
    took, answers, _ = page.evaluate(_SEARCH, text)
    return took, answers


def _record_speakers(store: DirectoryRunStore) -> None:
    """Record a run whose steps log 1,000,000 lines in all."""

    @job
    def speaking() -> None:
        for _ in range(_SPEAKERS):
            speak()

    began = time.time() - 10_000
    record = RunRecord("speaking", "speaking", RunStatus.SUCCESS, start_time=began)
    writer = store.create(record)
    log = LogWriter(compile_job(speaking), writer)
    for step in range(_SPEAKERS):
        moment = began + step * 0.01
        lines = [
            LogLine(moment, 20, f"loaded part {line} of 100 in step {step}")
            for line in range(_LINES_OF_A_STEP - 1)
        ]
        last = _RARE if step == 7777 else f"wrote part of step {step}"
        log.add(
            Attempt(
                step,
                0,
                SUCCESS,
                moment,
                moment + 0.01,
                (OutputRecord("result"),),
                logs=(*lines, LogLine(moment, 20, last)),
                pid=7,
            )
        )
        if step % 500 == 499:
            log.write()
    log.write()
    writer.update(record)
    writer.close()

"""Rules that hold on each page: no error, nothing wider than the window, axe, and keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from page_checks import assert_accessible, assert_fits

from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

RUN, OTHER = "aaaa1111", "bbbb2222"
_JOBS = """
from rayexec import job, op

@op(cache=True, code_version="1")
def one():
    return 1

@op
def two(value):
    pass

@job
def nightly():
    two(one())

@job
def hello():
    one()
"""
# The address of each page, and what it shows once it is there.
PAGES = {
    "jobs": ("", ".job h2"),
    "job": ("jobs/nightly", ".graph-svg g[data-id]"),
    "launchpad": ("jobs/nightly/launch", ".launch-head .is-primary[aria-disabled=false]"),
    "runs": ("runs", ".table-row"),
    "compare": (f"runs/compare?a={RUN}&b={OTHER}", "h2:has-text('Times of ops')"),
    "timeline": (f"runs/{RUN}", ".timeline-canvas"),
    "graph": (f"runs/{RUN}?tab=graph", ".graph-svg g[data-id]"),
    "steps": (f"runs/{RUN}?tab=steps", ".table-row"),
    "log": (f"runs/{RUN}?tab=log", ".log-line"),
    "config": (f"runs/{RUN}?tab=config", ".config-panels h2"),
    "step": (f"runs/{RUN}/steps/load_26", "pre.traceback"),
    "cluster": ("cluster", ".cluster-head"),
    "cache": ("cache", "#page h1"),
    "no such page": ("nowhere", "h1:has-text('There is no page here')"),
    "no such run": ("runs/cccc3333", ":text('This run is not in the run store')"),
}
SCHEMES = {"light, wide": {"width": 1280}, "dark, narrow": {"dark": True, "width": 375}}
_MOST_TABS = 60
_NEXT_FRAME = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""
_FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const { width, height, top, bottom, left, right } = element.getBoundingClientRect();
  const marks = [element, element.parentElement, element.nextElementSibling,
    element.closest(".editor")].some((each) => {
    if (!each) return false;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  });
  return {
    name: element.outerHTML.slice(0, 160),
    isEditor: element.tagName === "TEXTAREA",
    isInMain: !!element.closest("main"),
    isSeen: width > 0 && height > 0 && bottom > 0 && right > 0 && top < innerHeight
      && left < innerWidth,
    isMarked: marks,
  };
}"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """`rayexec dev -f` with two jobs and two runs."""
    directory = tmp_path_factory.mktemp("door")
    (directory / "jobs.py").write_text(_JOBS)
    store = DirectoryRunStore(directory / "home")
    record_large_run(store, RUN, 100, failing=(50,), waiting=10)
    record_large_run(store, OTHER, 60)
    server = DevServer(("-f", "jobs.py"), directory / "home", directory)
    yield server
    server.stop()


def walked(page: Page) -> list[dict[str, Any]]:
    """Return what has the focus after each press of Tab, until it leaves the page."""
    stops: list[dict[str, Any]] = []
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUSED)
        # A browser without a window may lead to the first one again at once.
        if stop is None or (stops and stop["name"] == stops[0]["name"]):
            return stops
        if not (stop["isSeen"] and stop["isMarked"]):  # Styles come with the next frame.
            page.evaluate(_NEXT_FRAME)
            stop = page.evaluate(_FOCUSED)
        stops.append(stop)
        if stop["isEditor"]:
            page.keyboard.press("Escape")  # Tab is a key of the text until then.
    raise AssertionError(f"{_MOST_TABS} presses of Tab do not leave the page: {stops[-1]['name']}")


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_each_page_renders_fits_is_accessible_and_is_walked_by_tab(
    open_page: OpenPage, door: DevServer, name: str, scheme: dict[str, Any]
) -> None:
    path, content = PAGES[name]
    page = open_page(door.url, **scheme)
    page.expected_errors.append("404")  # type: ignore[attr-defined]
    page.goto(f"{door.base}{path}")
    page.locator(content).first.wait_for()
    assert_accessible(page)
    assert_fits(page)
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    stops = walked(page)
    assert any(stop["isInMain"] for stop in stops) or name == "cache"
    unseen = [stop["name"] for stop in stops if not stop["isSeen"]]
    assert unseen == [], "these have the focus and are out of sight"
    unmarked = [stop["name"] for stop in stops if not stop["isMarked"]]
    assert unmarked == [], "nothing shows that these have the focus"


def test_pages_are_reached_by_keys_from_each_other(open_page: OpenPage, door: DevServer) -> None:
    page = open_page(door.url)
    page.locator(".job h2").first.wait_for()
    for key, place in {"r": "runs", "c": "cluster", "h": "cache", "j": ""}.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{door.base}{place}")
        page.locator("#page h1").first.wait_for()

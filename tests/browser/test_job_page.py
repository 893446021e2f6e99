"""The page of a job: graph, the chosen op, runs, and large jobs, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from launchpad_jobs import JOBS, LARGE

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

TIMEOUT_MS = 30_000
DIFFERENT = """
from rayexec import job, op


def thing(index):
    @op(name=f"thing_{index}x")
    def made(part: int = 0) -> int:
        return part

    return made


@job
def long_chain():
    part = 0
    for index in range(600):
        part = thing(index)(part) if index else thing(index)()
"""
Serve = Callable[..., DevServer]


@pytest.fixture
def opened(dev_server: Serve, open_page: OpenPage, tmp_path: Path) -> Callable[..., Page]:
    """Open a path of the pages over a file of jobs, with the token."""

    def open_at(path: str, source: str = JOBS, **options: object) -> Page:
        file = tmp_path / "jobs.py"
        file.write_text(source)
        server = dev_server("-f", str(file))
        page = open_page(server.url, **options)
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(server.base.rstrip("/") + path)
        return page

    return open_at


def test_the_graph_is_walked_by_keys_and_says_what_is_chosen(
    opened: Callable[..., Page],
) -> None:
    page = opened("/jobs/copy")
    stage = page.get_by_role("application")
    stage.focus()
    page.keyboard.press("ArrowDown")
    side = page.get_by_role("complementary", name="The chosen op")
    side.get_by_role("heading", name="load").wait_for()
    assert "Load rows of a table." in side.inner_text()
    assert re.search(r"rows\s+int\s+required", side.inner_text())
    assert "database=redshift" in side.inner_text()
    assert "jobs.py:" in side.inner_text()
    # The graph tidy is open, so the edge leads to the op inside.
    for name in ("first", "second", "split", "weigh"):
        page.keyboard.press("ArrowDown")
        side.get_by_role("heading", name=name).wait_for()
    assert "once for each value of" in side.inner_text()
    page.keyboard.press("ArrowUp")
    side.get_by_role("heading", name="split").wait_for()
    # The address has the choice, so that a link shows the same.
    assert page.url.endswith("op=split")


def test_the_list_beside_the_graph_says_the_same(opened: Callable[..., Page]) -> None:
    page = opened("/jobs/copy")
    tree = page.get_by_role("tree")
    row = tree.get_by_role("treeitem", name=re.compile("^weigh,"))
    row.wait_for()
    assert "once for each dynamic output" in (row.get_attribute("aria-label") or "")
    assert "after split" in (row.get_attribute("aria-label") or "")
    tree.focus()
    page.keyboard.press("End")
    chosen = tree.get_by_role("treeitem", selected=True)
    assert (chosen.get_attribute("aria-label") or "").startswith("total")


# Whether all boxes that are drawn are in view, how far their middle is from that of the view, and
# the size of one.
_PLACE = """() => {
  const stage = document.querySelector('.graph-stage').getBoundingClientRect();
  const boxes = [...document.querySelectorAll('.graph-node')].map((one) => (
    one.getBoundingClientRect()));
  const left = Math.min(...boxes.map((one) => one.left));
  const right = Math.max(...boxes.map((one) => one.right));
  return {
    drawn: boxes.length,
    inView: boxes.filter((one) => one.left >= stage.left && one.right <= stage.right
      && one.top >= stage.top && one.bottom <= stage.bottom).length,
    off: Math.abs((left + right) / 2 - (stage.left + stage.right) / 2),
    size: document.querySelector('.graph-svg [data-id="load"]').getBoundingClientRect().width,
    width: stage.width,
  };
}"""


def place_after(page: Page, width: int, height: int) -> dict[str, float]:
    """Return the place of the graph in a window of another size, once it is drawn there."""
    before = page.evaluate(_PLACE)["width"]
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(f"before => ({_PLACE})().width !== before", arg=before)
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    place: dict[str, float] = page.evaluate(_PLACE)
    return place


def test_the_graph_fits_a_panel_that_shrinks_until_somebody_zooms(
    opened: Callable[..., Page],
) -> None:
    page = opened("/jobs/copy", width=1800, height=1000)
    page.locator('.graph-svg [data-id="load"]').wait_for()
    in_the_middle = f"() => (({_PLACE})().off <= 2)"
    all_in_view = f"() => (({_PLACE})().inView === 7)"
    page.wait_for_function(in_the_middle)
    place_after(page, 1200, 1000)
    page.wait_for_function(in_the_middle)
    page.get_by_role("button", name="Fit", exact=True).click()
    page.wait_for_function(all_in_view)
    place_after(page, 1000, 1000)
    page.wait_for_function(all_in_view)
    page.wait_for_function(in_the_middle)
    small = page.evaluate(_PLACE)
    # Who zooms looks at something: its size and place stay.
    page.get_by_role("application").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.wait_for_function(f"size => ({_PLACE})().size > size * 1.3", arg=small["size"])
    size = page.evaluate(_PLACE)["size"]
    assert place_after(page, 1400, 1000)["size"] == pytest.approx(size, abs=1)
    page.keyboard.press("0")
    page.wait_for_function(all_in_view)
    place_after(page, 1200, 900)
    page.wait_for_function(all_in_view)


def test_find_and_focus_show_a_part(opened: Callable[..., Page]) -> None:
    page = opened("/jobs/nested", LARGE)
    page.locator(".graph-node").first.wait_for()
    assert "982 ops" in page.locator(".graph-count").inner_text()
    page.get_by_role("application").focus()
    page.keyboard.press("f")
    page.keyboard.type("region_7")
    page.get_by_role("complementary").get_by_role("heading", name="region_7").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.locator('[data-id="region_7.step_0"], [data-id^="region_7.step_0*"]').first.wait_for()
    focus = page.get_by_label("Show neighbours of the chosen op only")
    focus.select_option("1")
    page.wait_for_function("() => !document.querySelector('[data-id=\"region_3\"]')")
    assert page.locator('[data-id="first"]').count()


@pytest.mark.parametrize("job", ["nested", "flat"])
def test_a_job_of_1000_ops_needs_few_elements(job: str, opened: Callable[..., Page]) -> None:
    page = opened(f"/jobs/{job}", LARGE)
    page.locator(".graph-node").first.wait_for()
    while page.locator(".graph-tool:has-text('Unfold'):visible").count():
        boxes = page.locator(".graph-count").inner_text()
        page.locator(".graph-tool:has-text('Unfold')").click()
        page.wait_for_function(
            "before => document.querySelector('.graph-count').textContent !== before", arg=boxes
        )
    page.get_by_role("application").focus()
    page.keyboard.press("0")
    page.wait_for_timeout(200)
    assert page.evaluate("() => document.querySelectorAll('*').length") < 6_000
    # All of it is in view, so it is on the canvas.
    assert page.locator("canvas.graph-canvas:visible").count() == 1


def test_many_different_ops_are_groups_that_open(opened: Callable[..., Page]) -> None:
    """A job of 600 ops, each of its own kind: nobody could read them side by side."""
    page = opened("/jobs/long_chain", DIFFERENT)
    page.locator(".graph-node").first.wait_for()
    assert page.get_by_role("treeitem").first.get_attribute("aria-setsize") == "60"
    page.get_by_role("application").focus()
    page.keyboard.press("f")
    page.keyboard.type("thing_327x")
    side = page.get_by_role("complementary")
    # It is in a closed group, which is found by its members.
    side.get_by_role("heading", name="thing_320x … thing_329x").wait_for()
    assert "thing_327x" in side.inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.locator('[data-id="thing_327x"]').wait_for()
    row = page.get_by_role("treeitem", name=re.compile("^thing_320x … thing_329x, group of 10 ops"))
    assert row.get_attribute("aria-expanded") == "true"


def test_runs_are_bars_that_link(opened: Callable[..., Page]) -> None:
    page = opened("/jobs/copy/launch")
    page.get_by_label("Where to run").select_option("in_process")
    page.locator("textarea").fill("ops: {load: {config: {rows: 3}}}")
    page.locator(".launch-head .is-primary[aria-disabled=false]").wait_for()
    # The page asks for the record of the run until it is there.
    page.expected_errors.append("404")  # type: ignore[attr-defined]
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/runs/*")
    run = page.url.rpartition("/")[2]
    page.get_by_text("Success").first.wait_for()
    page.get_by_role("link", name="copy").first.click()
    bar = page.locator(f'.history-bars a[href$="{run}"]')
    bar.wait_for()
    assert "Success" in (bar.get_attribute("aria-label") or "")
    page.locator(".job-ops").get_by_role("button", name="weigh").click()
    page.get_by_role("complementary").get_by_text("3 in 1 run").wait_for()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_accessible_in_both_themes_and_narrow(
    dark: bool, width: int, opened: Callable[..., Page]
) -> None:
    page = opened("/jobs/copy", dark=dark, width=width)
    page.locator(".graph-node").first.wait_for()
    assert_accessible(page)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0


def assert_accessible(page: Page) -> None:
    """Fail on a violation that axe finds."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped, unused-ignore]

    violations = Axe().run(page).response["violations"]
    assert [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in violations
    ] == []

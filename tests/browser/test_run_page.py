"""The page of a run in a real browser, over recorded runs of many sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from accessibility import assert_accessible
from browser_fixtures import OpenPage
from dev_server import DevServer

from rayexec.events import RunStatus
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.testing.recorded_runs import record_large_run

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

RUN, LARGE = "aaaa1111", "bbbb2222"
TABS = ["timeline", "graph", "steps", "log", "config"]
Start = Callable[..., DevServer]


@pytest.fixture
def server(dev_server: Start, tmp_path: Path) -> DevServer:
    """A server whose store has a run of 1,000 steps, two of them failed."""
    home = tmp_path / "home"
    record_large_run(DirectoryRunStore(home), RUN, 1000, failing=(50, 777), waiting=40)
    return dev_server(home=home)


def run_page(open_page: OpenPage, server: DevServer, path: str = RUN, **options: Any) -> Page:
    """Return the page of a run; the first address brings the cookie."""
    page = open_page(server.url, **options)
    page.goto(f"{server.base}runs/{path}")
    return page


@pytest.mark.parametrize(
    ("dark", "width"), [(False, 1280), (True, 375)], ids=["light, wide", "dark, narrow"]
)
def test_each_tab_renders_and_is_accessible(
    open_page: OpenPage, server: DevServer, dark: bool, width: int
) -> None:
    page = run_page(open_page, server, dark=dark, width=width)
    page.locator(".timeline-canvas").wait_for()
    for tab in TABS:
        page.locator(f"[data-tab={tab}]").click()
        content = {
            "timeline": ".timeline-canvas",
            "graph": ".graph-svg g[data-id]",
            "steps": ".table-row",
            "log": ".log-line",
            "config": ".config-panels h2",
        }[tab]
        page.locator(content).first.wait_for()
        assert_accessible(page)
        overflow = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, tab


def test_the_head_and_the_failures_are_seen_first(open_page: OpenPage, server: DevServer) -> None:
    page = run_page(open_page, server)
    page.get_by_text("998 succeeded, 2 failed").first.wait_for()
    failures = page.locator(".run-failures")
    assert "2 steps failed" in failures.inner_text()
    assert "ValueError: part 50 is empty" in failures.inner_text()
    assert "in load" in failures.locator("pre").first.inner_text()
    failures.get_by_role("link").first.click()
    page.get_by_text("Why it failed").wait_for()


def test_a_run_is_used_by_keyboard_alone(open_page: OpenPage, server: DevServer) -> None:
    page = run_page(open_page, server)
    page.locator(".timeline-canvas").wait_for()
    page.locator("[data-tab=timeline]").focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.className") == "timeline-frame":
            break
    page.keyboard.press("n")
    page.locator(".timeline [aria-live]").get_by_text("Failure 1 of 2").wait_for()
    page.keyboard.press("n")
    said = page.locator(".timeline [aria-live]").get_by_text("Failure 2 of 2")
    said.wait_for()
    key = said.inner_text().split(": ")[1].split(",")[0]
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/steps/{key}")
    page.get_by_role("heading", name=key).wait_for()


def test_arrows_choose_a_tab_and_the_address_has_it(open_page: OpenPage, server: DevServer) -> None:
    page = run_page(open_page, server)
    page.locator("[data-tab=timeline]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.locator(".table-row").first.wait_for()
    page.get_by_role("button", name="failed 2").click()
    page.wait_for_url("**tab=steps*state=failed*")
    page.locator(".table-row", has_text="failed").nth(1).wait_for()
    page.reload()
    page.locator(".table-row", has_text="failed").nth(1).wait_for()
    assert page.locator(".table-row").count() == 2


def test_the_log_is_one_stop_of_tab_and_its_lines_are_walked_by_arrows(
    open_page: OpenPage, server: DevServer
) -> None:
    page = run_page(open_page, server, f"{RUN}?tab=log")
    page.locator(".log-line").nth(400).wait_for(state="attached")
    links = page.locator(".log-line a")
    assert links.count() >= 300
    page.get_by_label("Least level").focus()
    stops: list[Any] = []
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "() => { const e = document.activeElement;"
            " return [e.closest('.log-box') !== null, e.tagName, e.className]; }"
        )
        if stops and stops[-1][0] and not stop[0]:
            break
        stops.append(stop)
        assert len(stops) < 12, stops
    inside = [(tag, name) for is_inside, tag, name in stops if is_inside]
    assert inside[0] == ("DIV", "log-box")
    assert [tag for tag, _ in inside[1:]] in ([], ["BUTTON"])

    box = page.get_by_role("region", name="Lines of the log")
    number = (
        "() => [...document.querySelectorAll('.log-line')].indexOf("
        "document.activeElement.closest('li'))"
    )
    box.evaluate("box => { box.scrollTop = 0; box.focus(); }")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(number) == 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(number) == 1
    page.keyboard.press("End")
    assert page.evaluate(number) >= 499
    page.keyboard.press("Home")
    assert page.evaluate(number) == 0
    # From the lines, Escape leads to the whole, and the next arrow back.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert page.evaluate("() => document.activeElement.className") == "log-box"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(number) == 1
    while not page.evaluate("() => document.activeElement.querySelector('.log-step a')"):
        page.keyboard.press("ArrowDown")
    key = page.evaluate("() => document.activeElement.querySelector('.log-step a').textContent")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => document.activeElement.textContent") == key
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/steps/{key}")


def test_a_button_of_the_log_that_goes_leaves_the_focus_to_the_lines(
    open_page: OpenPage, dev_server: Start, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    record_large_run(DirectoryRunStore(home), RUN, 150)
    page = run_page(open_page, dev_server(home=home), f"{RUN}?tab=log")
    later = page.get_by_role("button", name="Later lines")
    later.focus()
    page.keyboard.press("Enter")
    later.wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.className") == "log-box"


def test_the_config_tab_has_the_least_time_beside_that_of_the_run(
    open_page: OpenPage, server: DevServer
) -> None:
    page = run_page(open_page, server, f"{RUN}?tab=config")
    facts = page.locator(".config-panels .facts").first
    facts.get_by_text("At least possible").wait_for()
    details = page.request.get(f"{server.base}api/runs/{RUN}").json()
    least = sum(step["seconds"] for step in details["critical_path"]["steps"])
    assert least < details["report"]["duration"]
    words = facts.locator("dt:has-text('At least possible') + dd").inner_text()
    assert words == f"{least * 1000:.0f} ms, by the critical path without its waits"


def test_the_config_tab_names_the_environment_without_values(
    open_page: OpenPage, dev_server: Start, tmp_path: Path
) -> None:
    environment = {"pip": ["numpy==2.1"], "env_vars": {"TOKEN": "of mine"}}
    config = {"execution": {"config": {"ray": {"runtime_env": environment}}}}
    store = DirectoryRunStore(tmp_path / "home")
    store.create(RunRecord(RUN, "daily", RunStatus.SUCCESS, run_config=config)).close()
    page = run_page(open_page, dev_server(home=tmp_path / "home"), f"{RUN}?tab=config")
    facts = page.locator(".surroundings", has_text="Environment of the workers")
    facts.wait_for()
    words = facts.inner_text().split()
    assert words[-4:] == ["pip", "numpy", "env", "vars", "TOKEN"][-4:]
    page.get_by_text("The job's own config is merged in").wait_for()
    assert "of mine" not in page.content()


def test_lanes_by_op_and_a_gap_are_drawn(open_page: OpenPage, server: DevServer) -> None:
    page = run_page(open_page, server, f"{RUN}?by=op")
    frame = page.locator(".timeline-frame")
    frame.wait_for()
    page.get_by_role("button", name="By op", pressed=True).wait_for()
    by_op = frame.screenshot()
    page.get_by_role("button", name="By worker").click()
    page.get_by_role("button", name="By worker", pressed=True).wait_for()
    page.wait_for_timeout(100)
    assert frame.screenshot() != by_op


def test_a_missing_run_says_so_and_names_near_ones(open_page: OpenPage, server: DevServer) -> None:
    page = run_page(open_page, server, "aaaa1112")
    page.expected_errors.append("404")  # type: ignore[attr-defined]
    page.get_by_text("This run is not in the run store").wait_for()
    page.get_by_text(RUN).first.wait_for()


def test_a_disabled_action_says_why(open_page: OpenPage, dev_server: Start, tmp_path: Path) -> None:
    home = tmp_path / "home"
    record_large_run(DirectoryRunStore(home), RUN, 100)
    page = run_page(open_page, dev_server(home=home))
    button = page.get_by_role("button", name="Resume from failure")
    button.wait_for()
    assert button.get_attribute("aria-disabled") == "true"
    reason = button.get_attribute("title")
    assert reason
    button.click(force=True)  # It is disabled for assistive technology only.
    page.locator(".toast").get_by_text(reason).wait_for()


def test_a_run_of_100_000_steps_is_within_its_budgets(
    open_page: OpenPage, dev_server: Start, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    record_large_run(
        DirectoryRunStore(home), LARGE, 100_000, failing=range(100, 100_000, 997), waiting=4000
    )
    server = dev_server(home=home)
    page = open_page(server.url)
    bodies: list[int] = []
    page.on("response", lambda answer: bodies.append(answer.request.sizes()["responseBodySize"]))
    page.goto(f"{server.base}runs/{LARGE}")
    page.locator(".timeline-canvas").wait_for()
    page.get_by_text("101 failed attempts").wait_for()
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    heap = usage["usedSize"] + usage["backingStorageSize"]
    nodes = page.evaluate("() => document.querySelectorAll('*').length")
    requests, size = len(bodies), sum(bodies)
    print(f"heap {heap / 1e6:.1f} MB, {nodes} nodes, {requests} requests, {size / 1e6:.1f} MB")
    assert heap <= 20_000_000
    assert nodes <= 1_000
    assert requests <= 50
    assert size <= 5_000_000
    page.locator("[data-tab=steps]").click()
    page.locator(".table-row").first.wait_for()
    page.keyboard.press("End")
    assert page.locator(".table-row").count() <= 100

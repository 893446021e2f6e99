"""Runs that are launched and watched in a real browser while drivers on Ray drive them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from accessibility import assert_accessible
from browser_fixtures import OpenPage
from dev_server import DevServer
from page_checks import assert_fits

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser and Ray")]

_PATIENCE_MS = 120_000  # the first run waits for Ray

# Its steps wait until the test lets them go on, so that it sees them at work.
_JOBS = """
import time
from pathlib import Path

from rayexec import job, op


def wait_for(name):
    while not Path(__file__).with_name(name).exists():
        time.sleep(0.02)


@op
def extract() -> int:
    wait_for("extracted")
    return 1


@op
def transform(value: int) -> int:
    wait_for("transformed")
    return value


@op
def save(value: int) -> None:
    wait_for("saved")


@job
def stages() -> None:
    save(transform(extract()))


@op(tags={"database": "redshift"})
def query() -> int:
    print("\\x1b[32mconnected\\x1b[0m")
    wait_for("gate")
    return 1


@op
def total(values: list[int]) -> int:
    return sum(values)


LIMITS = [{"key": "database", "value": "redshift", "limit": 2}]
EXECUTOR = {"multiprocess": {"max_concurrent": 4, "tag_concurrency_limits": LIMITS}}


@job(config={"execution": {"config": EXECUTOR}})
def queries() -> None:
    total([query() for _ in range(7)])


@op
def first() -> int:
    return 1


@op
def second(value: int) -> int:
    if not Path(__file__).with_name("mended").exists():
        raise ValueError("the table is missing")
    return value + 1


@job
def mendable() -> None:
    second(first())
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """`rayexec dev -f` with a warm Ray of its own; its home is beside the file and its gates."""
    directory = tmp_path_factory.mktemp("door")
    file = directory / "jobs.py"
    file.write_text(_JOBS)
    server = DevServer(("-f", str(file)), directory / "home", directory)
    yield server
    server.stop()


def gate(door: DevServer, name: str) -> Path:
    """Return a gate of the jobs, closed."""
    path = door.home.parent / name
    path.unlink(missing_ok=True)
    return path


def launched(open_page: OpenPage, door: DevServer, job: str, **options: bool | int) -> Page:
    """Launch a job by a click, and return its page, which shows the run."""
    page = open_page(door.url, **options)
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(f"{door.base}jobs/{job}/launch")
    page.locator(".launch-head .is-primary[aria-disabled=false]").click()
    page.wait_for_url("**/runs/*")
    page.locator(".run-head").wait_for()
    # It is gone where a page loads anew.
    page.evaluate("() => { window.mark = 1; }")
    return page


def assert_never_loaded_anew(page: Page) -> None:
    assert page.evaluate("() => window.mark") == 1


def test_rows_come_live_to_a_page_that_had_rows_before_details(
    open_page: OpenPage, door: DevServer
) -> None:
    extracted, transformed, saved = (
        gate(door, name) for name in ("extracted", "transformed", "saved")
    )
    page = launched(open_page, door, "stages")
    page.locator(".now-running li").get_by_text("extract").wait_for()
    held: list[Route] = []
    said: list[str | bytes] = []
    page.route(re.compile(r"/api/runs/[^/?]+$"), lambda route: held.append(route))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: said.append(frame)))
    with page.expect_response("**/rows?*"):
        page.reload()
    # The page says what it has, and only then learns that the run goes on.
    while not (said and held):
        page.wait_for_timeout(20)
    held.pop(0).continue_()
    page.unroute_all()
    for route in held:
        route.continue_()
    page.locator(".now-running li").get_by_text("extract").wait_for()
    extracted.touch()
    # Two bars: neither the first rows nor the end of the run has just them.
    transformed.touch()
    page.wait_for_function(
        "() => performance.getEntriesByName('timeline').some((each) => each.detail.rows === 2)"
    )
    saved.touch()
    page.locator(".run-status").get_by_text("Success").wait_for()


def test_a_launched_job_is_watched_live_to_its_end(open_page: OpenPage, door: DevServer) -> None:
    extracted, transformed, saved = (
        gate(door, name) for name in ("extracted", "transformed", "saved")
    )
    page = launched(open_page, door, "stages")
    running = page.locator(".now-running li")
    words = page.locator(".run-words")
    running.get_by_text("extract").wait_for()
    page.locator(".run-status").get_by_text("Running").wait_for()
    extracted.touch()
    running.get_by_text("transform").wait_for()
    words.get_by_text("1 of 3 steps").wait_for()
    transformed.touch()
    running.get_by_text("save").wait_for()
    words.get_by_text("2 of 3 steps").wait_for()
    saved.touch()
    page.locator(".run-status").get_by_text("Success").wait_for()
    words.get_by_text("3 succeeded").wait_for()
    assert page.locator(".now").is_hidden()
    assert_never_loaded_anew(page)


@pytest.mark.parametrize(
    ("dark", "width"), [(False, 1280), (True, 375)], ids=["light, wide", "dark, narrow"]
)
def test_holders_and_waiters_of_a_limit_are_seen_while_they_wait(
    open_page: OpenPage, door: DevServer, dark: bool, width: int
) -> None:
    goes_on = gate(door, "gate")
    page = launched(open_page, door, "queries", dark=dark, width=width)
    try:
        queue = page.locator(".now-queue", has_text="database")
        queue.wait_for()
        queue.get_by_text("2/2").wait_for()
        held = queue.locator(".now-held")
        held.get_by_role("link").nth(1).wait_for()
        assert "held by query" in held.inner_text()
        assert "5 wait" in queue.locator(".now-wait").inner_text()
        assert page.locator(".now-running li").count() == 2
        assert "2 idle" in page.locator(".now-slots").inner_text()
        page.locator(".run-status").get_by_text("Running").wait_for()
        assert_accessible(page)
        assert_fits(page)
        # Nothing flickers: the same element shows the limit with another second.
        queue.evaluate("element => { element.mark = 1; }")
        shown = held.inner_text()
        page.wait_for_function(
            "shown => document.querySelector('.now-held').innerText !== shown", arg=shown
        )
        assert queue.evaluate("element => element.mark") == 1
    finally:
        goes_on.touch()
    page.locator(".run-status").get_by_text("Success").wait_for()
    page.get_by_text("8 succeeded").first.wait_for()
    assert page.locator(".now").is_hidden()
    page.locator("[data-tab=log]").click()
    page.locator(".log-line .ansi-green", has_text="connected").first.wait_for()
    assert_never_loaded_anew(page)


def test_a_failed_run_is_resumed_by_a_click(open_page: OpenPage, door: DevServer) -> None:
    mended = gate(door, "mended")
    page = launched(open_page, door, "mendable")
    page.locator(".run-failures").get_by_text("the table is missing").first.wait_for()
    failed = page.url
    mended.touch()
    page.get_by_role("button", name="Resume from failure").click()
    page.wait_for_url(lambda url: "/runs/" in url and url != failed)
    page.locator(".run-status").get_by_text("Success").wait_for()
    page.locator(".run-relatives").get_by_text("Continues").wait_for()
    page.goto(failed)
    page.locator(".run-relatives").get_by_text("Continued by").wait_for()


def test_a_running_run_is_canceled_by_a_click(open_page: OpenPage, door: DevServer) -> None:
    gate(door, "gate")
    page = launched(open_page, door, "queries")
    page.locator(".now-running li").first.wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator(".run-status").get_by_text("Canceled").wait_for()
    assert_never_loaded_anew(page)

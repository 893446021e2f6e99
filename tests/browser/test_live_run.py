"""Runs that are watched in a real browser while a driver on Ray drives them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from accessibility import assert_accessible
from browser_fixtures import OpenPage
from dev_server import DevServer

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser and Ray")]

_PATIENCE_MS = 150_000  # a Ray starts for each run
Start = Callable[..., DevServer]

# Its queries wait until the test lets them go on, so that it sees them hold their limit.
_LIMITED = """
import time
from pathlib import Path

from rayexec import job, op

GATE = Path(__file__).with_name("gate")


@op(tags={"database": "redshift"})
def query() -> int:
    print("\\x1b[32mconnected\\x1b[0m")
    while not GATE.exists():
        time.sleep(0.02)
    return 1


@op
def total(values: list[int]) -> int:
    return sum(values)


LIMITS = [{"key": "database", "value": "redshift", "limit": 2}]
EXECUTOR = {"multiprocess": {"max_concurrent": 4, "tag_concurrency_limits": LIMITS}}


@job(config={"execution": {"config": EXECUTOR}})
def queries() -> None:
    total([query() for _ in range(7)])
"""

_FAILING = """
from pathlib import Path

from rayexec import job, op


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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The directory of the runs."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def launched(file: Path, home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a run of the job in ``file``, and return its process and its id."""
    run_id = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "rayexec", "job", "execute", "-f", str(file), "--run-id", run_id],
        env={**os.environ, "RAYEXEC_HOME": str(home)},
        cwd=file.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, run_id


def opened(open_page: OpenPage, server: DevServer, run_id: str) -> Page:
    """Return the page of a run, as soon as its driver has recorded it."""
    page = open_page(server.url)
    page.expected_errors.append("404")  # type: ignore[attr-defined]
    page.set_default_timeout(_PATIENCE_MS)
    for _ in range(600):
        page.goto(f"{server.base}runs/{run_id}")
        found = page.locator(".run-head, .empty").first
        found.wait_for()
        if page.locator(".run-head").count():
            return page
        page.wait_for_timeout(100)
    raise AssertionError("the run did not begin")


def test_holders_and_waiters_of_a_limit_are_seen_while_they_wait(
    open_page: OpenPage, dev_server: Start, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "queries.py"
    file.write_text(_LIMITED)
    server = dev_server(home=home)
    process, run_id = launched(file, home)
    try:
        page = opened(open_page, server, run_id)
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
        # Nothing flickers: the same element shows the limit two seconds later.
        queue.evaluate("element => { element.mark = 1; }")
        page.wait_for_timeout(2_000)
        assert queue.evaluate("element => element.mark") == 1
        (tmp_path / "gate").touch()
        page.locator(".run-status").get_by_text("Success").wait_for()
        page.get_by_text("8 succeeded").first.wait_for()
        assert page.locator(".now").is_hidden()
        page.locator("[data-tab=log]").click()
        page.locator(".log-line .ansi-green", has_text="connected").first.wait_for()
    finally:
        (tmp_path / "gate").touch()
        assert process.wait(120) == 0


def test_a_failed_run_is_resumed_by_a_click(
    open_page: OpenPage, dev_server: Start, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "mendable.py"
    file.write_text(_FAILING)
    server = dev_server("-f", str(file), home=home)
    process, run_id = launched(file, home)
    assert process.wait(120) != 0
    page = opened(open_page, server, run_id)
    page.locator(".run-failures").get_by_text("the table is missing").first.wait_for()
    (tmp_path / "mended").touch()
    page.get_by_role("button", name="Resume from failure").click()
    page.wait_for_url(lambda url: "/runs/" in url and run_id not in url)
    page.locator(".run-status").get_by_text("Success").wait_for()
    page.get_by_text("Continues").wait_for()
    page.goto(f"{server.base}runs/{run_id}")
    page.get_by_text("Continued by").wait_for()


def test_a_running_run_is_canceled_by_a_click(
    open_page: OpenPage, dev_server: Start, tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "queries.py"
    file.write_text(_LIMITED)
    server = dev_server(home=home)
    process, run_id = launched(file, home)
    page = opened(open_page, server, run_id)
    page.locator(".now-running li").first.wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator(".run-status").get_by_text("Cancel").wait_for()
    page.locator(".run-status").get_by_text("Canceled").wait_for()
    process.wait(120)

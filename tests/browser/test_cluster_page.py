"""The cluster and the cache in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from held_limits_job import HOLDS
from page_checks import assert_accessible, assert_fits
from served_pages import ServedInThread, served_in_thread

from rayexec import job, op
from rayexec.cluster import local_cluster
from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.launch import launch_job
from rayexec.web.session import DoorOptions

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
RAY_MS = 90_000


@op(cache=True, code_version="1")
def features() -> int:
    return 1


@job
def training() -> None:
    features()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedInThread]:
    """A server of a store without runs and without cached outputs."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    with served_in_thread() as server:
        yield server


def address(served: ServedInThread, path: str) -> str:
    return f"{served.url}{path.lstrip('/')}?token={served.token}"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("path", ["/cluster", "/cache"])
def test_pages_without_content_say_what_to_do(
    served: ServedInThread, open_page: OpenPage, path: str, dark: bool, width: int
) -> None:
    page = open_page(address(served, path), dark=dark, width=width)
    words = {"/cluster": "No cluster is up", "/cache": "Nothing is cached"}
    page.get_by_text(words[path]).wait_for()
    assert_fits(page)
    assert_accessible(page)


def test_cached_outputs_are_listed_and_deleted_after_a_question(
    served: ServedInThread, open_page: OpenPage
) -> None:
    for _ in range(3):
        training.execute(IN_PROCESS)
    page = open_page(address(served, "/cache"))
    row = page.get_by_role("row", name="features")
    row.wait_for()
    headings = page.get_by_role("columnheader").all_inner_texts()
    assert row.locator("th, td").nth(headings.index("Hits")).inner_text() == "2"
    assert "1 output" in page.locator(".page-head").inner_text()
    assert_accessible(page)
    page.get_by_role("button", name="Delete cached outputs of features").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert "Delete 1 cached output of features?" in dialog.inner_text()
    assert dialog.get_by_role("button", name="Keep it as it is").evaluate(
        "(button) => button === document.activeElement"
    )
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert row.count() == 1
    page.get_by_role("button", name="Delete all…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Nothing is cached").wait_for()


def test_a_cluster_starts_and_stops_by_click(
    dev_server: Callable[..., DevServer], open_page: OpenPage
) -> None:
    server = dev_server()
    page = open_page(server.url)
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/cluster")
    page.get_by_role("button", name="Start a cluster here").click()
    page.locator('.chip[data-state="up"]').wait_for(timeout=RAY_MS)
    page.locator(".node").wait_for(timeout=RAY_MS)
    assert page.locator(".node").count() == 1
    words = page.locator(".node").inner_text()
    assert "CPU" in words
    assert "Memory" in words
    assert "node:" not in words
    assert_fits(page)
    assert_accessible(page)
    page.get_by_role("button", name="Stop the cluster").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop the cluster").click()
    page.get_by_text("No cluster is up").wait_for(timeout=RAY_MS)


@pytest.fixture
def lasting(served: ServedInThread) -> Iterator[str]:
    """The address of the cluster of this machine, with a limit of one."""
    spec = ClusterSpec(num_cpus=3, limits={"db=x": 1})
    yield local_cluster.start(spec, lambda _: None)[0].address
    local_cluster.stop(lambda _: None)


def test_a_limit_of_the_cluster_shows_who_holds_it_and_who_waits_over_two_runs(
    served: ServedInThread, lasting: str, open_page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "nightly.py"
    file.write_text(HOLDS)
    runs = [launch_job(file, attach=lasting) for _ in range(2)]
    elsewhere = launch_job(file, {"execution": {"config": {"in_process": {}}}})
    page = open_page(address(served, "/cluster"))
    page.set_default_timeout(RAY_MS)
    limit = page.locator(".limit", has_text="db=x")
    held, wait = limit.locator(".limit-words p").first, limit.locator(".limit-words p").nth(1)
    held.get_by_role("link", name="load").wait_for()
    # One step of the holder's run waits, and two of the other run.
    wait.get_by_text("3 wait").wait_for()
    assert "1 of 1" in limit.inner_text()
    for run in runs:
        wait.get_by_role("link", name=run.run_id[:8]).wait_for()
    assert page.locator(".cluster-runs a").count() == 2
    others = page.locator("[data-others]")
    others.get_by_role("link", name=elsewhere.run_id[:8]).wait_for()
    assert others.inner_text().startswith("1 other run under way, elsewhere: ")
    assert_fits(page)
    assert_accessible(page)
    holder = next(run for run in runs if run.run_id[:8] in held.inner_text())
    [other] = [run for run in runs if run is not holder]
    page.goto(address(served, f"/runs/{other.run_id}"))
    by = page.locator(".now-queue", has_text="db=x").locator(".now-held")
    by.get_by_text("held by another run").wait_for()
    by.get_by_role("link", name=holder.run_id[:8]).wait_for()
    page.goto(address(served, "/runs"))
    page.locator(".table-row .steps", has_text="0/2").nth(1).wait_for()
    (tmp_path / "go").touch()
    page.locator(".table-row", has_text="Success").nth(1).wait_for()
    for run in (*runs, elsewhere):
        run.wait(RAY_MS / 1000)


def test_a_cluster_that_goes_away_is_grey_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: OpenPage
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    ray = local_cluster.start(ClusterSpec(num_cpus=1), lambda _: None)[0].address
    try:
        with served_in_thread(DoorOptions(address=ray)) as served:
            page = open_page(address(served, "/cluster"))
            page.set_default_timeout(RAY_MS)
            page.locator('.chip[data-state="up"]').wait_for()
            page.locator(".node").wait_for()
            local_cluster.stop(lambda _: None)
            page.locator('.chip[data-state="away"]').wait_for()
            page.get_by_text("as of").wait_for()
            assert page.locator(".cluster.is-old .node").count() == 1
            assert_accessible(page)
            port = int(ray.rpartition(":")[2])
            local_cluster.start(ClusterSpec(num_cpus=1, port=port), lambda _: None)
            page.locator('.chip[data-state="up"]').wait_for()
            page.locator(".cluster:not(.is-old) .node").wait_for()
    finally:
        local_cluster.stop(lambda _: None)

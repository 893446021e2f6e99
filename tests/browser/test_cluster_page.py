"""The cluster and the cache in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from page_checks import assert_accessible, assert_fits
from served_pages import ServedInThread, served_in_thread

from rayexec import job, op

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
    training.execute(IN_PROCESS)
    page = open_page(address(served, "/cache"))
    row = page.get_by_role("row", name="features")
    row.wait_for()
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

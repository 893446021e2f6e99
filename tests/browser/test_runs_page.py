"""The list of runs in a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_fixtures import OpenPage
from page_checks import Traffic, assert_accessible, assert_fits
from served_pages import ServedInThread, served_in_thread

from rayexec import Config, job, op
from rayexec.store import DirectoryRunStore, RunRecord

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
MOST_BYTES = 150_000
MOST_REQUESTS = 20


class Source(Config):
    """Whether the table is broken."""

    is_broken: bool = False


@op
def load(config: Source) -> int:
    if config.is_broken:
        raise ValueError("row 7 has no key")
    return 1


@op
def report(rows: int) -> None:
    pass


@job(tags={"team": "data"})
def nightly() -> None:
    report(load())


@job
def hello() -> None:
    report(load())


def config(**values: Any) -> dict[str, Any]:
    return {**IN_PROCESS, "ops": {"load": {"config": values}}}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedInThread]:
    """A server of a store without runs."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    with served_in_thread() as server:
        yield server


def address(served: ServedInThread, path: str) -> str:
    return f"{served.url}{path.lstrip('/')}{'&' if '?' in path else '?'}token={served.token}"


def three_runs() -> list[str]:
    """Make a run that succeeds, one that fails and one of another job; return their ids."""
    return [
        nightly.execute(config()).run_id,
        nightly.execute(config(is_broken=True), raise_on_error=False).run_id,
        hello.execute(config()).run_id,
    ]


def rows(page: Page) -> list[str]:
    """Return the starts of the ids of the shown runs."""
    page.wait_for_selector(".table-row .cell-id a")
    return page.locator(".table-row .cell-id a").all_inner_texts()


def starts(*run_ids: str) -> list[str]:
    return [run_id[:8] for run_id in run_ids]


def test_runs_are_listed_the_newest_first(served: ServedInThread, open_page: OpenPage) -> None:
    good, bad, other = three_runs()
    page = open_page(address(served, "/runs"))
    assert rows(page) == starts(other, bad, good)
    failed = page.locator(".table-row").nth(1)
    assert "Failure" in failed.inner_text()
    assert "nightly" in failed.inner_text()
    assert "1 failed" in failed.inner_text()
    assert page.title() == "Runs · rayexec"
    assert page.locator("h1").inner_text() == "Runs"


def test_filters_are_in_the_address(served: ServedInThread, open_page: OpenPage) -> None:
    good, bad, other = three_runs()
    page = open_page(address(served, "/runs"))
    rows(page)
    page.get_by_role("button", name="Failure").click()
    page.wait_for_url("**/runs?status=FAILURE")
    page.wait_for_function("() => document.querySelectorAll('.table-row').length === 1")
    assert rows(page) == starts(bad)
    page.reload()
    assert rows(page) == starts(bad)
    page.get_by_role("button", name="Failure").click()
    page.get_by_label("Job", exact=True).select_option("hello")
    page.wait_for_function("() => document.querySelectorAll('.table-row').length === 1")
    assert rows(page) == starts(other)
    page.goto(address(served, "/runs?tag=team%3Ddata&status=SUCCESS"))
    assert rows(page) == starts(good)
    page.goto(address(served, "/runs?text=nosuchrun"))
    page.get_by_text("No run fits these filters").wait_for()
    page.get_by_role("button", name="Show all runs").click()
    assert rows(page) == starts(other, bad, good)


def test_a_run_is_opened_and_two_are_compared_by_keys_alone(
    served: ServedInThread, open_page: OpenPage
) -> None:
    _, bad, other = three_runs()
    page = open_page(address(served, "/runs"))
    rows(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{bad}")
    page.go_back()
    rows(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.get_by_role("button", name="Compare").wait_for()
    page.keyboard.press("c")
    page.wait_for_url(f"**/runs/compare?a={bad}&b={other}")
    page.get_by_role("heading", name="Times of ops").wait_for()
    assert page.get_by_role("row", name="load").count() == 1
    assert "is_broken: true" in page.locator(".diff").inner_text()
    assert_accessible(page)


def test_a_run_that_starts_appears_by_itself(served: ServedInThread, open_page: OpenPage) -> None:
    (first,) = [nightly.execute(config()).run_id]
    page = open_page(address(served, "/runs"))
    assert rows(page) == starts(first)
    second = nightly.execute(config()).run_id
    page.locator(".table-row").nth(1).wait_for()
    assert rows(page) == starts(second, first)


def test_deleting_runs_asks_first(served: ServedInThread, open_page: OpenPage) -> None:
    _, bad, _ = three_runs()
    page = open_page(address(served, "/runs"))
    rows(page)
    page.locator(".table-row .cell-select").nth(1).click()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    assert "Delete 1 run?" in dialog.inner_text()
    dialog.get_by_role("button", name="Keep it as it is").click()
    assert len(rows(page)) == 3
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    page.locator(".table-row").nth(2).wait_for(state="detached")
    assert bad[:8] not in rows(page)
    assert not (Path(os.environ["RAYEXEC_HOME"]) / "runs" / bad).exists()


def test_a_damaged_record_says_why_it_is_unreadable(
    served: ServedInThread, open_page: OpenPage
) -> None:
    _, bad, _ = three_runs()
    home = Path(os.environ["RAYEXEC_HOME"])
    (home / "runs" / bad / "run.json").write_text("{")
    page = open_page(address(served, "/runs?status=UNREADABLE"))
    assert rows(page) == starts(bad)
    assert "cannot be read" in page.locator(".table-row").inner_text()


def test_many_runs_are_rows_only_where_they_are_in_view(
    served: ServedInThread, open_page: OpenPage
) -> None:
    store = DirectoryRunStore(os.environ["RAYEXEC_HOME"])
    for index in range(700):
        record = RunRecord(
            f"run-{index:04}", "many", start_time=1.7e9 + index, end_time=1.7e9 + index
        )
        store.create(record)
    page = open_page(address(served, "/runs"))
    assert rows(page)[0] == "run-0699"
    assert page.locator(".table-row").count() < 60
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.get_by_role("link", name="run-0000").wait_for()
    assert page.locator(".table-row").count() < 60


def test_without_runs_the_page_tells_the_command(
    served: ServedInThread, open_page: OpenPage
) -> None:
    page = open_page(address(served, "/runs"))
    page.get_by_text("No runs yet").wait_for()
    assert "rayexec job execute -f my_job.py" in page.locator("#page").inner_text()
    assert_accessible(page)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 375, 1280, 3840])
def test_the_page_is_accessible_in_each_scheme_and_width(
    served: ServedInThread, open_page: OpenPage, dark: bool, width: int
) -> None:
    three_runs()
    page = open_page(address(served, "/runs"), dark=dark, width=width)
    page.wait_for_selector(".table-row")
    page.locator(".table-row .cell-select").first.click()
    page.get_by_role("button", name="Delete…").wait_for()
    assert_fits(page)
    assert_accessible(page)


def test_the_first_load_is_small_and_the_second_one_empty(
    served: ServedInThread, open_page: OpenPage
) -> None:
    three_runs()
    page = open_page("about:blank")
    traffic = Traffic()
    traffic.begin(page)
    page.goto(address(served, "/runs"))
    rows(page)
    page.wait_for_load_state("networkidle")
    requests = [each for each in traffic.responses if each.status == 200]
    assert len(requests) <= MOST_REQUESTS, "\n".join(each.url for each in requests)
    assert sum(len(each.body()) for each in requests) <= MOST_BYTES
    traffic.clear()
    page.reload()
    rows(page)
    page.wait_for_load_state("networkidle")
    assert traffic.statuses(".js") == {304}
    assert traffic.statuses(".css") == {304}


def test_the_search_finds_runs_and_pages(served: ServedInThread, open_page: OpenPage) -> None:
    _, _, other = three_runs()
    page = open_page(address(served, "/runs"))
    rows(page)
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search jobs").wait_for()
    assert_accessible(page)
    page.keyboard.type("hello")
    page.get_by_role("option", name=f"hello {other[:8]}").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{other}")
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url("**/cache")


def test_keys_are_listed(served: ServedInThread, open_page: OpenPage) -> None:
    page = open_page(address(served, "/runs"))
    page.get_by_text("No runs yet").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_the_theme_is_kept(served: ServedInThread, open_page: OpenPage) -> None:
    page = open_page(address(served, "/runs"))
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.get_by_role("button", name="Theme: dark").wait_for()
    assert page.evaluate("() => getComputedStyle(document.body).colorScheme") == "dark"
    page.reload()
    page.get_by_role("button", name="Theme: dark").wait_for()
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_a_path_without_a_page_says_so(served: ServedInThread, open_page: OpenPage) -> None:
    page = open_page(address(served, "/runs"))
    page.get_by_text("No runs yet").wait_for()
    page.evaluate("() => history.pushState(null, '', 'nowhere')")
    page.evaluate("() => dispatchEvent(new PopStateEvent('popstate'))")
    page.get_by_role("heading", name="There is no page here").wait_for()
    assert_accessible(page)

"""The pages say of runs, jobs, the cluster and the cache what the command line prints of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import pytest
from browser_fixtures import OpenPage
from doors_store import DoorsStore, doors_store, printed, printed_text, until
from served_pages import ServedInThread, served_in_thread
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.views.quantities import bytes_in_words, counted, duration
from rayexec.web.session import DoorOptions

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser and Ray, runs many jobs")]

TIMEOUT_MS = 60_000
#: What the page calls a status.
STATUSES = {"SUCCESS": "Success", "FAILURE": "Failure", "CANCELED": "Canceled"}
Open = Callable[[str], "Page"]


@pytest.fixture(scope="module")
def store(
    ray_session: None, no_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DoorsStore]:
    with doors_store(tmp_path_factory.mktemp("doors")) as store:
        yield store


@pytest.fixture(scope="module")
def served(store: DoorsStore) -> Iterator[ServedInThread]:
    import ray

    options = DoorOptions(source=store.source, address=ray.get_runtime_context().gcs_address)
    with served_in_thread(options) as server:
        yield server


@pytest.fixture
def open_at(served: ServedInThread, open_page: OpenPage) -> Open:
    def open_path(path: str) -> Page:
        page = open_page(f"{served.url}?token={served.token}", width=1600, height=1400)
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(f"{served.url}{path}")
        return page

    return open_path


def facts_of(run_id: str) -> dict[str, str]:
    """Return what ``run show`` prints for people, by the name at the beginning of each line."""
    lines = printed_text("run", "show", run_id).splitlines()
    return {line[2:12].strip(): line[14:] for line in lines if re.match(r"  \w[\w ]{9}  \S", line)}


def facts_in(place: Locator) -> dict[str, str]:
    """Return the facts of a list of terms, by term."""
    names = place.locator("dt").all_inner_texts()
    return dict(zip(names, place.locator("dd").all_inner_texts(), strict=True))


def cells(row: Locator) -> dict[str, str]:
    """Return the texts of a row of a table that draws what is in view, by column."""
    found: dict[str, str] = row.evaluate(
        "(row) => Object.fromEntries([...row.querySelectorAll('.cell')].map((cell) =>"
        " [cell.className.match(/cell-(\\w+)/)[1], cell.textContent]))"
    )
    return found


def test_the_list_of_runs_says_what_run_list_prints(open_at: Open, store: DoorsStore) -> None:
    page = open_at("runs")
    page.locator(".table-row").nth(len(store.runs) - 1).wait_for()
    on_page = {}
    for row in page.locator(".table-row").all():
        texts = cells(row)
        on_page[texts["id"]] = texts
    head, *lines = printed_text("run", "list").splitlines()
    at = {name: head.index(name) for name in ("job", "status", "started")}
    assert len(lines) == len(on_page)
    for line in lines:
        run_id = line[: at["job"]].strip()
        texts = on_page[run_id[:8]]
        status = line[at["status"] : at["started"]].strip()
        rest = re.sub(r".* UTC", "", line[at["started"] :])
        took, _, steps = rest.strip().rpartition("  ")
        took, steps = (took, steps) if took else (steps, "")
        assert texts["took"] == took.strip()
        assert re.split("[/ ]", texts["steps"])[1 if "/" in texts["steps"] else 0] == steps.strip()
        words = {**STATUSES, "FAILURE (driver died)": "Driver died", "UNREADABLE": "Unreadable"}
        assert texts["status"] == words[status]


def test_the_head_of_each_run_says_what_run_show_prints(open_at: Open, store: DoorsStore) -> None:
    for kind, run_id in store.runs.items():
        if kind == "unreadable":
            continue
        facts = facts_of(run_id)
        page = open_at(f"runs/{run_id}")
        times = page.locator(".run-times")
        page.wait_for_function("() => document.querySelector('.run-words')?.textContent")
        if "took" in facts:
            assert f"took {facts['took']}" in times.inner_text().split(" · "), kind
        words = page.locator(".run-words").inner_text()
        steps = facts["steps"].replace("none", "no steps")
        assert sorted(words.split(", ")) == sorted(steps.split(", ")), kind
        status = re.sub(r" \(.*", "", facts["status"])
        assert page.locator(".run-status").inner_text() == STATUSES[status], kind
        failed = re.search(r"(\d+) failed", facts["steps"])
        heads = page.locator(".run-failures h2").all_inner_texts()
        assert heads == ([f"{counted(int(failed[1]), 'step')} failed"] if failed else []), kind


def test_the_page_of_a_run_that_cannot_be_read_says_what_run_show_says(
    open_at: Open, store: DoorsStore
) -> None:
    run_id = store.runs["unreadable"]
    page = open_at(f"runs/{run_id}")
    page.expected_errors.append("503")  # type: ignore[attr-defined]
    said = CliRunner().invoke(app, ["run", "show", run_id]).stderr
    page.get_by_text(said.strip().removeprefix("Error: ")).first.wait_for()


def test_the_page_of_a_run_under_way_says_what_run_show_prints(
    open_at: Open, store: DoorsStore
) -> None:
    with store.lasting() as run_id:
        page = open_at(f"runs/{run_id}")
        page.locator(".run-words").get_by_text("1 of 9 steps").wait_for()
        page.locator(".run-words").get_by_text("2 running").wait_for()
        page.locator(".run-times").get_by_text(" left, because of database=redshift 1").wait_for()

        def both() -> tuple[str, str]:
            return page.locator(".run-times").inner_text(), facts_of(run_id).get("left", "")

        def is_same(words: tuple[str, str]) -> bool:
            least, _, cause = words[1].partition(", ")
            return f"{least} left, {cause}" in words[0].split(" · ")

        # The server looks at it once a second, and less and less is left of the step that runs.
        until(both, is_same)
        assert page.locator(".run-words").inner_text() == facts_of(run_id)["steps"]
    page.locator(".run-status", has_text="Success").wait_for()


def test_the_steps_of_a_run_say_what_its_export_has(
    open_at: Open, store: DoorsStore, tmp_path: Path
) -> None:
    run_id, file = store.runs["limited"], tmp_path / "run.parquet"
    result = CliRunner().invoke(app, ["run", "export", run_id, "--parquet", str(file)])
    assert result.exit_code == 0, result.output
    attempts: dict[str, list[dict[str, Any]]] = {}
    for attempt in pyarrow.parquet.read_table(file).to_pylist():
        attempts.setdefault(attempt["step_key"], []).append(attempt)
    waits: dict[str, float] = {}
    for event in printed("run", "events", run_id, "--type", "STEP_BLOCKED"):
        key = event["step_key"]
        waits[key] = waits.get(key, 0.0) + event["data"]["seconds"]
    page = open_at(f"runs/{run_id}?tab=steps")
    rows = page.locator(".steps-table .table-row")
    rows.nth(len(attempts) - 1).wait_for()
    seen = {texts["key"]: texts for texts in map(cells, rows.all())}
    assert seen.keys() == attempts.keys()
    assert len(waits) > 1
    for key, of_step in attempts.items():
        texts, last = seen[key], of_step[-1]
        assert texts["attempts"] == str(len(of_step))
        assert texts["seconds"] == duration(sum(each["seconds"] for each in of_step))
        assert texts["queue"] == duration(last["queue_s"])
        assert texts["memory"] == bytes_in_words(last["peak_rss_bytes"])
        assert texts["bytes"] == bytes_in_words(last["output_bytes"])
        waited = f"{duration(waits[key])} for database=redshift" if key in waits else ""
        assert texts["waited"] == waited
    page = open_at(f"runs/{run_id}/steps/hold[2]")
    shown = page.locator(".attempt dl")
    shown.nth(1).wait_for()
    for place, attempt in zip(shown.all(), attempts["hold[2]"], strict=True):
        facts = facts_in(place)
        assert facts["Took"] == duration(attempt["seconds"])
        assert facts["In Ray's queue"] == duration(attempt["queue_s"])
        assert facts["Memory at most"] == bytes_in_words(attempt["peak_rss_bytes"])


def test_jobs_and_their_plans_say_what_the_commands_print(open_at: Open, store: DoorsStore) -> None:
    file = str(store.file)
    page = open_at("")
    page.locator("li.job").first.wait_for()
    counts = re.findall(r"^  (\d+ ops?):", printed_text("job", "list", "-f", file), re.M)
    assert page.locator("li.job .job-ops").all_inner_texts() == counts
    # Both plan by the run before, so that they have its times.
    lines = printed_text("job", "plan", "-f", file, "-j", "limited").splitlines()
    plan = {line[:14].strip(): line[16:] for line in lines if re.match(r"\w[\w ]{13}  ", line)}
    page = open_at("jobs/limited/launch")
    page.locator(".plan-body dl.facts").wait_for()
    facts = facts_in(page.locator(".plan-body dl.facts"))
    took = re.match(r"at least \d+ steps?, (.*?): ", plan["longest path"])
    assert took is not None
    assert facts["Longest path"].endswith(f", {took[1]}")
    least, cause = plan["takes at least"].split(", ")[:2]
    assert facts["Will take"].startswith(f"at least {least}, {cause};")
    assert facts["At once"] == plan["max_concurrent"].split("; ")[0]
    ((mean, longest),) = re.findall(
        r"^hold .*?  (\d+ ms)  +(\d+ ms)$", printed_text("run", "show", store.runs["limited"]), re.M
    )
    page = open_at("jobs/limited")
    row = page.locator("table.job-ops tbody tr", has_text="hold")
    row.wait_for()
    assert row.locator("td.number").all_inner_texts()[1:3] == [mean, longest]


def test_the_cluster_says_what_cluster_status_prints(
    open_at: Open, served: ServedInThread, store: DoorsStore
) -> None:
    address = served.session.options.address
    assert address is not None
    page = open_at("cluster")
    page.locator(".node .gauge-row").first.wait_for()
    words = {"Memory": "memory", "Object store": "object_store_memory"}

    def both() -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
        names = [words.get(each, each) for each in page.locator(".node dt").all_inner_texts()]
        texts = page.locator(".node .gauge-words").all_inner_texts()
        lines = printed_text("cluster", "status", "--address", address).splitlines()
        found = [re.match(r"    (\S+) +(.*?), (.*) free$", line) for line in lines]
        status = {each[1]: (each[2], each[3]) for each in found if each}
        return dict(zip(names, texts, strict=True)), status

    # A worker that ends may have a CPU a moment longer on one side.
    on_page, status = until(both, lambda doors: doors[0]["CPU"] == "0 of 4" and doors[1])
    assert on_page.keys() == status.keys()
    for name, (total, free) in status.items():
        assert on_page[name].endswith(f" of {total}")
        if name != "object_store_memory":  # A look at a cluster may put something there.
            assert on_page[name].startswith("0 ")
            assert free == total
    assert page.locator(".limit .gauge-words").all_inner_texts() == ["0 of 1"]
    assert "single  0 of 1 used" in printed_text("cluster", "status", "--address", address)


def test_the_cache_says_what_cache_list_prints(open_at: Open) -> None:
    page = open_at("cache")
    row = page.get_by_role("row", name="kept")
    row.wait_for()
    (line,) = (line for line in printed_text("cache", "list").splitlines() if "  kept  " in line)
    count, size = row.locator("td.number").all_inner_texts()[:2]
    assert count == "1"
    assert f"  {size}  " in line

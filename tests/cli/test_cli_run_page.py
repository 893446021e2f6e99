"""``rayexec run export``: a run as a page, a table and a trace, with facts about its workers."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from array import array
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from held_limits import LIMITED, queries_job
from typer.testing import CliRunner

from rayexec import In, Nothing, OpExecutionContext, Out, Output, RetryPolicy, RunResult, job, op
from rayexec.cli.main import app
from rayexec.cli.render.page import write_page
from rayexec.events import SUCCESS, Attempt, BatchFacts
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunRecord
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter
from rayexec.views.critical_path import critical_path

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
NASTY = "</script><script>alert('x')</script><b>&amp;"


@op
def start() -> int:
    return 1


@op
def quick(value: int) -> int:
    return value


@op
def slow(value: int) -> int:
    time.sleep(0.05)
    return value


@op
def talks(context: OpExecutionContext, left: int, right: int) -> int:
    context.log.warning(NASTY)
    print(NASTY)
    return left + right


@op(retry_policy=RetryPolicy(max_retries=1))
def breaks(value: int) -> None:
    raise ValueError(NASTY)


@op(out=Out(is_required=False))
def silent() -> Iterator[Output[int]]:
    yield from ()


@job
def nightly() -> None:
    begun = start()
    talks(quick(begun), slow(begun))
    breaks(begun)
    quick.alias("never")(silent())


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and the text of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    @property
    def data(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.texts["script"][0])
        return document


def column(page: Page, name: str, kind: str) -> list[Any]:
    return array(kind, base64.b64decode(page.data["attempts"][name])).tolist()


def recorded(home: Path, made: Any = nightly, **options: Any) -> RunResult:
    result: RunResult = made.execute(store=home, raise_on_error=False, **options)
    return result


def export(home: Path, result: RunResult, *wanted: str) -> None:
    arguments = ["run", "export", result.run_id, "--store", str(home), *wanted]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 0, outcome.output


@pytest.fixture(params=["in_process", "ray"])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The config of either engine."""
    if request.param == "ray":
        request.getfixturevalue("ray_session")
        return {}
    return IN_PROCESS


def test_a_page_says_all_of_a_run_and_nothing_in_it_is_markup(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    result = recorded(tmp_path, run_config=config, tags={"by": NASTY})
    export(tmp_path, result, "--html", str(tmp_path / "run.html"))
    page = Page((tmp_path / "run.html").read_text())
    # No element but the page's own, nothing from elsewhere.
    assert [tag for tag, _ in page.elements if tag in ("script", "b", "link", "img", "iframe")] == [
        "script",
        "script",
    ]
    assert not any(
        {"src", "onclick", "onload"} & attributes.keys() for _, attributes in page.elements
    )
    links = [str(attributes["href"]) for tag, attributes in page.elements if tag == "a"]
    sections = {attributes.get("id") for tag, attributes in page.elements if tag == "section"}
    assert {link.removeprefix("#") for link in links} == sections
    assert len(links) == 7
    assert {"nightly", "FAILURE"} <= {
        text.strip() for tag in ("h1", "span") for text in page.texts[tag]
    }
    assert any(NASTY in text for text in page.texts["dd"])
    assert any(NASTY in text for text in page.texts["summary"])

    assert not {"<", ">"} & {*page.texts["script"][0]}
    data = page.data
    attempts = len(list(StoredLog(DirectoryRunStore(tmp_path).open(result.run_id)).attempts()))
    names = [data["keys"][step] for step in column(page, "step", "i")]
    assert len(names) == attempts == 7
    outcomes = dict(
        zip(
            zip(names, column(page, "number", "i"), strict=True),
            column(page, "outcome", "B"),
            strict=True,
        )
    )
    assert (outcomes["breaks", 0], outcomes["breaks", 1], outcomes["slow", 0]) == (2, 1, 0)
    assert [data["keys"][step] for step, _ in data["skipped"]] == ["never"]
    lengths = dict(zip(names, column(page, "length", "d"), strict=True))
    assert lengths["slow"] >= 0.05
    starts = column(page, "start", "d")
    for _, worker, first, end in data["workerRows"]:
        assert worker.startswith("pid ")
        assert starts[first:end] == sorted(starts[first:end])
    assert sum(end - first for _, _, first, end in data["workerRows"]) == attempts
    assert all(index >= 0 for index in column(page, "batch", "i"))
    said = {(data["keys"][step], kind): text for _, step, kind, text in data["logs"] if step >= 0}
    assert said["talks", "WARNING"] == NASTY
    assert NASTY in said["breaks", "failure"]
    assert "in breaks" in said["breaks", "failure"]
    if not config:
        assert said["talks", "stdout"] == f"{NASTY}\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_script_of_a_page_can_be_parsed(tmp_path: Path) -> None:
    script = Path(write_page.__code__.co_filename).with_name("page_parts") / "page.js"
    subprocess.run(["node", "--check", str(script)], check=True, capture_output=True, timeout=120)


def test_the_attempts_of_a_worker_row_lie_together_by_their_starts(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    writer = store.create(RunRecord("r", "nightly"))
    log = LogWriter(compile_job(nightly), writer)
    for attempt_number, (pid, began) in enumerate(
        [(1, 3.0), (2, 1.0), (1, 1.0), (2, 5.0), (1, 2.0)]
    ):
        log.add(Attempt(0, attempt_number, SUCCESS, began, began + 0.5, pid=pid, batch=pid))
    log.add(BatchFacts(1, "a", pid=1))
    log.add(BatchFacts(2, "b", pid=2))
    log.write()
    writer.close()
    write_page(tmp_path / "page", store.open("r").record(), StoredLog(store.open("r")))
    page = Page((tmp_path / "page").read_text())
    assert page.data["workerRows"] == [["a", "pid 1", 0, 3], ["b", "pid 2", 3, 5]]
    assert column(page, "start", "d") == [1.0, 2.0, 3.0, 1.0, 5.0]
    assert column(page, "number", "i") == [2, 4, 0, 1, 3]


def path_of(made: Any, config: Any = IN_PROCESS) -> list[tuple[str, int, str]]:
    store = MemoryRunStore()
    result = made.execute(config, store=store, raise_on_error=False)
    reader = store.open(result.run_id)
    log = StoredLog(reader)
    attempts = list(log.attempts())
    path = critical_path(log, attempts, reader.record().start_time)
    assert path is not None
    return [
        (log.keys[attempts[each.attempt].step], attempts[each.attempt].attempt_number, each.why)
        for each in path
    ]


def test_the_critical_path_goes_by_what_ended_last(ray_session: None) -> None:
    @job
    def joined() -> None:
        begun = start()
        talks(quick(begun), slow(begun))

    assert path_of(joined, {}) == [("start", 0, ""), ("slow", 0, ""), ("talks", 0, "")]


def test_the_critical_path_goes_through_earlier_attempts_and_order_without_values() -> None:
    @op(retry_policy=RetryPolicy(max_retries=1, delay=0.01))
    def flaky(context: OpExecutionContext, value: int) -> None:
        if not context.retry_number:
            raise ValueError

    @op(ins={"after": In(Nothing)})
    def last() -> None:
        pass

    @job
    def retried() -> None:
        last(after=flaky(start()))

    assert path_of(retried) == [
        ("start", 0, ""),
        ("flaky", 0, ""),
        ("flaky", 1, "tried again"),
        ("last", 0, ""),
    ]


def test_a_page_names_the_limits_that_steps_waited_for(tmp_path: Path, ray_session: None) -> None:
    result = recorded(tmp_path, queries_job(tmp_path), run_config=LIMITED)
    export(tmp_path, result, "--html", str(tmp_path / "run.html"))
    page = Page((tmp_path / "run.html").read_text())
    blocked = page.data["blocked"]
    assert len(blocked) == 2
    assert all(
        limit == "database=redshift" and seconds > 0.2 for limit, seconds, _ in blocked.values()
    )
    assert "database=redshift" in page.texts["td"]


def test_a_table_and_a_trace_tell_nodes_batches_and_queue_times(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    result = recorded(tmp_path, run_config=config)
    export(
        tmp_path, result, "--parquet", str(tmp_path / "t"), "--chrome-trace", str(tmp_path / "c")
    )
    log = StoredLog(DirectoryRunStore(tmp_path).open(result.run_id))
    rows = pq.read_table(tmp_path / "t").to_pylist()
    assert len(rows) == 7
    for row in rows:
        assert row["node"]
        assert row["peak_rss_bytes"] > 30_000_000
        assert row["fetch_s"] >= 0
        assert (row["batch"] is None, row["queue_s"] is None) == (
            (True, True) if config else (False, False)
        )
    assert (next(row["output_bytes"] for row in rows if row["step_key"] == "slow") == 5) == (
        not config
    )

    trace = json.loads((tmp_path / "c").read_text())["traceEvents"]
    bars = [each for each in trace if each["ph"] == "X"]
    assert len(bars) == 7
    named = {(each["name"], each["pid"], each.get("tid")) for each in trace if each["ph"] == "M"}
    for bar in bars:
        assert ("process_name", bar["pid"], None) in named
        assert ("thread_name", bar["pid"], bar["tid"]) in named
    queued = {each["id"]: each["ts"] for each in trace if each["ph"] == "b"}
    ended = {each["id"]: each["ts"] for each in trace if each["ph"] == "e"}
    assert (
        queued.keys()
        == ended.keys()
        == ({each.batch for each in log.attempts()} if not config else set())
    )
    assert all(queued[each] < ended[each] for each in queued)


def test_show_tells_queue_time_memory_and_nodes(tmp_path: Path, ray_session: None) -> None:
    result = recorded(tmp_path)
    arguments = ["run", "show", result.run_id, "--store", str(tmp_path)]
    shown = CliRunner().invoke(app, arguments).stdout
    [slowest] = [line for line in shown.splitlines() if line.startswith("  slowest")]
    assert slowest.split()[1] == "slow"
    for name in ("queue ", "memory", "nodes "):
        assert f"\n  {name}" in shown
    shown_json = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    [node] = shown_json["nodes"]
    assert node["attempts"] == 7
    assert node["workers"] >= 1
    assert shown_json["peak_rss_bytes"] == node["peak_rss_bytes"] > 30_000_000
    assert shown_json["longest_queue"]["seconds"] > 0


def test_a_run_without_attempts_has_a_page(tmp_path: Path) -> None:
    @op
    def never(value: int) -> None:
        pass

    @job
    def stopped() -> None:
        never(silent())

    result = recorded(tmp_path, stopped, run_config=IN_PROCESS)
    store = DirectoryRunStore(tmp_path)
    empty = store.create(RunRecord("empty", "stopped"))
    empty.close()
    for run_id in (result.run_id, "empty"):
        outcome = CliRunner().invoke(
            app,
            ["run", "export", run_id, "--store", str(tmp_path), "--html", str(tmp_path / "page")],
        )
        assert outcome.exit_code == 0, outcome.output
        Page((tmp_path / "page").read_text())

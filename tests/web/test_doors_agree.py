"""The command line and the API never disagree: every figure that both show of the same runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet
import pytest
from doors_store import DoorsStore, doors_store, printed, printed_text, until
from served_pages import Answer, ServedInThread, served_in_thread
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.views.quantities import bytes_in_words, counted, duration
from rayexec.web.session import DoorOptions

pytestmark = pytest.mark.long("runs jobs of all kinds, and reads each by all commands")

ONLY_LISTED = ("is_over", "is_live", "origin", "driver", "op_selection")
UNREADABLE = "UNREADABLE"


@pytest.fixture(scope="module")
def store(
    ray_session: None, no_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DoorsStore]:
    with doors_store(tmp_path_factory.mktemp("doors")) as store:
        yield store


@pytest.fixture(scope="module")
def served(store: DoorsStore) -> Iterator[ServedInThread]:
    with served_in_thread(DoorOptions(source=store.source)) as server:
        yield server


@pytest.fixture(scope="module")
def rows(served: ServedInThread, store: DoorsStore) -> list[dict[str, Any]]:
    """The runs as the API lists them."""
    listed: list[dict[str, Any]] = served.get("api/runs", limit=500)["runs"]
    assert {row["status"] for row in listed} == {"SUCCESS", "FAILURE", "CANCELED", UNREADABLE}
    assert "driver died" in {row["note"] for row in listed}
    assert {row["run_id"] for row in listed} == set(store.runs.values())
    return listed


@pytest.fixture(scope="module")
def readable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["status"] != UNREADABLE]


def test_the_list_of_runs(served: ServedInThread, rows: list[dict[str, Any]]) -> None:
    bare = [{key: row[key] for key in row if key not in ONLY_LISTED} for row in rows]
    assert bare == printed("run", "list")
    statuses = served.get("api/runs")["statuses"]
    assert statuses == Counter(row["status"] for row in printed("run", "list"))
    pages: list[dict[str, Any]] = []
    mark = None
    while mark is not None or not pages:
        page = served.get("api/runs", limit=2, **({} if mark is None else {"before": mark}))
        pages += page["runs"]
        mark = page["next"]
    assert pages == rows
    for row in bare:
        if row["status"] != UNREADABLE:
            assert printed("run", "wait", row["run_id"], code=None) == row


def test_a_run_that_cannot_be_read(served: ServedInThread, store: DoorsStore) -> None:
    run_id = store.runs["unreadable"]
    answer = served.request("GET", f"api/runs/{run_id}")
    said = CliRunner().invoke(app, ["run", "show", run_id])
    assert answer.status == 503
    assert said.stderr.strip() == f"Error: {answer.json['error']}"


def test_the_figures_of_each_run(served: ServedInThread, readable: list[dict[str, Any]]) -> None:
    seen: Counter[str] = Counter()
    for row in readable:
        run_id = row["run_id"]
        shown = served.get(f"api/runs/{run_id}")
        is_damaged = shown["damage"] is not None
        result = CliRunner().invoke(app, ["run", "show", run_id, "--json"])
        assert (result.exit_code == 0) is not is_damaged
        assert json.loads(result.stdout) == shown["report"]
        assert shown["damage"] is None or shown["damage"] in result.stderr
        report = shown["report"]
        assert (
            {key: report[key] for key in ("steps", "status", "duration")}
            == {key: row[key] for key in ("steps", "status", "duration")}
            or not row["steps"]
            or is_damaged
        )
        events = printed("run", "events", run_id, code=None)
        _same_failures(shown, events)
        _same_steps(served, run_id, report, events)
        _same_materializations(shown, events)
        assert shown["waited"] == pytest.approx(_waited(events), abs=1e-5)
        assert report["parent_run_id"] == (shown["parent"] or {}).get("run_id")
        _same_text(report, printed_text("run", "show", run_id))
        seen.update(
            waits=len(shown["waited"]),
            failures=len(shown["failures"]),
            materializations=len(shown["materializations"]),
            damaged=is_damaged,
            resumed=len(shown["children"]),
            queued=report["longest_queue"] is not None,
        )
    names = ("waits", "failures", "materializations", "damaged", "queued")
    assert all(seen[name] for name in names), seen
    assert seen["resumed"] == 1


@pytest.mark.parametrize("job", ["skipped", "failed", "limited"])
def test_the_figures_that_a_driver_prints_at_the_end(
    served: ServedInThread, store: DoorsStore, job: str
) -> None:
    told = printed("job", "execute", "-f", str(store.file), "-j", job, code=None)
    store.runs[f"executed {job}"] = told["run_id"]
    shown = served.get(f"api/runs/{told['run_id']}")
    report = shown["report"]
    for name in ("job", "status", "start_time", "end_time", "duration", "steps", "error"):
        assert told[name] == report[name], name
    assert told["failed_steps"] == [
        {name: each[name] for name in ("step_key", "error", "message")}
        for each in report["failed_steps"]
    ]
    assert told["ops"] == {
        name: {figure: op[figure] for figure in ("attempts", "seconds", "longest")}
        for name, op in report["ops"].items()
        if op["attempts"]
    }
    for limit, seconds in shown["waited"].items():
        assert told["waited"][limit] == pytest.approx(seconds, abs=1e-5)
    assert bool(shown["waited"]) is (job == "limited")


def _same_failures(shown: dict[str, Any], events: list[dict[str, Any]]) -> None:
    failed = shown["report"]["failed_steps"]
    groups = Counter((each["error"], each["message"]) for each in failed)
    assert groups == {(each["error"], each["message"]): each["count"] for each in shown["failures"]}
    failures = [event for event in events if event["event_type"] == "STEP_FAILURE"]
    assert [event["step_key"] for event in failures] == [each["step_key"] for each in failed]


def _waited(events: list[dict[str, Any]]) -> dict[str, float]:
    waited: Counter[str] = Counter()
    for event in events:
        if event["event_type"] == "STEP_BLOCKED":
            waited[event["data"]["limit"]] += event["data"]["seconds"]
    return dict(waited)


def _same_steps(
    served: ServedInThread, run_id: str, report: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    page = served.get(f"api/runs/{run_id}/steps", count=1000)
    counts = {state: count for state, count in report["steps"].items() if count}
    assert page["total"] == sum(counts.values())
    assert {state: count for state, count in page["by_state"].items() if count} == counts
    by_op = {name: dict.fromkeys(op, 0) for name, op in report["ops"].items()}
    for node in served.get(f"api/runs/{run_id}/ops")["ops"]:
        figures = by_op[node["op"]]
        for state, count in node["counts"].items():
            figures[state] += count
        figures["attempts"] += node["attempts"]
        figures["seconds"] = round(figures["seconds"] + node["seconds"], 6)
        figures["longest"] = max(figures["longest"], node["longest"])
    assert by_op == {name: pytest.approx(op, abs=1e-5) for name, op in report["ops"].items()}
    starts = Counter(
        event["step_key"]
        for event in events
        if event["event_type"] in ("STEP_START", "STEP_RESTARTED")
    )
    assert {row["key"]: row["attempts"] for row in page["rows"] if row["attempts"]} == starts
    waits = Counter(
        {event["step_key"]: 0.0 for event in events if event["event_type"] == "STEP_BLOCKED"}
    )
    for event in events:
        if event["event_type"] == "STEP_BLOCKED":
            waits[event["step_key"]] += event["data"]["seconds"]
    assert {row["key"]: row["waited_s"] for row in page["rows"] if row["waited_s"]} == (
        pytest.approx(dict(waits), abs=1e-5)
    )
    assert sum(row["seconds"] or 0 for row in page["rows"]) == pytest.approx(
        sum(op["seconds"] for op in report["ops"].values()), abs=1e-5
    )


def _same_materializations(shown: dict[str, Any], events: list[dict[str, Any]]) -> None:
    found = [
        {
            "step": event["step_key"],
            "asset_key": event["data"]["asset_key"],
            "description": event["data"].get("description"),
            "partition": event["data"].get("partition"),
            "tags": event["data"].get("tags", {}),
            "metadata": event["data"].get("metadata", {}),
        }
        for event in events
        if event["event_type"] == "ASSET_MATERIALIZATION"
    ]
    plain = [
        each | {"metadata": {name: entry["value"] for name, entry in each["metadata"].items()}}
        for each in shown["materializations"]
    ]
    assert [{key: each[key] for key in each if key != "time"} for each in plain] == found


def _same_text(report: Mapping[str, Any], text: str) -> None:
    """Hold the lines that a command prints for people against the figures of the API."""
    lines = text.splitlines()
    facts = {line[2:12].strip(): line[14:] for line in lines if re.match(r"  \w[\w ]{9}  \S", line)}
    counts = [f"{count:,} {end}" for end, count in report["steps"].items() if count]
    # A step without an attempt of this run comes behind those with one.
    assert sorted(facts["steps"].split(", ")) == sorted(counts or ["none"])
    assert facts.get("took") == (
        None if report["duration"] is None else duration(report["duration"])
    )
    if report["longest_queue"] is not None:
        queue = report["longest_queue"]
        assert facts["queue"] == f"at most {duration(queue['seconds'])} (step {queue['step_key']})"
    if report["peak_rss_bytes"] is not None:
        assert f" {bytes_in_words(report['peak_rss_bytes'])} " in facts["memory"]
    for node in report["nodes"]:
        attempts, seconds = counted(node["attempts"], "attempt"), duration(node["seconds"])
        processes = f"{node['workers']} process{'' if node['workers'] == 1 else 'es'}"
        assert f"{attempts}, {seconds} in {processes}" in facts["nodes"]
    for name, op in report["ops"].items():
        (row,) = (line.split() for line in lines if re.match(rf"{re.escape(name)}  ", line))
        figures = [f"{op[end]:,}" for end in report["steps"] if op[end]]
        if op["attempts"]:
            times = f"{duration(op['seconds'] / op['attempts'])} {duration(op['longest'])}"
            figures += [f"{op['attempts']:,}", *times.split()]
        assert sorted(row[1:]) == sorted(figures)


def test_the_lines_of_each_run(served: ServedInThread, readable: list[dict[str, Any]]) -> None:
    for row in readable:
        run_id = row["run_id"]
        lines = _lines(served, run_id)
        events = printed("run", "events", run_id, code=None)
        told = [line for line in lines if line["kind"] in ("event", "log")]
        assert [(line["event_type"], line["step"], line["text"]) for line in told] == [
            (event["event_type"], event["step_key"], event["message"]) for event in events
        ]
        logs = printed("run", "logs", run_id, code=None)
        captured = [
            (stream, text)
            for event in (logs if isinstance(logs, list) else [logs])
            for stream in ("stdout", "stderr")
            if event["event_type"] == "LOGS_CAPTURED"
            for text in event["data"].get(stream, "").splitlines()
        ]
        assert [
            (line["kind"], line["text"]) for line in lines if line["kind"].startswith("std")
        ] == captured


def _lines(served: ServedInThread, run_id: str) -> list[dict[str, Any]]:
    """Return all lines of a run, page by page."""
    lines: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        page = served.get(f"api/runs/{run_id}/log", limit=500, **{"from": start})
        lines, start = [*lines, *page["lines"]], page["next"]
    return lines


def test_the_attempts_of_each_run_and_its_exports(
    served: ServedInThread, readable: list[dict[str, Any]], tmp_path: Path
) -> None:
    for row in readable:
        run_id = row["run_id"]
        paths = [tmp_path / f"{run_id}.{ending}" for ending in ("parquet", "json", "html")]
        options = zip(("--parquet", "--chrome-trace", "--html"), map(str, paths), strict=True)
        result = CliRunner().invoke(app, ["run", "export", run_id, *sum(options, ())])
        assert result.exit_code == 0 or "damaged" in result.stderr, result.output
        exported = pyarrow.parquet.read_table(paths[0]).to_pylist()
        keys = [step["key"] for step in served.get(f"api/runs/{run_id}/steps", count=1000)["rows"]]
        attempts = [
            attempt
            for key in keys
            for attempt in served.get(f"api/runs/{run_id}/steps/{quote(key)}")["attempts"]
        ]
        by_place = {(each["step_key"], each["attempt"]): each for each in attempts}
        assert len(by_place) == len(attempts) == len(exported)
        for each in exported:
            other = by_place[each["step_key"], each["attempt"]]
            for name, value in each.items():
                assert _plain(value) == pytest.approx(other[name], abs=2e-6), name
        trace = json.loads(paths[1].read_text())["traceEvents"]
        assert sum(event["ph"] == "X" for event in trace) >= len(exported)
        _same_critical_path(served.get(f"api/runs/{run_id}"), paths[2].read_text())


def _plain(value: Any) -> Any:
    return value.timestamp() if hasattr(value, "timestamp") else value


def _same_critical_path(shown: dict[str, Any], page: str) -> None:
    path = shown["critical_path"]
    found = re.search(
        r"<p>([\d,]+) attempts? .*?they ran for (.*?) and waited for (.*?) in between", page, re.S
    )
    if path is None or not path["steps"]:
        assert found is None
        return
    assert found is not None
    ran = sum(each["seconds"] for each in path["steps"])
    waited = sum(each["waited"] for each in path["steps"])
    assert found[1] == f"{len(path['steps']):,}"
    for text, seconds in ((found[2], ran), (found[3], waited)):  # of rounded seconds
        assert text in (duration(seconds - 1e-5), duration(seconds + 1e-5))
    assert path["seconds"] == pytest.approx(ran + waited, abs=1e-4)


def test_jobs_and_their_plans(
    served: ServedInThread, store: DoorsStore, rows: list[dict[str, Any]]
) -> None:
    file = str(store.file)
    jobs = printed("job", "list", "-f", file)["jobs"]
    listed = until(lambda: served.get("api/jobs"), lambda answer: answer["state"] != "loading")
    assert [(job["name"], job["attribute"], job["description"]) for job in jobs] == [
        (job["name"], job["attribute"], job["description"]) for job in listed["jobs"]
    ]
    assert [len(job["ops"]) for job in jobs] == [job["ops"] for job in listed["jobs"]]
    defined = {job["name"]: job for job in printed("definitions", "list", "-f", file)["jobs"]}
    runs = printed("run", "list")
    for job in listed["jobs"]:
        name = job["name"]
        assert len(defined[name]["ops"]) == job["ops"]
        shown = served.get(f"api/jobs/{name}")
        assert shown["ops"] == job["ops"]
        assert shown["history"] == [row for row in runs if row["job"] == name]
        assert [(run["run_id"], run["duration"]) for run in job["last_runs"]] == [
            (row["run_id"], row["duration"]) for row in runs if row["job"] == name
        ][:10]
        outline = printed("job", "print", "-f", file, "-j", name)
        assert _without(shown["nodes"], outline["nodes"]) == outline["nodes"]
        plan = printed("job", "plan", "-f", file, "-j", name)
        drawn = _plan(served, name)
        if plan["execution"]["engine"] == "ray":  # The server launches on a Ray of its own.
            assert drawn["execution"].pop("where") != plan["execution"].pop("where")
        assert _same_names({field: drawn[field] for field in plan}) == _same_names(plan)
        by_path = {node["path"]: node for node in _ops(shown["nodes"])}
        for step in plan["steps"]:
            node = by_path[step["key"].removesuffix("[?]")]
            assert (node["asks_for"], node["limits"]) == (step["asks_for"], step["limits"])


def _plan(served: ServedInThread, job: str) -> dict[str, Any]:
    """Return the plan of a page; on a busy machine the code may have none within its 5 s."""
    body = {"yaml": "", "selection": "", "tags": {}}

    def ask() -> Answer:
        return served.request("POST", f"api/jobs/{job}/plan", body)

    answer = until(ask, lambda answer: bool(answer.status != 503))
    plan: dict[str, Any] = answer.json
    return plan


def _without(nodes: list[dict[str, Any]], like: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return nodes with the fields of others alone."""
    return [
        {
            field: _without(node[field], one[field]) if field == "nodes" else node[field]
            for field in one
        }
        for node, one in zip(nodes, like, strict=True)
    ]


def _ops(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield from _ops(node["nodes"]) if node["kind"] == "graph" else [node]


def _same_names(document: dict[str, Any]) -> Any:
    """Return a plan whose resources of a run have one name: each plan makes one up."""
    return json.loads(re.sub(r"rayexec-[0-9a-f-]{36}", "rayexec", json.dumps(document)))


def test_cached_outputs(served: ServedInThread, store: DoorsStore) -> None:
    entries = printed("cache", "list")
    answer = served.get("api/cache")
    assert sum(each["count"] for each in answer["entries"]) == len(entries) > 0
    assert answer["bytes"] == sum(entry["size"] for entry in entries)
    assert {each["op"]: each["count"] for each in answer["entries"]} == Counter(
        entry["op"] for entry in entries
    )
    assert bytes_in_words(answer["bytes"]) in printed_text("cache", "list").splitlines()[-1]

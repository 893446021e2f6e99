"""The command line and the API never disagree: lists, lines and cached outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_pages import ServedInThread, served_in_thread
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.launch.job_file import JobSource, load_job
from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run
from rayexec.web.session import DoorOptions

pytestmark = pytest.mark.long("runs jobs of all kinds, and reads each by all commands")

JOBS = '''
import os, signal, sys, time

from rayexec import (
    AssetMaterialization, DynamicOut, DynamicOutput, MetadataValue, Out, RetryPolicy, job, op,
)

HERE = {"execution": {"config": {"in_process": {}}}}


@op(out={"low": Out(int), "high": Out(int, is_required=False)})
def ends(context):
    """Find both ends."""
    print("seeking <b>ends</b>")
    context.log.info("line \\x1b[31mred\\x1b[0m")
    context.log_event(AssetMaterialization(
        ["<script>alert(1)</script>", "table"], "written & read",
        {"rows": 3, "where": MetadataValue.path("/tmp/<x>"), "more": MetadataValue.json({"a": 1}),
         "docs": MetadataValue.url("https://example.com/"), "notes": MetadataValue.md("# <i>")},
        partition="2026-11-30", tags={"team": "<b>"},
    ))
    context.add_output_metadata({"seen": 5}, output_name="low")
    yield __import__("rayexec").Output(1, "low")


@op
def low_of(low: int, other: int) -> int:
    return low + other


@op
def high_of(high: int) -> int:
    return high


@op
def five() -> int:
    return 5


@job(config=HERE, description="Skips a step.")
def skipped():
    low, high = ends()
    low_of(low, five())
    high_of(high)


@op(out=DynamicOut(int))
def split():
    for number in range(6):
        yield DynamicOutput(number, str(number))


@op(retry_policy=RetryPolicy(max_retries=1), tags={"database": "redshift"})
def load(context, number: int) -> int:
    print("loading", number, file=sys.stderr)
    time.sleep(0.02)
    if number == 3:
        raise ValueError("<script>part 3</script> is \\x1b[31mbad\\x1b[0m") from KeyError("cause")
    return number


@op(tags={"database": "redshift"})
def hold(number: int) -> int:
    time.sleep(0.15)
    return number


@op
def total(numbers: list[int]) -> int:
    return sum(numbers)


@job(config=HERE)
def failed():
    total(split().map(load).collect())


@job(config={"execution": {"config": {"max_concurrent": 4, "tag_concurrency_limits": [
    {"key": "database", "value": "redshift", "limit": 1}]}}})
def limited():
    total(split().map(hold).collect())


@op(cache=True, code_version="1")
def kept() -> bytes:
    return bytes(70_000)


@op
def size(data: bytes) -> int:
    if not os.path.exists("@MARK@"):
        raise RuntimeError("not yet")
    return len(data)


@job(config=HERE)
def cached():
    size(kept())


@op
def end_by_signal(number: int) -> int:
    os.kill(os.getpid(), getattr(signal, os.environ["RAYEXEC_TEST_SIGNAL"]))
    time.sleep(30)
    return number


@job(config=HERE)
def ended():
    end_by_signal(five())
'''
DRIVE = """
import sys
from pathlib import Path
from rayexec.launch.job_file import JobSource, load_job
load_job(JobSource(Path(sys.argv[1]), job="ended")).execute(raise_on_error=False)
"""
ONLY_LISTED = ("is_over", "is_live", "origin", "driver", "op_selection")


def printed(*arguments: str, code: int | None = 0) -> Any:
    """Return what a command printed as JSON, or as JSON lines."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert code is None or result.exit_code == code, result.output
    try:
        return json.loads(result.stdout)
    except ValueError:
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def store(no_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with runs of all kinds, which is the one that commands use; the file is beside it."""
    directory = tmp_path_factory.mktemp("doors")
    file, home = directory / "jobs.py", directory / "home"
    mark = directory / "mark"
    file.write_text(JOBS.replace("@MARK@", str(mark)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYEXEC_HOME", str(home))
        runs: dict[str, str] = {}

        def execute(name: str, job: str, **options: Any) -> None:
            loaded = load_job(JobSource(file, job=job))
            runs[name] = loaded.execute(raise_on_error=False, **options).run_id

        execute("skipped", "skipped", tags={"<b>team": 'a"&<i>'})
        execute("failed", "failed")
        # Waits, workers and nodes as a run on a cluster has them.
        record_large_run(DirectoryRunStore(home), "aaaa1111", 60, failing=(7, 50), waiting=10)
        execute("first", "cached")
        mark.touch()
        resumed = CliRunner().invoke(app, ["run", "resume", runs["first"], "-f", str(file)])
        assert resumed.exit_code == 0, resumed.output
        execute("cached", "cached")
        for signal_name in ("SIGKILL", "SIGINT"):
            subprocess.run(
                [sys.executable, "-c", DRIVE, str(file)],
                env={**os.environ, "RAYEXEC_TEST_SIGNAL": signal_name},
                check=False,
                capture_output=True,
                timeout=120,
            )
        execute("damaged", "skipped")
        (log,) = (home / "runs" / runs["damaged"] / "events").glob("*.log")
        log.write_bytes(log.read_bytes()[:-40] + bytes(40))
        yield home


@pytest.fixture(scope="module")
def served(store: Path) -> Iterator[ServedInThread]:
    with served_in_thread(DoorOptions(source=JobSource(store.parent / "jobs.py"))) as server:
        yield server


@pytest.fixture(scope="module")
def rows(served: ServedInThread) -> list[dict[str, Any]]:
    """The runs as the API lists them."""
    listed: list[dict[str, Any]] = served.get("api/runs", limit=500)["runs"]
    assert {row["status"] for row in listed} == {"SUCCESS", "FAILURE", "CANCELED"}
    assert "driver died" in {row["note"] for row in listed}
    assert len(listed) == 9
    return listed


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


def test_the_lines_of_each_run(served: ServedInThread, rows: list[dict[str, Any]]) -> None:
    for row in rows:
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


def test_cached_outputs(served: ServedInThread, store: Path) -> None:
    entries = printed("cache", "list")
    answer = served.get("api/cache")
    assert sum(each["count"] for each in answer["entries"]) == len(entries) > 0
    assert answer["bytes"] == sum(entry["size"] for entry in entries)
    assert {each["op"]: each["count"] for each in answer["entries"]} == Counter(
        entry["op"] for entry in entries
    )

"""``rayexec run``: recorded runs, shown and removed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from cli_process import run
from typer.testing import CliRunner

from rayexec import job, op
from rayexec.cli.main import app
from rayexec.store import DirectoryRunStore

JOBS = """
from rayexec import DynamicOut, DynamicOutput, job, op

@op
def load(context) -> int:
    context.log.info("loading")
    print("printed")
    return 1

@op(out=DynamicOut())
def split():
    for index in range(5):
        yield DynamicOutput(index, str(index))

@op
def check(value: int) -> int:
    if value == 3:
        raise ValueError("three")
    return value

@op
def save(value: int) -> None:
    raise OSError("no room")

@job(config={"execution": {"config": {"in_process": {}}}})
def daily():
    save(load())
    split().map(check)

@job(config={"execution": {"config": {"in_process": {}}}})
def fine():
    load()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, which is the one that commands and runs use, and a file of jobs."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    return tmp_path


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it printed."""
    result = CliRunner().invoke(app, ["run", *arguments])
    return result.exit_code, result.stdout, result.stderr


def read(*arguments: str) -> Any:
    """Return what a command printed as JSON."""
    code, out, err = invoke(*arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_a_run_from_the_shell_is_recorded_and_can_be_looked_at(home: Path) -> None:
    ended = run(
        "job", "execute", "-f", "jobs.py", "-j", "daily", "--tags", '{"team": "a"}', cwd=home
    )
    assert ended.code == 1
    hint = re.search(r"^To look at it again: rayexec run show (\S+)$", ended.stderr, re.MULTILINE)
    assert hint is not None
    run_id = hint[1]
    assert ended.stderr.index(hint[0]) < ended.stderr.index(
        f"Error: Run {run_id} resulted in failure."
    )

    [listed] = read("list")
    assert (listed["run_id"], listed["job"], listed["status"]) == (run_id, "daily", "FAILURE")
    assert listed["start_time"] < listed["end_time"]
    assert listed["steps"] == {"succeeded": 6, "failed": 2, "skipped": 0, "not run": 0}
    code, out, _ = invoke("list")
    assert code == 0
    assert re.search(rf"^{run_id} +daily +FAILURE +\d{{4}}-.* UTC .*8$", out, re.MULTILINE)

    shown = read("show", run_id[:8])
    assert shown["tags"] == {"team": "a"}
    assert shown["origin"] == {
        "directory": str(home),
        "file": str(home / "jobs.py"),
        "job": "daily",
    }
    assert shown["run_config"] == {"execution": {"config": {"in_process": {}}}}
    assert (shown["ops"]["check"]["succeeded"], shown["ops"]["check"]["failed"]) == (4, 1)
    assert {each["step_key"]: each["message"] for each in shown["failed_steps"]} == {
        "save": "no room",
        "check[3]": "three",
    }
    code, out, _ = invoke("show", run_id[:8])
    assert code == 0
    for text in (
        "status      FAILURE",
        "tags        team=a",
        "6 succeeded, 2 failed",
        "jobs.py, daily",
    ):
        assert text in out
    assert 'Step "save" failed: OSError: no room' in out
    assert 'jobs.py", line 23, in save' in out
    assert re.search(r"^check +4 +1 +5 ", out, re.MULTILINE)

    code, out, _ = invoke("events", run_id)
    assert code == 0
    assert "RUN_START" in out.splitlines()[0]
    assert "RUN_FAILURE" in out.splitlines()[-1]
    code, out, _ = invoke("events", run_id, "--json", "--type", "step_failure", "--step", "check")
    [failure] = map(json.loads, out.splitlines())
    assert (failure["step_key"], failure["error"]["cause"]["message"]) == ("check[3]", "three")
    code, out, _ = invoke("logs", run_id, "--step", "load")
    assert (code, len(out.splitlines())) == (0, 1)
    assert out.endswith(" - load - INFO - loading\n")

    code, out, _ = invoke("wait", run_id)
    assert (code, out.startswith(f"Run {run_id} failed in ")) == (1, True)

    code, out, _ = invoke(
        "export",
        run_id,
        "--parquet",
        str(home / "run.parquet"),
        "--chrome-trace",
        str(home / "run.json"),
    )
    assert code == 0
    table = pq.read_table(home / "run.parquet")
    assert table.num_rows == 8
    assert sorted(filter(None, table["error"].to_pylist())) == ["OSError", "ValueError"]
    bars = [
        each
        for each in json.loads((home / "run.json").read_text())["traceEvents"]
        if each["ph"] == "X"
    ]
    assert {each["name"] for each in bars} >= {"load", "check[4]"}
    assert all(each["dur"] >= 0 and each["ts"] >= 0 for each in bars)

    assert invoke("delete", run_id[:6]) == (0, f"Removed run {run_id}.\n", "")
    assert read("list") == []


@op
def one() -> int:
    return 1


@job(config={"execution": {"config": {"in_process": {}}}})
def small() -> None:
    one()


@job(config={"execution": {"config": {"in_process": {}}}})
def other() -> None:
    one()


def test_runs_are_chosen_by_job_status_and_number(home: Path) -> None:
    ids = [
        made.execute(run_id=f"run-{index}").run_id
        for index, made in enumerate((small, other, small))
    ]
    assert [each["run_id"] for each in read("list")] == ids[::-1]
    assert [each["run_id"] for each in read("list", "--job", "small", "--limit", "1")] == [ids[2]]
    assert read("list", "--status", "failure") == []
    assert invoke("list", "--job", "none")[1] == f"No runs of that kind in {home / 'home'}.\n"
    assert invoke("list", "--status", "odd") == (
        2,
        "",
        (
            "Error: there is no status 'odd': it is one of STARTED, SUCCESS, FAILURE, CANCELED, "
            "UNREADABLE.\n"
        ),
    )
    small.execute(store=home / "elsewhere", run_id="far")
    assert [each["run_id"] for each in read("list", "--store", f"file://{home / 'elsewhere'}")] == [
        "far"
    ]
    code, out, _ = invoke("wait", "run-0")
    assert (code, out.startswith("Run run-0 succeeded in ")) == (0, True)
    assert read("delete", "run-0", "run-1") == {"deleted": ["run-0", "run-1"]}


@pytest.mark.parametrize("command", ["show", "events", "logs", "wait", "delete"])
def test_a_run_that_is_not_there_is_a_mistake_in_what_was_given(home: Path, command: str) -> None:
    for index in (1, 2):
        small.execute(run_id=f"run-{index}")
    code, out, err = invoke(command, "rum-1")
    assert (code, out) == (2, "")
    assert (
        err == f"Error: the run store {home / 'home'} has no run 'rum-1'. Did you mean 'run-1'?\n"
    )
    assert invoke(command, "run")[2] == "Error: 2 runs begin with 'run': run-1, run-2.\n"
    assert len(read("list")) == 2


def test_mistakes_in_steps_and_types_are_named(home: Path) -> None:
    small.execute(run_id="r")
    assert invoke("events", "r", "--step", "onee") == (
        2,
        "",
        "Error: run r has no step 'onee'. Did you mean 'one'?\n",
    )
    code, _, err = invoke("events", "r", "--type", "STEP_FAILED")
    assert (code, err) == (
        2,
        "Error: there is no event type 'STEP_FAILED'. Did you mean 'STEP_FAILURE'?\n",
    )
    assert invoke("export", "r")[0] == 2
    assert invoke("export", "r", "--parquet", str(home / "none/x"))[0] == 2


def test_a_store_that_cannot_be_read_is_named(home: Path) -> None:
    small.execute(run_id="r")
    (home / "home/runs/r/run.json").write_text('{"schema_version": 12}')
    code, _, err = invoke("show", "r")
    assert code == 1
    assert "run r was written by a newer rayexec (schema version 12" in err
    assert "UNREADABLE" in invoke("list")[1]


def test_wait_lasts_until_the_end_and_a_run_without_its_driver_has_failed(home: Path) -> None:
    (home / "nap.py").write_text(
        "import time\nfrom rayexec import job, op\n"
        "@op\ndef nap() -> None:\n    time.sleep(600)\n"
        "@job(config={'execution': {'config': {'in_process': {}}}})\ndef naps():\n    nap()\n"
        "naps.execute(run_id='long')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    store = DirectoryRunStore(home / "home")
    with subprocess.Popen([sys.executable, "nap.py"], cwd=home, env=environment) as driver:
        deadline = time.monotonic() + 120
        while not store.list() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert invoke("wait", "long", "--timeout", "0") == (
            1,
            "",
            "Error: run long is not over after 0 s.\n",
        )
        assert invoke("delete", "long")[0] == 2
        waiting = subprocess.Popen(
            [sys.executable, "-m", "rayexec", "run", "wait", "long"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        out, _ = waiting.communicate(timeout=120)
    assert (waiting.returncode, out) == (1, "Run long failed (driver died).\n")
    assert "status      FAILURE (driver died)" in invoke("show", "long")[1]
    assert read("list")[0]["note"] == "driver died"


@pytest.mark.parametrize("command", ["list", "show", "events", "logs", "wait", "delete", "export"])
def test_each_command_has_help(command: str) -> None:
    code, out, _ = invoke(command, "--help")
    assert code == 0
    assert f"Example: rayexec run {command}" in " ".join(out.split())

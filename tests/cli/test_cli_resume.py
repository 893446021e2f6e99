"""``rayexec run resume``: a new run that continues another, by its id alone."""

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

import pytest
from cli_process import run

from rayexec.store import DirectoryRunStore

JOBS = """
import os, time
from pathlib import Path
from rayexec import DynamicOut, DynamicOutput, job, op

HERE = Path(__file__).parent

def note(key):
    with open(HERE / "ran", "a") as file:
        file.write(key + "\\n")

@op
def load() -> int:
    note("load")
    return 1

@op(out=DynamicOut())
def split(value: int):
    for index in range(3):
        yield DynamicOutput(index + value, str(index))

@op
def check(value: int) -> int:
    note(f"check {value}")
    if value == 2 and not (HERE / "mended").exists():
        raise ValueError("two")
    return value

@op
def wait(value: int) -> int:
    note("wait")
    while not (HERE / "mended").exists():
        time.sleep(0.01)
    return value

@job(config={"execution": {"config": {"in_process": {}}}})
def daily():
    split(load()).map(check)

@job(config={"execution": {"config": {"in_process": {"durable": True}}}})
def slow():
    wait(load())
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of jobs, and an empty store."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    return tmp_path


def ran(home: Path) -> list[str]:
    marks = home / "ran"
    steps = marks.read_text().split("\n")[:-1] if marks.exists() else []
    marks.unlink(missing_ok=True)
    return steps


def test_a_failed_run_is_resumed_by_its_id_from_anywhere(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    first = run("job", "execute", "-f", "jobs.py", "-j", "daily", cwd=home)
    assert first.code == 1
    hint = re.search(
        r"^To continue from there: rayexec run resume (\S+)$", first.stderr, re.MULTILINE
    )
    assert hint is not None
    assert ran(home) == ["load", "check 1", "check 2", "check 3"]
    (home / "mended").touch()
    second = run("run", "resume", hint[1][:8], "--json", cwd=elsewhere)
    assert (second.code, ran(home)) == (0, ["check 2"])
    outcome: dict[str, Any] = json.loads(second.stdout)
    assert outcome["status"] == "SUCCESS"
    assert f"4 steps need not run: run {hint[1]} has the outputs." in second.stderr
    again = run("run", "resume", outcome["run_id"], cwd=elsewhere)
    assert again.code == 2
    assert "ended as SUCCESS: only a run that failed or was canceled is resumed" in again.stderr
    some = run("run", "resume", outcome["run_id"], "-s", "check[0],check[2]", cwd=elsewhere)
    assert some.code == 0
    assert sorted(ran(home)) == ["check 1", "check 3", "load"], (
        "load yielded what they need, and nobody kept it"
    )
    wrong = run("run", "resume", outcome["run_id"], "-s", "check", "-s", "lod", cwd=elsewhere)
    assert wrong.code == 2
    assert "unknown steps: check, lod. For all steps of a mapped op write check[?]." in wrong.stderr


@pytest.mark.long("waits for processes for some seconds")
def test_where_the_job_is_now_has_to_be_said_where_it_moved(home: Path) -> None:
    first = run("job", "execute", "-f", "jobs.py", "-j", "daily", cwd=home)
    [run_id] = [each.run_id for each in DirectoryRunStore(home / "home").list()]
    assert first.code == 1
    (home / "jobs.py").rename(home / "moved.py")
    lost = run("run", "resume", run_id, cwd=home)
    assert lost.code == 2
    assert re.search(
        r"the file of run \S+, .*/jobs.py, is not there any more: say where the job is now",
        lost.stderr,
    )
    (home / "mended").touch()
    assert run("run", "resume", run_id, "-f", "moved.py", cwd=home).code == 0
    assert run("run", "resume", "none", cwd=home).code == 2


def test_a_durable_run_whose_driver_was_killed_is_resumed(home: Path) -> None:
    arguments = [sys.executable, "-m", "rayexec", "job", "execute", "-f", "jobs.py", "-j", "slow"]
    with subprocess.Popen(arguments, cwd=home, stderr=subprocess.DEVNULL) as driver:
        deadline = time.monotonic() + 180
        while "wait" not in ((home / "ran").read_text() if (home / "ran").exists() else ""):
            assert time.monotonic() < deadline, "the run makes no headway"
            time.sleep(0.02)
        [run_id] = [each.run_id for each in DirectoryRunStore(home / "home").list()]
        early = run("run", "resume", run_id, cwd=home)
        assert early.code == 2
        assert f"still runs (by pid {driver.pid} on {os.uname().nodename})" in early.stderr
        driver.send_signal(signal.SIGKILL)
    assert ran(home) == ["load", "wait"]
    (home / "mended").touch()
    assert run("run", "resume", run_id, cwd=home).code == 0
    assert ran(home) == ["wait"]

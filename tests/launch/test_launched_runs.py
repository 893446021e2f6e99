"""Launch of runs from Python: real driver processes on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rayexec
from rayexec.errors import EngineError, LoadError
from rayexec.events import RunStatus
from rayexec.launch import LaunchedRun, find_launched, launch_job
from rayexec.launch.notes import LaunchNote, launch_notes

TIMEOUT_S = 180.0
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
JOB = """
import pathlib, time
from rayexec import Config, job, op

class Words(Config):
    text: str = "printed"

@op
def waits(config: Words):
    print(config.text)
    pathlib.Path("waiting").touch()
    deadline = time.monotonic() + 300
    while not pathlib.Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

@op
def breaks():
    raise ValueError("broken")

@job
def patient():
    waits()

@job
def broken():
    breaks()
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a job; drivers that a test leaves behind end with it."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.py").write_text(JOB)
    yield tmp_path
    for note in launch_notes():
        if note.driver is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(note.driver.pid, signal.SIGKILL)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_goes_on_in_a_process_of_its_own(directory: Path) -> None:
    lines: list[str] = []
    config = {**IN_PROCESS, "ops": {"waits": {"config": {"text": "hello"}}}}
    run = launch_job("jobs.py", config, job="patient", run_id="mine", say=lines.append)
    assert isinstance(run, LaunchedRun)
    assert run.run_id == "mine"
    assert run.status == "STARTED"
    until((directory / "waiting").exists)
    assert run.status == "STARTED"
    with pytest.raises(TimeoutError, match=r"run mine is not over after 0\.1 s"):
        run.wait(timeout=0.1)
    (directory / "go").touch()
    assert run.wait(TIMEOUT_S) is RunStatus.SUCCESS
    assert run.status == "SUCCESS"
    assert "hello" in "".join(run.logs(follow=True))
    assert run.driver.wait().exit_code == 0
    assert lines == [f"Log of the run's driver: {run.note.log}"]
    assert (directory / "home/runs/mine/run.json").exists()


def test_a_run_is_canceled_before_and_after_it_begins(directory: Path) -> None:
    started = launch_job("jobs.py", IN_PROCESS, job="patient")
    until((directory / "waiting").exists)
    started.cancel()
    assert started.wait(TIMEOUT_S) is RunStatus.CANCELED

    (directory / "slow.py").write_text(
        "import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(600)\n"
    )
    loading = launch_job("slow.py")
    until((directory / "loading").exists)
    loading.cancel()
    assert loading.wait(TIMEOUT_S) is RunStatus.CANCELED


def test_a_run_fails_by_its_job_or_by_its_driver(directory: Path) -> None:
    broken = launch_job("jobs.py", IN_PROCESS, job="broken", store="elsewhere")
    missing = launch_job("jobs.py", job="nothing")
    assert broken.wait(TIMEOUT_S) is RunStatus.FAILURE
    assert broken.driver.wait().exit_code == 1
    assert (directory / "elsewhere/runs" / broken.run_id).is_dir()
    assert missing.wait(TIMEOUT_S) is RunStatus.FAILURE
    assert missing.driver.wait().exit_code == 2
    assert "has no job 'nothing'" in "".join(missing.logs())


def test_another_process_finds_the_run(directory: Path) -> None:
    (directory / "launch.py").write_text(
        "import rayexec\n"
        "config = {'execution': {'config': {'in_process': {}}}}\n"
        "print(rayexec.launch_job('jobs.py', config, job='patient').run_id)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "launch.py"], capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    run = find_launched(ended.stdout.strip())
    assert run is not None
    until((directory / "waiting").exists)
    assert run.status is RunStatus.STARTED
    (directory / "go").touch()
    assert run.wait(TIMEOUT_S) is RunStatus.SUCCESS
    assert run.driver.wait().exit_code == 0
    assert find_launched("unknown") is None


def test_mistakes_are_told_before_a_process_starts(directory: Path) -> None:
    mistakes: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "a job is in a file"),
        ({"file": "jobs.txt"}, "is not a Python file"),
        ({"file": "jobs.py", "run_id": "a/b"}, "use letters, digits"),
        ({"file": "jobs.py", "config_files": ["none.yaml"]}, "no config file none.yaml"),
        ({"file": "jobs.py", "run_config": {"ops": object()}}, "more than plain values"),
    )
    for arguments, message in mistakes:
        with pytest.raises(LoadError, match=message):
            launch_job(**arguments)
    assert launch_notes() == []
    run = launch_job("jobs.py", IN_PROCESS, job="broken", run_id="mine")
    with pytest.raises(LoadError, match="a run mine was launched before"):
        launch_job("jobs.py", {}, run_id="mine")
    run.wait(TIMEOUT_S)
    with pytest.raises(EngineError, match="no Ray answers"):
        launch_job("jobs.py", address="http://127.0.0.1:9", working_dir=directory)


def test_the_door_is_public() -> None:
    assert rayexec.launch_job is launch_job
    assert rayexec.LaunchedRun is LaunchedRun


def test_a_run_is_recorded_once_its_record_is_there(tmp_path: Path) -> None:
    runs = tmp_path / "home/runs"
    note = LaunchNote("run", time.time(), {"file": "jobs.py"}, str(runs.parent))
    (runs / "run/events").mkdir(parents=True)
    assert note.recorded() is None
    (runs / "run/run.json").write_text("damaged")
    assert note.recorded() is not None

"""``rayexec run cancel``, and SIGTERM to a script: runs that another process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from leftovers import Leftovers
from typer.testing import CliRunner

from rayexec import RunNotFoundError, cancel_run, job, op
from rayexec.cli.main import app
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, RunRecord

_TIMEOUT_S = 180.0

SCRIPT = """
import pathlib, sys, threading, time
from rayexec import job, op

@op
def first():
    return 5

def spin():
    while True:
        pass

@op
def nap(given):
    pathlib.Path("asleep").touch()
    try:
        {nap}
    finally:
        pathlib.Path("closed").touch()

@op
def never(given):
    pathlib.Path("never").touch()

@job(config={{"execution": {{"config": {{"{engine}": {{}}}}}}}})
def naps():
    never(nap(first()))

def main():
    try:
        result = naps.execute(run_id="r")
    finally:
        pathlib.Path("left").touch()
    print(result.status, result.output_for_node("first"))

if {in_thread}:
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
else:
    main()
"""
SLEEP = "time.sleep(600)"
BUSY = "spin()"
CLING = "\n        ".join(
    [
        "while True:",
        "    try:",
        "        time.sleep(600)",
        "    except KeyboardInterrupt:",
        "        pass",
    ]
)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for a script and its files; the run store is below it."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(
    directory: Path, nap: str = SLEEP, *, in_thread: bool = False, engine: str = "in_process"
) -> subprocess.Popen[str]:
    """Start a script, and return once its step naps."""
    (directory / "naps.py").write_text(SCRIPT.format(nap=nap, in_thread=in_thread, engine=engine))
    driver = subprocess.Popen(
        [sys.executable, "naps.py"], cwd=directory, stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + _TIMEOUT_S
    while not (directory / "asleep").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    return driver


def cancel(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["run", "cancel", *arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(("nap", "in_thread"), [(SLEEP, False), (BUSY, False), (BUSY, True)])
def test_a_run_of_a_script_is_canceled_and_the_script_continues(
    directory: Path, nap: str, in_thread: bool
) -> None:
    with started(directory, nap, in_thread=in_thread) as driver:
        code, out, err = cancel("r", "--timeout", "180")
        assert (code, err) == (0, "")
        assert out.startswith("Run r was canceled in ")
        said, _ = driver.communicate(timeout=_TIMEOUT_S)
    assert (driver.returncode, said) == (0, "CANCELED 5\n")
    assert (directory / "closed").exists()
    assert not (directory / "never").exists()
    events = (
        CliRunner().invoke(app, ["run", "events", "r", "--type", "RUN_CANCELING", "--json"]).stdout
    )
    [event] = map(json.loads, events.splitlines())
    assert event["data"]["via"] == "rayexec run cancel"
    assert f"(pid {os.getpid()})" in event["message"]
    assert cancel("r")[:2] == (0, f"{out[:-2]}, before this.\n")
    assert cancel_run("r") == "CANCELED"


def test_a_step_that_ignores_interrupts_in_the_driver_is_reported(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayexec.cli.commands.run_cancel._REACTION_TIME_S", 1.0)
    with started(directory, CLING) as driver:
        code, out, err = cancel("r", "--force", "--timeout", "2")
        assert (code, out) == (1, "")
        assert f"kill -9 {driver.pid}" in err
        assert err.endswith("Error: not over after 2 s: r.\n")
        driver.kill()
        driver.communicate()
    code, out, _ = cancel("r")
    assert (code, out) == (1, "Run r failed (driver died); nothing of it is left to cancel.\n")
    assert cancel_run("r") == "FAILURE"
    assert not (directory / "home/runs/r/never").exists()


def test_without_waiting_it_is_only_asked(directory: Path) -> None:
    with started(directory) as driver:
        assert cancel("r", "--no-wait") == (0, "Run r was asked to end.\n", "")
        assert driver.communicate(timeout=_TIMEOUT_S)[0] == "CANCELED 5\n"


@pytest.mark.parametrize(
    "engine",
    ["in_process", pytest.param("ray", marks=pytest.mark.long("starts a Ray of its own"))],
)
def test_sigterm_cancels_the_run_of_a_script_and_ends_it(
    directory: Path, engine: str, nothing_left: Leftovers
) -> None:
    with started(directory, engine=engine) as driver:
        nothing_left.drivers.add(driver.pid)
        driver.send_signal(signal.SIGTERM)
        driver.communicate(timeout=_TIMEOUT_S)
    record = DirectoryRunStore(directory / "home").open("r").record()
    assert (driver.returncode, record.status) == (128 + signal.SIGTERM, "CANCELED")
    assert (directory / "closed").exists()
    assert (directory / "left").exists()


def test_a_script_that_handles_sigterm_itself_is_left_alone(directory: Path) -> None:
    (directory / "handled.py").write_text(
        "import os, signal\n"
        "from rayexec import execute_job, job, op\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\n"
        "@op\ndef one():\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "@job(config={'execution': {'config': {'in_process': {}}}})\ndef small():\n    one()\n"
        "print(execute_job(small).status)\n"
    )
    done = subprocess.run(
        [sys.executable, "handled.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    assert (done.returncode, done.stdout) == (0, "heard\nSUCCESS\n")


@op
def one() -> int:
    return 1


@job(config={"execution": {"config": {"in_process": {}}}})
def small() -> None:
    one()


def test_runs_that_are_over_or_missing_are_reported(directory: Path) -> None:
    small.execute(run_id="over")
    code, out, err = cancel("over")
    assert (code, err) == (1, "")
    assert out.startswith("Run over succeeded in ")
    assert out.endswith("; it was over before this.\n")
    assert cancel_run("ov") == "SUCCESS"
    assert not (directory / "home/runs/over/cancel.json").exists()
    code, out, err = cancel("over", "oven")
    assert (code, out) == (2, "")
    assert err.endswith("has no run 'oven'. Did you mean 'over'?\n")
    with pytest.raises(RunNotFoundError):
        cancel_run("nope")


def test_a_run_of_another_host_is_asked_by_the_store(directory: Path, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "shared")
    writer = store.create(RunRecord("far", "j", driver=ProcessIdentity("elsewhere", 12, "boot:1")))
    code, out, err = cancel("fa", "--timeout", "0", "--json", "--store", str(tmp_path / "shared"))
    assert (code, err) == (1, "Error: not over after 0 s: far.\n")
    [row] = json.loads(out)["runs"]
    assert (row["run_id"], row["status"], row["was_over"]) == ("far", "STARTED", False)
    request: Any = writer.asked()
    assert (request.via, request.force) == ("rayexec run cancel", False)
    assert cancel_run("far", force=True, store=tmp_path / "shared") == "STARTED"
    assert writer.asked() is not None
    forced: Any = writer.asked()
    assert (forced.via, forced.force) == ("rayexec.cancel_run", True)
    writer.close()

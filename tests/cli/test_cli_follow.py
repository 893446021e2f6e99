"""Long steps seen while they run, on a terminal, through pipes, and from another process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_process import run_on_terminal, screen
from typer.testing import CliRunner

from rayexec import EventType, job, op
from rayexec.cli.main import app
from rayexec.events import (
    SUCCESS,
    Attempt,
    Event,
    LiveLines,
    LogLine,
    RunStatus,
    StreamPart,
    Successes,
)
from rayexec.plan import compile_job
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.writing import LogWriter

TIMEOUT_S = 180.0

JOBS = """
import os, time
from rayexec import job, op

@op
def talk(context):
    context.log.warning("logged")
    print("printed")
    os.write(2, b"odd \\xff\\n")
    print("half a ", end="")
    end = time.monotonic() + 240
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.02)
    print("line")
    context.log.warning("logged later")

@job
def talking():
    talk()
"""


@op
def load() -> int:
    return 1


@op
def save(value: int) -> None: ...


@job
def daily() -> None:
    save(load())


class Run:
    """A run that a test writes into a store, as its driver would."""

    def __init__(self, home: Path, driver: ProcessIdentity | None = None) -> None:
        self._record = RunRecord(
            "r", "daily", start_time=1.0, driver=driver or ProcessIdentity.here()
        )
        self._writer = DirectoryRunStore(home).create(self._record)
        self._log = LogWriter(compile_job(daily), self._writer)

    def write(self, *records: Any) -> None:
        for record in records:
            self._log.add(record)
        self._log.write()

    def end(self) -> None:
        self._writer.update(replace(self._record, status=RunStatus.SUCCESS, end_time=9.0))
        self._writer.close()


STARTED = Event(EventType.RUN_START, "It starts.", 1.0)
LIVE = LiveLines(0, 0, 7, 2.0, (LogLine(2.0, 20, "one"),), 0, StreamPart("a\n", 0, 2))
MORE = LiveLines(0, 0, 7, 2.5, (), 1, StreamPart("b\n", 2, 4))
ENDED = Attempt(0, 0, SUCCESS, 1.0, 3.0, logs=(LogLine(2.0, 20, "one"),), stdout="a\nb\nc\n", pid=7)
SAVED = Successes([1], [0], array("d", [4.0]), array("d", [5.0]), 7)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, which is the one that commands and runs use, and a file of jobs."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    return tmp_path


class Command:
    """A command in a process of its own, whose lines are read as they come."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        environment = {
            key: each for key, each in os.environ.items() if not key.startswith(("RAY_", "PYTHON"))
        }
        interruptible = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        main = "from rayexec.cli.main import main; main()"
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the rest
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{interruptible}\n{main}", *arguments],
            cwd=cwd,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ended(self) -> tuple[int, str, str]:
        """Return the exit code, and what came on standard output, beside the lines that were read,
        and error.
        """
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(TIMEOUT_S)
        self._errors.seek(0)
        return code, out, self._errors.read()

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdout, self._errors):
            assert stream is not None
            stream.close()


@pytest.fixture
def commands() -> Iterator[list[Command]]:
    """The commands that a test starts, which end with it."""
    started: list[Command] = []
    yield started
    for command in started:
        command.close()


def follow(commands: list[Command], home: Path, *arguments: str, run: str = "r") -> Command:
    commands.append(Command("run", *arguments, run, "--follow", cwd=home))
    return commands[-1]


def test_logs_are_followed_to_the_end_of_the_run(home: Path, commands: list[Command]) -> None:
    run = Run(home / "home")
    run.write(STARTED, LIVE)
    command = follow(commands, home, "logs")
    lines = [command.line(), command.line()]
    run.write(MORE)
    lines.append(command.line())
    run.write(ENDED)
    lines.append(command.line())
    run.end()
    assert command.ended() == (0, "", "")
    assert lines[0].endswith(" - daily - r - load - INFO - one")
    assert lines[1:] == ["load stdout: a", "load stdout: b", "load stdout: c"]
    code = CliRunner().invoke(app, ["run", "logs", "r"])
    assert code.stdout.splitlines() == lines


def test_events_are_followed_as_json_and_by_step_and_type(
    home: Path, commands: list[Command]
) -> None:
    run = Run(home / "home")
    run.write(STARTED)
    every = follow(commands, home, "events", "--json")
    only = follow(
        commands, home, "events", "--step", "save", "--type", "step_start", "--type", "step_success"
    )
    assert json.loads(every.line())["event_type"] == "RUN_START"
    run.write(LIVE)
    assert [json.loads(every.line())["event_type"] for _ in range(2)] == [
        "LOG_MESSAGE",
        "LOGS_CAPTURED",
    ]
    run.write(ENDED)
    kinds = ["STEP_START", "LOGS_CAPTURED", "STEP_SUCCESS"]
    rest = [json.loads(every.line()) for _ in kinds]
    assert [each["event_type"] for each in rest] == kinds
    assert rest[1]["data"]["stdout"] == "b\nc\n"
    run.write(SAVED)
    assert " - daily - r - save - STEP_START - " in only.line()
    assert " - STEP_SUCCESS - " in only.line()
    run.end()
    assert only.ended() == (0, "", "")
    assert every.ended()[0::2] == (0, "")


def test_a_run_that_is_over_is_printed_as_without_following(home: Path) -> None:
    run = Run(home / "home")
    run.write(STARTED, LIVE, ENDED, SAVED)
    run.end()
    for command in ("events", "logs"):
        plain, followed = (
            CliRunner().invoke(app, ["run", command, "r", *more]) for more in ((), ("--follow",))
        )
        assert (followed.exit_code, followed.stdout) == (0, plain.stdout)
    wrong = CliRunner().invoke(app, ["run", "logs", "r", "--follow", "--step", "lode"])
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "Error: run r has no step 'lode'. Did you mean 'load'?\n",
    )


def test_following_ends_with_the_driver(home: Path, commands: list[Command]) -> None:
    with subprocess.Popen(["sleep", "100"]) as driver:
        here = ProcessIdentity.here()
        run = Run(home / "home", ProcessIdentity(here.host, driver.pid))
        run.write(STARTED, LIVE)
        command = follow(commands, home, "logs")
        assert command.line().endswith("one")
        driver.kill()
        driver.wait()
    assert command.ended() == (0, "load stdout: a\n", "")


def test_ctrl_c_ends_following_quietly(home: Path, commands: list[Command]) -> None:
    Run(home / "home").write(STARTED)
    command = follow(commands, home, "events")
    assert "RUN_START" in command.line()
    command.process.send_signal(signal.SIGINT)
    code, _, errors = command.ended()
    assert (code, errors) == (130, "")


def test_following_ends_when_nobody_reads_any_more(home: Path, commands: list[Command]) -> None:
    Run(home / "home").write(STARTED)
    command = follow(commands, home, "events")
    assert "RUN_START" in command.line()
    assert command.process.stdout is not None
    command.process.stdout.close()
    assert command.process.wait(TIMEOUT_S) == 0


def said(lines: list[str]) -> list[str]:
    return [
        re.sub(r"^.* - talk - WARNING - ", "log: ", each)
        for each in lines
        if "talk |" in each or "WARNING" in each
    ]


@pytest.mark.long("a step of some seconds on Ray, and readers beside it")
def test_a_long_step_is_seen_through_pipes_and_from_another_process(
    home: Path, commands: list[Command]
) -> None:
    driver = Command("job", "execute", "-f", "jobs.py", "-j", "talking", cwd=home)
    commands.append(driver)
    assert driver.line() == "talk | printed"
    [run] = [each.run_id for each in DirectoryRunStore(home / "home").list()]
    deadline = time.monotonic() + TIMEOUT_S
    while "printed" not in (out := CliRunner().invoke(app, ["run", "logs", run]).stdout):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert out.splitlines()[1:] == ["talk stdout: printed", "talk stderr: odd \\xff"]
    command = follow(commands, home, "logs", run=run)
    first = [command.line() for _ in range(3)]
    assert first == out.splitlines()
    (home / "go").touch()
    code, out, err = driver.ended()
    assert (code, out.splitlines()) == (0, ["talk | half a line"])
    assert said(err.splitlines()) == ["talk | odd \\xff", "log: logged", "log: logged later"]
    code, out, err = command.ended()
    assert (code, err) == (0, "")
    assert out.splitlines()[0].endswith("logged later")
    assert out.splitlines()[1:] == ["talk stdout: half a line"]


@pytest.mark.long("a step of some seconds on Ray, below a terminal")
def test_a_long_step_is_seen_above_the_live_view(home: Path) -> None:
    ended = run_on_terminal(
        "job", "execute", "-f", "jobs.py", "-j", "talking", cwd=home, until="talk: logged"
    )
    assert ended.code == 1
    lines = [re.sub(r"^[\d:]{8} ", "", each) for each in screen(ended.stdout.replace("^C", ""))]
    for expected in ("talk | printed", "talk | odd \\xff", "talk: logged", "talk | half a"):
        assert lines.count(expected) == 1
    assert ended.left_over == []

"""Hostile values: anything that ops raise, return, print and log is recorded, and read again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.long("reads hostile values from other processes")

FAILING = {
    "only_here": ("OnlyHere", "from here"),
    "other_arguments": ("OtherArguments", "1 and 2"),
    "mute": ("Mute", "<Mute whose message cannot be read: RuntimeError>"),
    "holds": ("Holds", "holds a lock"),
    "long_message": ("ValueError", "<mmm"),
    "long_traceback": ("ValueError", "at the end"),
    "deep": ("KeyError", "100"),
    "unpicklable": (
        "OutputStorageError",
        'output "result" of op "unpicklable" cannot be pickled',
    ),
    "surrogate_error": ("ValueError", "lone \ud800 surrogate"),
    "nul_error": ("ValueError", "a\0b"),
}
# characters of what is kept of a message or of a traceback, with the note of what was left out
_MOST = 300_000


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


def rayexec(*arguments: str, home: Path) -> Ended:
    """Run the command line in ``home``, which is also where runs are recorded."""
    done = subprocess.run(
        [sys.executable, "-m", "rayexec", *arguments],
        cwd=home,
        env={**os.environ, "RAYEXEC_HOME": str(home)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Recorded(NamedTuple):
    """A run that was recorded: how its process ended, its id, and where it is."""

    ended: Ended
    run_id: str
    home: Path

    def read(self, command: str, *arguments: str) -> Ended:
        return rayexec("run", command, self.run_id, *arguments, home=self.home)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    place = tmp_path_factory.mktemp("hostile")
    # Under a name of its own, in a directory that nobody else has on the path.
    shutil.copy(Path(__file__).with_name("hostile_jobs.py"), place / "hostile_file.py")
    ended = rayexec("job", "execute", "-f", "hostile_file.py", "--json", home=place)
    summary = json.loads(ended.stdout)
    return Recorded(ended, summary["run_id"], place)


def test_the_run_fails_by_the_steps_that_do_and_no_other(recorded: Recorded) -> None:
    assert recorded.ended.code == 1, recorded.ended.stderr[-3000:]
    shown = recorded.read("show", "--json")
    assert (shown.code, shown.stderr) == (0, "")
    report = json.loads(shown.stdout)
    assert report["status"] == "FAILURE"
    assert report["steps"] == {"succeeded": 3, "failed": len(FAILING), "skipped": 0, "not run": 0}


def test_failures_are_told_whatever_was_raised(recorded: Recorded) -> None:
    events = recorded.read("events", "--json", "--type", "STEP_FAILURE")
    assert (events.code, events.stderr) == (0, "")
    failures = {row["step_key"]: row for row in map(json.loads, events.stdout.splitlines())}
    assert failures.keys() == FAILING.keys()
    for key, (kind, message) in FAILING.items():
        error: dict[str, Any] = failures[key]["error"]
        while error["class"] != kind:
            error = error["cause"]
        assert message in error["message"]
        assert len(error["message"]) < _MOST
        assert len(error["stack"]) < _MOST
        assert len(failures[key]["message"]) < _MOST


def test_what_is_long_is_cut_in_its_middle_and_says_so(recorded: Recorded) -> None:
    shown = recorded.read("events", "--json", "--step", "long_message", "--type", "STEP_FAILURE")
    message = json.loads(shown.stdout)["message"]
    assert re.search(r"m\n… 9,7\d\d,\d\d\d characters left out …\nm", message)
    assert message.endswith("m>")
    # Nor is the terminal flooded.
    assert len(recorded.ended.stderr) < 20 * _MOST
    files = [path for path in (recorded.home / "runs").rglob("*") if path.is_file()]
    assert files
    assert sum(path.stat().st_size for path in files) < 2_000_000


def test_output_and_lines_that_no_encoding_takes_come_back(recorded: Recorded) -> None:
    captured = recorded.read("events", "--json", "--step", "prints", "--type", "LOGS_CAPTURED")
    data = json.loads(captured.stdout)["data"]
    assert data["stdout"] == "not utf-8: \\xff\\xfe, a nul: \0, the end\n"
    assert data["stderr"] == "lone \\ud800 surrogate\n"
    lines = recorded.read("events", "--json", "--step", "logs", "--type", "LOG_MESSAGE")
    said = [json.loads(line)["message"] for line in lines.stdout.splitlines()]
    assert said == ["lone \ud800 surrogate", "a\0b", "\x1b[31mred"]


@pytest.mark.parametrize("command", ["show", "logs", "events"])
def test_people_can_read_it_all(recorded: Recorded, command: str) -> None:
    ended = recorded.read(command)
    assert (ended.code, ended.stderr) == (0, "")
    if command == "logs":
        assert "not utf-8: \\xff\\xfe" in ended.stdout
    if command == "show":
        assert "ValueError: lone \\ud800 surrogate" in ended.stdout
    assert len(ended.stdout) < 20 * _MOST


@pytest.mark.parametrize("command", ["show", "logs", "events"])
def test_programs_can_read_it_all(recorded: Recorded, command: str) -> None:
    ended = recorded.read(command, "--json")
    assert (ended.code, ended.stderr) == (0, "")
    parts = [ended.stdout] if command == "show" else ended.stdout.splitlines()
    assert parts
    for part in parts:
        json.loads(part)

"""A user with a home of their own, who starts clusters by real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rayexec

ROOT = Path(rayexec.__file__).parents[1]
MY_JOB = ROOT / "docs/examples/my_job.py"
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Machine:
    """A user with a home of their own, so that nothing of who runs the tests is touched.

    ``temp`` is where Ray's sockets are, whose paths must be short.
    """

    home: Path
    temp: Path
    mark: str

    @property
    def state(self) -> Path:
        return self.home / "state" / "cluster.json"

    def environment(self, **changed: str) -> dict[str, str]:
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("RAY", "PYTHON"))
        }
        own = {
            "HOME": str(self.home),
            "RAYEXEC_HOME": str(self.state.parent),
            "PYTHONPATH": str(ROOT),
        }
        own["RAY_TMPDIR"] = str(self.temp)
        return {**inherited, **own, "RAYEXEC_TEST": self.mark, "NO_COLOR": "", **changed}

    def begin(self, *arguments: str, **changed: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rayexec", *arguments],
            cwd=self.home,
            env=self.environment(**changed),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **changed: str) -> tuple[int, str, str]:
        with self.begin(*arguments, **changed) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_S)
            finally:
                process.kill()
        assert "Traceback" not in stderr
        return process.returncode, stdout, stderr

    def ok(self, *arguments: str, **changed: str) -> Any:
        """Run a command that shall succeed, and return the JSON that it prints."""
        code, stdout, stderr = self.run(*arguments, "--json", **changed)
        assert code == 0, stderr
        return json.loads(stdout)

    def processes(self) -> dict[int, tuple[str, str]]:
        """Return what runs here: pid to start time and name, the sessions of marked processes
        included.
        """
        stats = process_stats()
        marked = {pid for pid in stats if f"RAYEXEC_TEST={self.mark}".encode() in _environ(pid)}
        sessions = {stats[pid][2] for pid in marked if stats[pid][2] != os.getsid(0)}
        return {
            pid: stat[:2] for pid, stat in stats.items() if pid in marked or stat[2] in sessions
        }

    def clean(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def process_stats() -> dict[int, tuple[str, str, int]]:
    """Return the start time, name and session of each process, by pid."""
    processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                front, _, rest = (entry / "stat").read_text(errors="replace").rpartition(")")
                fields = rest.split()
                if fields[0] not in "ZX":
                    processes[int(entry.name)] = fields[19], front.partition("(")[2], int(fields[3])
    return processes


def still_there(started_before: dict[int, tuple[str, str]]) -> list[str]:
    now = process_stats()
    return [
        name
        for pid, (started, name) in started_before.items()
        if pid in now and now[pid][0] == started
    ]


def pids_named(machine: Machine, name: str) -> list[int]:
    return [pid for pid, (_, each) in machine.processes().items() if each == name]


@contextlib.contextmanager
def machine_at(home: Path) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        machine = Machine(home, Path(temp), uuid.uuid4().hex)
        try:
            yield machine
        finally:
            machine.clean()


def await_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

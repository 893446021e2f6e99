"""Processes of ``rayexec dev`` and of what it started, found by the home of their runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dev_server import DevServer
from served_pages import Client

__all__ = [
    "PATIENCE_S",
    "SHORT_JOBS",
    "await_nothing_left",
    "client_of",
    "is_ready",
    "is_up",
    "launched_long",
    "processes_of",
    "shown_of",
    "until",
]

PATIENCE_S = 120.0
#: A file with a job that is over at once.
SHORT_JOBS = """
from rayexec import job, op

@op
def first():
    return 1

@job
def short():
    first()
"""


def until(ask: Callable[[], Any], is_right: Callable[[Any], bool] = bool) -> Any:
    """Ask again and again until the answer is right, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_right(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


def client_of(server: DevServer) -> Client:
    """Return a client with the token of a server."""
    return Client(server.base, server.url.partition("token=")[2])


def is_ready(client: Client) -> bool:
    """Whether the server of a client knows its jobs."""
    return bool(client.get("api/jobs")["state"] == "ready")


def is_up(client: Client) -> bool:
    """Whether the Ray of a server is up."""
    return bool(client.get("api/session")["cluster"]["state"] == "up")


def launched_long(client: Client) -> str:
    """Launch the job ``long`` on the Ray of a server; return its run once its step ``lasts``."""
    run_id = str(client.post("api/jobs/long/launch", {"yaml": ""})["run_id"])

    def lasts() -> bool:
        answer = client.request("GET", f"api/runs/{run_id}/now")
        running = answer.json["running"] if answer.status == 200 else []
        return any(step["key"] == "lasts" for step in running)

    until(lasts)
    return run_id


def shown_of(home: Path, run_id: str, command: str) -> str:
    """Return what ``rayexec run COMMAND`` prints of a run."""
    done = subprocess.run(
        [sys.executable, "-m", "rayexec", "run", command, run_id, "--store", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def processes_of(home: Path, words: str = "") -> dict[int, str]:
    """Return the living processes with this RAYEXEC_HOME and ``words`` in their command lines."""
    found = {}
    mark = f"RAYEXEC_HOME={home}\0".encode()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        process = Path("/proc", entry)
        with contextlib.suppress(OSError):
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if state != "Z" and mark in (process / "environ").read_bytes() and words in command:
                found[int(entry)] = " ".join(command.split())[:200]
    return found


def await_nothing_left(home: Path) -> None:
    """Wait until no process of a home is left; raises AssertionError, and ends those that are."""
    try:
        until(lambda: processes_of(home), lambda left: not left)
    except AssertionError:
        for pid in processes_of(home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise

"""Process table of this machine, and the end of a family of processes.

A pid with its start time identifies a process, since the kernel uses a pid again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "boot", "end", "family", "kill", "marked", "own_arguments", "table"]

_PROC = Path("/proc")
POLL_INTERVAL_S = 0.05  # nothing can wait for processes of other parents


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    ``started`` is in the form of the table: clock ticks since boot on Linux. ``session`` is the pid
    of the session's leader, or of the group's without /proc.
    """

    pid: int
    parent: int
    session: int
    started: str
    name: str


def boot() -> str:
    """Return the id of this boot of the machine, or an empty string if the system has none."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def table() -> dict[int, Process]:
    """Return the processes of this machine by pid, without zombies."""
    if (_PROC / "self/stat").exists():
        processes = (_from_proc(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    else:
        listing = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,pgid=,state=,lstart=,comm="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        processes = (_from_ps(line) for line in listing.splitlines())
    return {process.pid: process for process in processes if process is not None}


def _from_proc(pid: str) -> Process | None:
    try:
        text = (_PROC / pid / "stat").read_text(errors="replace")
    except OSError:  # it has just ended
        return None
    # The name is in parentheses, and may itself hold spaces and parentheses.
    front, _, rest = text.rpartition(")")
    fields = rest.split()
    if fields[0] in "ZX":
        return None
    return Process(int(pid), int(fields[1]), int(fields[3]), fields[19], front.partition("(")[2])


def _from_ps(line: str) -> Process | None:
    pid, parent, group, state, *rest = line.split(None, 9)
    if state.startswith("Z") or len(rest) < 6:
        return None
    return Process(int(pid), int(parent), int(group), " ".join(rest[:5]), os.path.basename(rest[5]))


def own_arguments(name: str) -> list[list[str]]:
    """Return the command lines of this user's processes of a name; only Linux tells."""
    commands = []
    for pid, process in table().items():
        directory = _PROC / str(pid)
        with contextlib.suppress(OSError):
            if process.name == name and directory.stat().st_uid == os.geteuid():
                text = (directory / "cmdline").read_bytes().decode(errors="replace")
                commands.append(text.split("\0"))
    return commands


def marked(mark: str, processes: Mapping[int, Process]) -> set[int]:
    """Return the pids of processes with ``mark`` (``NAME=value``) in their environment.

    Only Linux tells. A process that writes a title over its environment has lost its mark.
    """
    entry, pids = mark.encode(), set()
    for pid in processes:
        with contextlib.suppress(OSError):
            if entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                pids.add(pid)
    return pids


def family(
    roots: Collection[int], sessions: Collection[int], processes: Mapping[int, Process]
) -> set[int]:
    """Return ``roots``, the members of their ``sessions``, and the descendants of all these.

    A session counts only with a root in it: after its last process, another one may have its id.
    """
    ours = {processes[pid].session for pid in roots if pid in processes} & set(sessions)
    members = {
        process.pid
        for process in processes.values()
        if process.pid in roots or process.session in ours
    }
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    pending = list(members)
    while pending:
        new = [pid for pid in children.get(pending.pop(), ()) if pid not in members]
        members.update(new)
        pending += new
    return members - {os.getpid()}


def end(
    family: Callable[[], Mapping[int, Process]], *, first: str, grace_s: float
) -> list[Process]:
    """End the processes of ``family``, and return those that remain.

    ``family`` is called again and again, since children come and go. Processes named ``first`` get
    SIGTERM and are awaited before the others. After ``grace_s`` seconds, processes are killed.
    """
    seen: dict[int, Process] = {}

    def remaining() -> dict[int, Process]:
        # A process stays in sight after its parent has gone, as long as it is the same one.
        now = table()
        seen.update(family())
        return {
            pid: process
            for pid, process in seen.items()
            if pid in now and now[pid].started == process.started
        }

    def send(signal_number: int, pids: Collection[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)

    def all_end(chosen: Callable[[Process], bool], signal_number: int) -> bool:
        signaled: set[int] = set()
        until = time.monotonic() + grace_s
        while left := {pid for pid, process in remaining().items() if chosen(process)}:
            if time.monotonic() > until:
                return False
            send(signal_number, left - signaled)
            signaled |= left
            time.sleep(POLL_INTERVAL_S)
        return True

    all_end(lambda process: process.name == first, signal.SIGTERM)
    if not all_end(lambda _: True, signal.SIGTERM):
        all_end(lambda _: True, signal.SIGKILL)
    return list(remaining().values())


def kill(family: Callable[[], Mapping[int, Process]], *, patience_s: float) -> None:
    """Kill the processes of ``family``, again and again until it is empty, or the time is over."""
    until = time.monotonic() + patience_s
    while (left := family()) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_INTERVAL_S / 10)

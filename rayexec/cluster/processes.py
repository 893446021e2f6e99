"""The process table: who runs, whose child it is, and how to end exactly the right ones.

A process is known by its pid and the time it started, since a pid alone is given to another process
some day.
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

__all__ = ["Process", "boot", "end", "family", "marked", "table"]

_PROC = Path("/proc")
_POLL = 0.05  # seconds; these are not our children, so there is nothing to wait on


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    ``started`` is as the table gives it (clock ticks since boot on Linux); ``session`` is the pid
    of the session's leader (of the group's, where there is no /proc).
    """

    pid: int
    parent: int
    session: int
    started: str
    name: str


def boot() -> str:
    """Return what tells this boot of the machine from others, as far as the system has such a
    thing.
    """
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def table() -> dict[int, Process]:
    """Return the processes of this machine by pid, without those that have ended and only wait to
    be noticed.
    """
    if (_PROC / "self/stat").exists():
        found = (_from_proc(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    else:
        listing = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,pgid=,state=,lstart=,comm="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        found = (_from_ps(line) for line in listing.splitlines())
    return {each.pid: each for each in found if each is not None}


def _from_proc(pid: str) -> Process | None:
    try:
        text = (_PROC / pid / "stat").read_text(errors="replace")
    except OSError:  # it has just ended
        return None
    # The name stands in parentheses, and may itself hold spaces and parentheses.
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


def marked(mark: str, processes: Mapping[int, Process]) -> set[int]:
    """Return the pids among ``processes`` that were started with ``mark`` (``NAME=value``) in their
    environment.

    Only Linux tells, and not of a process that has written its title over its environment.
    """
    wanted, found = mark.encode(), set()
    for pid in processes:
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def family(
    roots: Collection[int], sessions: Collection[int], processes: Mapping[int, Process]
) -> set[int]:
    """Return ``roots``, all that live in those of ``sessions`` that a root lives in, and the
    descendants of all these.

    A session's number means nothing by itself: once the last of its processes is gone, it may be
    somebody else's.
    """
    ours = {processes[pid].session for pid in roots if pid in processes} & set(sessions)
    found = {each.pid for each in processes.values() if each.pid in roots or each.session in ours}
    children: dict[int, list[int]] = {}
    for each in processes.values():
        children.setdefault(each.parent, []).append(each.pid)
    left = list(found)
    while left:
        new = [pid for pid in children.get(left.pop(), ()) if pid not in found]
        found.update(new)
        left += new
    return found - {os.getpid()}


def end(family: Callable[[], Mapping[int, Process]], *, first: str, grace: float) -> list[Process]:
    """End what ``family`` returns, which is asked again and again since children come and go;
    return what remains.

    Those named ``first`` are asked to end (SIGTERM) and awaited before the others are; whoever has
    not gone ``grace`` seconds after it was asked is killed.
    """
    seen: dict[int, Process] = {}

    def remaining() -> dict[int, Process]:
        # What was seen once stays in sight when its parent is gone, as long as it is the same
        # process.
        now = table()
        seen.update(family())
        return {
            pid: each
            for pid, each in seen.items()
            if pid in now and now[pid].started == each.started
        }

    def ask(number: int, pids: Collection[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def gone(chosen: Callable[[Process], bool], number: int) -> bool:
        asked: set[int] = set()
        until = time.monotonic() + grace
        while left := {pid for pid, each in remaining().items() if chosen(each)}:
            if time.monotonic() > until:
                return False
            ask(number, left - asked)
            asked |= left
            time.sleep(_POLL)
        return True

    gone(lambda each: each.name == first, signal.SIGTERM)
    if not gone(lambda _: True, signal.SIGTERM):
        gone(lambda _: True, signal.SIGKILL)
    return list(remaining().values())

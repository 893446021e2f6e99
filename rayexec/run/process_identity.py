"""Identity of a process: its pid, with the time at which the kernel started it.

A pid alone names a later process as well, once the kernel gives it out again.
"""

from __future__ import annotations

import functools
import os
import socket
from dataclasses import dataclass

__all__ = ["ProcessIdentity", "has_ended", "start_of"]


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process by its host, its pid, and its start as ``start_of`` tells it."""

    host: str
    pid: int
    started: str | None = None

    @classmethod
    def here(cls) -> ProcessIdentity:
        """Return the identity of this process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """Return the identity of a process of this host."""
        return cls(socket.gethostname(), pid, start_of(pid))

    def is_gone(self) -> bool:
        """Whether the process has certainly ended; False for a process of another host."""
        return self.host == socket.gethostname() and has_ended(self.pid, self.started)


def start_of(pid: int) -> str | None:
    """Return the start of a process: the machine's boot, and the clock ticks since then.

    None where the system does not tell.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = file.read().rpartition(b")")[2].split()[19]
        return f"{_boot()}:{ticks.decode()}"
    except (OSError, IndexError):
        return None


@functools.cache
def _boot() -> str:
    """Return the name of the machine's boot, which no process outlives; raises OSError."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def has_ended(pid: int, started: str | None) -> bool:
    """Tell whether a process of this machine has certainly ended.

    ``started`` is an earlier answer of ``start_of``. A process with another start is a later one.
    A zombie has ended, though its pid still exists.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # the process belongs to another user
        return False
    now = start_of(pid)
    is_another = started is not None and now is not None and now != started
    return is_another or _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether a process has ended without anybody having asked for its status.

    Some containers keep these for ever, since the parent ended before.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return False

"""Identity of a process that outlives its pid, and the check whether the process still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

__all__ = ["ProcessIdentity"]


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process by its host, its pid and its start time.

    ``started`` is the boot and the start in clock ticks since, as the kernel counts them; it tells
    the process from a later one with the same pid. None where the system does not say.
    """

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
        return cls(socket.gethostname(), pid, _start_time(pid))

    def is_gone(self) -> bool:
        """Whether the process has certainly ended; False for a process of another host.

        A zombie has ended, and so has a process with a successor of the same pid.
        """
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # The process runs, and belongs to another user.
            return False
        now = _start_time(self.pid)
        is_another = self.started is not None and now is not None and now != self.started
        return is_another or _is_zombie(self.pid)


def _stat_fields(pid: int) -> list[bytes]:
    """Return the fields of ``/proc/PID/stat`` from the third on, the state; the second one, the
    name, may have spaces and parentheses of its own.
    """
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def _start_time(pid: int) -> str | None:
    try:
        ticks = _stat_fields(pid)[19]
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()}:{ticks.decode()}"
    except (OSError, IndexError):
        return None


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and no parent has asked for its exit status, as in containers
    without an init process.
    """
    try:
        return _stat_fields(pid)[0] == b"Z"
    except (OSError, IndexError):
        return False

"""What a worker has done of a slice, on a file of its node that outlives it.

    journal  := record*
    record   := tag length payload          tag: 1 byte, length: 4 bytes, little-endian
    tag      := "S" the call at this position has started     payload: its position, 4 bytes
              | "F" a call is over                            payload: its entry, pickled

A worker that dies leaves it behind: finished calls count, and the one that had started is what it died of.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from typing import NamedTuple

from rayexec.engine.capture import read_capture

__all__ = ["Journal", "Left", "journal_path", "read_journal", "sweep_journals"]

_RECORD = struct.Struct("<cI")
_START = struct.Struct("<cII")


_PREFIX = "rayexec-slice-"


def _directory() -> str:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


def journal_path(run_id: str, slice_id: int) -> str:
    """Return where a slice keeps its journal on the node that runs it: in memory, where the node has such a place.

    The name tells the driver's process, by which ``sweep_journals`` knows what nobody will read any more.
    """
    return os.path.join(_directory(), f"{_PREFIX}{os.getpid()}-{run_id}-{slice_id}")


def sweep_journals() -> None:
    """Remove what runs left on this machine whose drivers were killed."""
    directory = _directory()
    for name in os.listdir(directory):
        if name.startswith(_PREFIX):
            driver = name[len(_PREFIX) :].partition("-")[0]
            if driver.isdigit() and not _is_alive(int(driver)):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(directory, name))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


class Journal:
    """Writes one slice's journal; ``close`` removes it, since a slice that answers needs none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self._pending = b""

    def finished(self, entry: bytes) -> None:
        """Note that a call is over; it is written together with the next start, or by ``flush``."""
        self._pending = _RECORD.pack(b"F", len(entry)) + entry

    def started(self, position: int) -> None:
        """Note that a call starts now."""
        os.write(self._file, self._pending + _START.pack(b"S", 4, position))
        self._pending = b""

    def flush(self) -> None:
        """Write what is noted."""
        if self._pending:
            os.write(self._file, self._pending)
            self._pending = b""

    def close(self) -> None:
        """Remove the journal."""
        os.close(self._file)
        with contextlib.suppress(OSError):
            os.unlink(self._path)


class Left(NamedTuple):
    """What a dead worker left: the entries of finished calls, the position of the one that ran, what that printed."""

    entries: list[bytes]
    started: int | None
    stdout: str
    stderr: str


def read_journal(path: str) -> Left | None:
    """Return what is left of a slice, and remove its files; None where there is no journal.

    A record cut short by the death of its writer is left out.
    """
    stdout, stderr = read_capture(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
    except OSError:
        return None
    entries: list[bytes] = []
    started: int | None = None
    place = 0
    while place + _RECORD.size <= len(data):
        tag, length = _RECORD.unpack_from(data, place)
        payload = data[place + _RECORD.size : place + _RECORD.size + length]
        if len(payload) < length:
            break
        if tag == b"S":
            started = int.from_bytes(payload, "little")
        else:
            entries.append(payload)
            started = None
        place += _RECORD.size + length
    return Left(entries, started, stdout, stderr)

"""What a worker has done of a batch, on a file of its node that outlives it.

    journal  := running record* zero*       running: one more than the position of the call that started last, 4 bytes;
                                            0 once that has an "F", what it was once it has a "P"
    record   := tag length payload          tag: 1 byte, length: 4 bytes, little-endian
    tag      := "P" a call is over, a plain success           payload: position, start, end, then its output
              | "F" a call is over                            payload: its entry, pickled
              | "W" who runs the batch, and since when         payload: a Told, pickled

A worker that dies leaves it behind: finished calls count, and the one that had started is what it
died of. The file is mapped into memory, so a record costs a copy and no system call, and is there
even after a SIGKILL.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import mmap
import os
import pickle
import struct
import tempfile
import threading
import time
from collections import deque
from types import TracebackType
from typing import NamedTuple

from rayexec.engine.process_facts import Told
from rayexec.engine.ray.protocol.answer import PlainEntry
from rayexec.engine.ray.protocol.capture import read_capture
from rayexec.engine.ray.protocol.crash import read_exit
from rayexec.engine.ray.protocol.watchdog import read_hung

__all__ = ["Journal", "Left", "journal_path", "read_journal", "remove_journal", "sweep_journals"]

_RECORD = struct.Struct("<cI")
_RUNNING = struct.Struct("<I")
_PLAIN = struct.Struct("<cIIdd")
_PLAIN_HEAD = _PLAIN.size - _RECORD.size  # bytes of a plain record's payload before the output
_LEAST = {b"P": _PLAIN_HEAD, b"F": 1, b"W": 1}  # bytes of a payload that is whole
_ROOM = 16 * 1024  # bytes to begin with
_LINGER = 3.0  # seconds in which the answer of a batch must have come to its driver

_PREFIX = "rayexec-batch-"


def _directory() -> str:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


def journal_path(run_id: str, batch_id: int) -> str:
    """Return where a batch keeps its journal on the node that runs it: in memory, where the node
    has such a place.

    The name tells the driver's process, by which ``sweep_journals`` knows what nobody will read any
    more.
    """
    return os.path.join(_directory(), f"{_PREFIX}{os.getpid()}-{run_id}-{batch_id}")


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


class _Outlived:
    """Removes the journals of batches that are over, in a thread of its own, some seconds after
    they came to their end.

    Until the driver has the answer of a batch, its worker may still die; then the journal is all
    that is left. A driver on the same machine removes it as soon as it has the answer, one on
    another cannot.
    """

    def __init__(self) -> None:
        self._due: deque[tuple[float, str]] = deque()
        self._some = threading.Event()
        self._pid = 0

    def add(self, path: str) -> None:
        """Have a journal removed soon."""
        self._due.append((time.monotonic(), path))
        self._some.set()
        if self._pid != os.getpid():  # a child that was forked has no such thread
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="rayexec-journals", daemon=True).start()
            atexit.register(self._remove, math.inf)

    def _run(self) -> None:
        while self._some.wait():
            self._some.clear()
            while self._due:
                time.sleep(_LINGER)
                self._remove(time.monotonic() - _LINGER)

    def _remove(self, before: float) -> None:
        while self._due and self._due[0][0] <= before:
            remove_journal(self._due.popleft()[1])


_OUTLIVED = _Outlived()


def remove_journal(path: str) -> None:
    """Remove the journal of a batch that has answered, where it is on this machine."""
    with contextlib.suppress(OSError):
        os.unlink(path)


class Journal:
    """Writes one batch's journal, a context manager around it; the journal stays until the batch's
    answer has come.

    Where the node has no room for it, nothing more is noted: steps that are over then run again if
    the worker dies.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._end = _RUNNING.size
        self._room = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._grow(_ROOM)

    def _grow(self, room: int) -> None:
        try:
            # Zeros are written, not only asked for: where memory is short that is an error now, not
            # a SIGBUS later.
            written = os.pwrite(self._file, bytes(room - self._room), self._room)
            if written < room - self._room:
                raise OSError("no room")
            self._map = mmap.mmap(self._file, room)
            self._room = room
        except OSError:
            self._map = None

    def started(self, position: int) -> None:
        """Note that a call starts now."""
        if self._map is not None:
            _RUNNING.pack_into(self._map, 0, position + 1)

    def begun(self, told: Told) -> None:
        """Note who runs the batch."""
        self._note(b"W", pickle.dumps(tuple(told), protocol=5))

    def finished(self, entry: bytes) -> None:
        """Note that a call is over."""
        self._note(b"F", entry)
        if self._map is not None:
            _RUNNING.pack_into(self._map, 0, 0)

    def _note(self, tag: bytes, entry: bytes) -> None:
        body = self._end + _RECORD.size
        end = body + len(entry)
        if end > self._room and self._map is not None:
            self._grow(2 * end)
        if self._map is not None:
            self._map[body:end] = entry
            _RECORD.pack_into(self._map, self._end, tag, len(entry))
            self._end = end

    def succeeded(self, position: int, started: float, ended: float, output: bytes) -> None:
        """Note that a call is over, of which there is nothing to say but its output."""
        body = self._end + _PLAIN.size
        end = body + len(output)
        if end > self._room and self._map is not None:
            self._grow(2 * end)
        if self._map is not None:
            self._map[body:end] = output
            _PLAIN.pack_into(
                self._map, self._end, b"P", _PLAIN_HEAD + len(output), position, started, ended
            )
            self._end = end

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if kind is None:
            _OUTLIVED.add(self._path)

    def close(self) -> None:
        """Note nothing more."""
        if self._map is not None:
            self._map.close()
        os.close(self._file)


class Left(NamedTuple):
    """What a dead worker left: the entries of finished calls, the position of the one that ran,
    what that printed.

    ``hung`` is where it was when its backstop ended it, empty where it died of something else;
    ``exited`` the note that it left where it ended itself. ``told`` is who it was, as far as it
    came to say so.
    """

    entries: list[bytes | PlainEntry]
    started: int | None
    stdout: str
    stderr: str
    hung: str = ""
    exited: str = ""
    told: Told | None = None


def read_journal(path: str) -> Left | None:
    """Return what is left of a batch, and remove its files; None where there is no journal.

    A record cut short by the death of its writer is left out.
    """
    stdout, stderr = read_capture(path)
    hung, exited = read_hung(path), read_exit(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
    except OSError:
        return None
    entries: list[bytes | PlainEntry] = []
    told: Told | None = None
    last = -1
    running = _RUNNING.unpack_from(data)[0] if len(data) >= _RUNNING.size else 0
    place = _RUNNING.size
    while place + _RECORD.size <= len(data):
        tag, length = _RECORD.unpack_from(data, place)
        body = place + _RECORD.size
        payload = data[body : body + length]
        if len(payload) < max(length, _LEAST.get(tag, len(data))):
            break
        if tag == b"P":
            entries.append(_plain(data, place, payload))
            (last,) = _RUNNING.unpack_from(payload)
        elif tag == b"W":
            told = Told(*pickle.loads(payload))
        else:
            entries.append(payload)
        place = body + length
    return Left(
        entries, running - 1 if running > last + 1 else None, stdout, stderr, hung, exited, told
    )


def _plain(data: bytes, place: int, payload: bytes) -> PlainEntry:
    _, _, position, began, ended = _PLAIN.unpack_from(data, place)
    return PlainEntry(position, began, ended, payload[_PLAIN_HEAD:])

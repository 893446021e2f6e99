"""Journal of a batch: notes finished calls in a file of the node that outlives the worker.

The finished calls of a dead worker count, and the call that had started is the culprit. The file is
mapped into memory: a record costs a copy and no system call, and survives even a SIGKILL.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import mmap
import os
import pickle
import threading
import time
from collections import deque
from types import TracebackType

from rayexec.engine.ray.protocol.batch_files import new_file
from rayexec.engine.ray.protocol.journal_format import (
    HEAD,
    PLAIN,
    PLAIN_HEAD_BYTES,
    PRINTED,
    RECORD,
    RUNNING,
    Sealer,
    journal_key,
)
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts

__all__ = ["Journal"]

_FIRST_SIZE_BYTES = 16 * 1024
_MOST_ROOM_BYTES = 256 * 1024  # beyond what is noted: all workers share the node's memory
_LINGER_S = 3.0  # an answer reaches its driver in this time


class _AnsweredBatches:
    """Removes the journals of batches that have answered, some seconds later, in a thread.

    A worker may still die before the driver has the answer, and only the journal is left then. A
    driver on the same machine removes it with the answer; another one cannot.
    """

    def __init__(self) -> None:
        self._due: deque[tuple[float, str]] = deque()
        self._some = threading.Event()
        self._pid = 0

    def add(self, path: str) -> None:
        """Remove a journal soon."""
        self._due.append((time.monotonic(), path))
        self._some.set()
        if self._pid != os.getpid():  # a forked child has no such thread
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="rayexec-journals", daemon=True).start()
            atexit.register(self._remove, math.inf)

    def _run(self) -> None:
        while self._some.wait():
            self._some.clear()
            while self._due:
                time.sleep(_LINGER_S)
                self._remove(time.monotonic() - _LINGER_S)

    def _remove(self, before: float) -> None:
        while self._due and self._due[0][0] <= before:
            with contextlib.suppress(OSError):  # the driver was first
                os.unlink(self._due.popleft()[1])


_ANSWERED = _AnsweredBatches()


class Journal:
    """Writes the journal of one batch; a context manager around it.

    ``key`` is the run's, for the seals of the records. Where the node has no room, the journal ends
    early: later calls run again if the worker dies.
    """

    def __init__(self, path: str, key: bytes) -> None:
        self._path = path
        self._seal = Sealer(journal_key(key, os.path.basename(path))).seal
        self._map: mmap.mmap | None = None
        self._end = HEAD.size
        self._size = 0
        self._file = new_file(path, os.O_RDWR)
        self._grow(_FIRST_SIZE_BYTES)

    def _grow(self, size: int) -> None:
        try:
            # Writing zeros, where truncating would do, turns a lack of memory into an error now
            # instead of a SIGBUS later.
            written = os.pwrite(self._file, bytes(size - self._size), self._size)
            if written < size - self._size:
                raise OSError("no room")
            self._map = mmap.mmap(self._file, size)
            self._size = size
        except OSError:
            self._map = None

    def started(self, position: int) -> None:
        """Note the start of a call."""
        if self._map is not None:
            RUNNING.pack_into(self._map, 0, position + 1)

    def printed(self, stdout: int, stderr: int) -> None:
        """Note where the next call's prints begin in the captured files."""
        if self._map is not None:
            PRINTED.pack_into(self._map, RUNNING.size, stdout, stderr)

    def begun(self, worker: WorkerFacts) -> None:
        """Note the worker of the batch."""
        self._note(b"W", pickle.dumps(worker, protocol=5))

    def finished(self, entry: bytes) -> None:
        """Note the end of a call."""
        self._note(b"F", entry)
        if self._map is not None:
            RUNNING.pack_into(self._map, 0, 0)

    def _note(self, tag: bytes, payload: bytes) -> None:
        self._append(self._seal(RECORD.pack(tag, len(payload)) + payload))

    def _append(self, sealed: bytes) -> None:
        end = self._end + len(sealed)
        if end > self._size and self._map is not None:
            self._grow(end + min(end, _MOST_ROOM_BYTES))
        if self._map is not None:
            self._map[self._end : end] = sealed
            self._end = end

    def succeeded(self, position: int, started: float, ended: float, output: bytes) -> None:
        """Note a plain success."""
        size = PLAIN_HEAD_BYTES + len(output)
        head = PLAIN.pack(b"P", size, position, started, ended)
        self._append(self._seal(head + output))

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
            _ANSWERED.add(self._path)

    def close(self) -> None:
        """End the journal; the file stays."""
        if self._map is not None:
            self._map.close()
            self._map = None
        os.close(self._file)

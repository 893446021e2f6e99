"""Journal of a batch: notes finished calls in a file of the node that outlives the worker.

The finished calls of a dead worker count, and the call that had started is the culprit. The file is
mapped into memory: a record costs a copy and no system call, and survives even a SIGKILL.
"""

from __future__ import annotations

import atexit
import math
import mmap
import os
import pickle
import threading
import time
from collections import deque
from types import TracebackType

from rayexec.engine.ray.protocol.batch_files import remove_journal
from rayexec.engine.ray.protocol.journal_format import PLAIN, PLAIN_HEAD_BYTES, RECORD, RUNNING
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts

__all__ = ["Journal"]

_FIRST_SIZE_BYTES = 16 * 1024
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
            remove_journal(self._due.popleft()[1])


_ANSWERED = _AnsweredBatches()


class Journal:
    """Writes the journal of one batch; a context manager around it.

    Where the node has no room, the journal ends early: later calls run again if the worker dies.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._end = RUNNING.size
        self._size = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
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

    def begun(self, worker: WorkerFacts) -> None:
        """Note the worker of the batch."""
        self._note(b"W", pickle.dumps(worker, protocol=5))

    def finished(self, entry: bytes) -> None:
        """Note the end of a call."""
        self._note(b"F", entry)
        if self._map is not None:
            RUNNING.pack_into(self._map, 0, 0)

    def _note(self, tag: bytes, payload: bytes) -> None:
        body = self._end + RECORD.size
        end = body + len(payload)
        if end > self._size and self._map is not None:
            self._grow(2 * end)
        if self._map is not None:
            self._map[body:end] = payload
            RECORD.pack_into(self._map, self._end, tag, len(payload))
            self._end = end

    def succeeded(self, position: int, started: float, ended: float, output: bytes) -> None:
        """Note a plain success."""
        body = self._end + PLAIN.size
        end = body + len(output)
        if end > self._size and self._map is not None:
            self._grow(2 * end)
        if self._map is not None:
            self._map[body:end] = output
            PLAIN.pack_into(
                self._map, self._end, b"P", PLAIN_HEAD_BYTES + len(output), position, started, ended
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
            _ANSWERED.add(self._path)

    def close(self) -> None:
        """End the journal; the file stays."""
        if self._map is not None:
            self._map.close()
        os.close(self._file)

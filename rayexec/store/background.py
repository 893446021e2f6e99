"""Writer of a run in a thread of its own, so that a slow store holds up no step."""

from __future__ import annotations

import _thread
import os
import threading
import time
from typing import cast

from rayexec.store.base import RunWriter, WatchedWriter
from rayexec.store.record import RunRecord
from rayexec.store.request import CancelRequest

__all__ = ["BackgroundWriter"]

# A caller waits so long for its write, unless the last one took longer. A write to a disk takes a
# tenth of a millisecond. So on a disk nothing is left to lose when the call returns, even if the
# next step keeps other threads from running.
_PATIENCE_S = 0.01
_MOST_BYTES = 64 * 1024 * 1024  # that wait for the store; then ``append`` waits too


class BackgroundWriter:
    """Passes calls on to ``writer`` in their order, and appends in a thread of its own.

    Appends that wait for the store become one. An error of an append reaches the caller of the next
    one, of ``check`` or of ``end``; what was appended after it is lost. One thread at a time calls
    the methods; any thread may call ``asked``. In a forked process they write nothing: the run
    belongs to the process that began it.
    """

    # Without Thread: its ``start`` waits until the thread runs, which a busy machine delays. The
    # thread keeps no process alive, and it ends with ``end``.

    def __init__(self, writer: RunWriter) -> None:
        self.interval = writer.interval
        self.poll_interval = writer.poll_interval
        #: The same writer, if it can tell whether somebody watches the run.
        self.watched: WatchedWriter | None = (
            cast("WatchedWriter", writer) if hasattr(writer, "is_watched") else None
        )
        #: Whether the store has not taken all that was appended, or has failed.
        self.is_behind = False
        self._writer = writer
        self._process = os.getpid()
        # All below changes with the lock held.
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._bytes = 0  # appended, and not written
        self._error: BaseException | None = None
        self._has_thread = False
        self._is_busy = False  # whether a thread writes now
        self._is_patient = False  # the first append says how fast the store is
        self._is_over = False

    def append(self, data: bytes) -> None:
        """Append ``data`` to the log soon, and after ``end`` at once.

        Raises the error of an earlier append, mostly a StoreError.
        """
        if os.getpid() != self._process:
            return
        if self._is_over:
            self._writer.append(data)
            return
        with self._changed:
            self.check()
            self._waiting.append(data)
            self._bytes += len(data)
            self.is_behind = True
            self._wake()
            if self._bytes > _MOST_BYTES:
                self._changed.wait_for(lambda: self._bytes <= _MOST_BYTES)
            elif self._is_patient:
                self._is_patient = self._changed.wait_for(lambda: not self._bytes, _PATIENCE_S)
            self.check()

    def check(self) -> None:
        """Raise the error of an earlier append, if there is one."""
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Wait until the store has everything, and end the thread; raises as ``append`` does."""
        self._drain()
        self.check()

    def update(self, record: RunRecord) -> None:
        """Replace the record, after all that was appended; raises StoreError."""
        self._drain()
        if os.getpid() == self._process:
            self._writer.update(record)

    def asked(self) -> CancelRequest | None:
        """Return the last request to the run, None without one; raises StoreError."""
        return self._writer.asked()

    def close(self) -> None:
        """Close open files; raises StoreError."""
        self._drain()
        if os.getpid() == self._process:
            self._writer.close()

    def _drain(self) -> None:
        if os.getpid() != self._process or self._is_over:
            return
        with self._changed:
            while self._bytes:
                # The thread of a short run may not have come to it yet.
                if not self._write():
                    self._changed.wait()
            self._is_over = True
            self._changed.notify_all()

    def _wake(self) -> None:
        """Have the thread look at its work."""
        if not self._has_thread:
            try:
                _thread.start_new_thread(self._work, ())
            except RuntimeError:  # The interpreter ends, or the user may have no more threads.
                self._write()
                return
            self._has_thread = True
        self._changed.notify_all()

    def _work(self) -> None:
        with self._changed:
            while not self._is_over:
                if not self._write():
                    self._changed.wait()

    def _write(self) -> bool:
        """Write with the lock open what waits; return whether there was anything to do."""
        if self._is_busy or not self._waiting:
            return False
        data = b"".join(self._waiting)
        self._waiting.clear()
        error = None
        self._is_busy = True
        began = time.monotonic()
        try:
            self._changed.release()
            self._writer.append(data)
        except BaseException as raised:
            error = raised
        self._changed.acquire()
        self._is_busy = False
        self._is_patient = time.monotonic() - began < _PATIENCE_S
        self._bytes -= len(data)
        if error is not None:
            self._error = error
            self._waiting.clear()
            self._bytes = 0
        self.is_behind = self._bytes > 0 or error is not None
        self._changed.notify_all()
        return True

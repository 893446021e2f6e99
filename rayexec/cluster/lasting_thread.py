"""Thread that lives as long as the process, for work whose traces must not end with a caller.

The kernel ends Ray's processes with the thread that forked them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
from collections.abc import Callable

__all__ = ["LastingWork", "begin_in_lasting_thread"]


class _GivenUp(BaseException):
    """Ends work of the lasting thread."""


class LastingWork:
    """A call in the lasting thread."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._process = os.getpid()
        self._call = call
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = 0
        self._error: BaseException | None = None

    def run(self) -> None:
        """Make the call, and note its error."""
        try:
            with self._lock:
                self._thread = threading.get_ident()
            self._call()
        except BaseException as error:  # the waiting thread raises it
            self._error = error
        finally:
            with self._lock:  # from here on the thread is at other work
                self._thread = 0
            self._over.set()

    @property
    def is_under_way(self) -> bool:
        """Whether the call has not ended, in the process that made it."""
        return self._process == os.getpid() and not self._over.is_set()

    def wait(self) -> None:
        """Wait for the end of the call, and raise its error; an interrupt ends the wait alone."""
        self._over.wait()
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """End the call at its next line of Python."""
        with self._lock:
            if self._thread:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(_GivenUp)
                )


class _LastingThread:
    def __init__(self) -> None:
        self.process = os.getpid()
        self.works: queue.SimpleQueue[LastingWork] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="rayexec-lasting", daemon=True).start()

    def _run(self) -> None:
        while True:
            # It may come just behind the work that it is meant for.
            with contextlib.suppress(_GivenUp):
                self.works.get().run()


_threads: list[_LastingThread] = []


def begin_in_lasting_thread(call: Callable[[], None]) -> LastingWork:
    """Begin a call in the lasting thread of this process; two threads must not do so at once."""
    if not _threads or _threads[-1].process != os.getpid():
        _threads.append(_LastingThread())
    work = LastingWork(call)
    _threads[-1].works.put(work)
    return work

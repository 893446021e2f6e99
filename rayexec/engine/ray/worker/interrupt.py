"""Interrupt of a blocked step: a cancel ends ``time.sleep`` and the wait for a socket or a lock.

Ray interrupts a task by marking SIGINT as pending, and Python looks at that between two bytecodes.
No signal of the operating system comes, so that a blocked system call lasts on. But Python also
writes to its wakeup descriptor. A thread reads there and sends the main thread a real signal. That
ends the call, and Python raises the KeyboardInterrupt.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from types import FrameType, TracebackType

__all__ = ["WAKEFUL"]

# It means nothing to a process without a terminal; ``run_resources`` has the same one. Python runs
# handlers in the order of their signals' numbers, so that the handler of SIGINT runs first.
_SIGNAL = signal.SIGWINCH
_SIGNAL_PERIOD_S = 0.02  # the first one may come just before the main thread blocks
_HANDLER_TIMEOUT_S = 2.0  # after which an op must have replaced our handler


class _Wakeful:
    """Has interrupts wake the main thread, in a ``with`` block; one for the process.

    Its thread and its handler stay from the first block on.
    """

    def __init__(self) -> None:
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._pid = 0
        self._former_fd = -1
        self._is_on = False
        self._handled = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if self._ends is None or self._pid != os.getpid():  # a forked child has no such thread
            self._ends, self._pid = socket.socketpair(), os.getpid()
            for end in self._ends:
                end.setblocking(end is self._ends[0])
            threading.Thread(
                target=self._run, args=(self._ends[0],), name="rayexec-waking", daemon=True
            ).start()
        # A handler is ours, or that of ``run_resources``, which calls ours.
        if not callable(signal.getsignal(_SIGNAL)):
            signal.signal(_SIGNAL, self._signaled)
        self._is_on = True
        self._former_fd = signal.set_wakeup_fd(self._ends[1].fileno(), warn_on_full_buffer=False)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_on:
            self._is_on = False
            # Another thread may throw a generator of Ray's away.
            with contextlib.suppress(ValueError):
                signal.set_wakeup_fd(self._former_fd)

    def _signaled(self, signum: int, frame: FrameType | None) -> None:
        self._handled.set()

    def _run(self, end: socket.socket) -> None:
        while True:
            if signal.SIGINT not in end.recv(4096):
                continue
            self._handled.clear()
            deadline = time.monotonic() + _HANDLER_TIMEOUT_S
            while self._is_on and not self._handled.is_set() and time.monotonic() < deadline:
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
                self._handled.wait(_SIGNAL_PERIOD_S)


WAKEFUL = _Wakeful()

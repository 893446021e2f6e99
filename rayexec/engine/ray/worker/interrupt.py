"""A cancel reaches a step that is blocked: in ``time.sleep``, in a socket, in a lock, in a child's
``wait``.

Ray interrupts a task by marking SIGINT as come, which Python sees between two bytecodes; a system
call that blocks the main thread goes on, since no signal of the operating system came. But Python
writes to its wakeup descriptor as it marks a signal. A thread that reads there sends the main
thread a real signal, which ends the call, and Python raises the KeyboardInterrupt.
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

# As in engine.kept: it means nothing to a process without a terminal. Python runs the handlers of
# signals in the order of their numbers, so once this one's has run, that of SIGINT has as well.
_SIGNAL = signal.SIGWINCH
# seconds between two signals, the first of which may come just before the main thread blocks
_KNOCK = 0.02
_PATIENCE = 2.0  # seconds after which an op must have put its own handler in the place of ours


class _Wakeful:
    """Has interrupts wake the main thread while its ``with`` block lasts; one for the process.

    A thread that waits, and a handler that does nothing else, stay from the first block on.
    """

    def __init__(self) -> None:
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._pid = 0
        self._former_fd = -1
        self._is_on = False
        self._heard = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if (
            self._ends is None or self._pid != os.getpid()
        ):  # a child that was forked has no such thread
            self._ends, self._pid = socket.socketpair(), os.getpid()
            for end in self._ends:
                end.setblocking(end is self._ends[0])
            threading.Thread(
                target=self._run, args=(self._ends[0],), name="rayexec-waking", daemon=True
            ).start()
        if not callable(
            signal.getsignal(_SIGNAL)
        ):  # else ours, or one above it that calls ours (engine.kept's)
            signal.signal(_SIGNAL, self._knocked)
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
            with contextlib.suppress(
                ValueError
            ):  # a generator of Ray's that another thread throws away
                signal.set_wakeup_fd(self._former_fd)

    def _knocked(self, number: int, frame: FrameType | None) -> None:
        self._heard.set()

    def _run(self, end: socket.socket) -> None:
        while True:
            if signal.SIGINT not in end.recv(4096):
                continue
            self._heard.clear()
            until = time.monotonic() + _PATIENCE
            while self._is_on and not self._heard.is_set() and time.monotonic() < until:
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
                self._heard.wait(_KNOCK)


WAKEFUL = _Wakeful()

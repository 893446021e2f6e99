"""Signals that ask a command to end: each takes the way that Ctrl-C takes."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

__all__ = ["EndingSignals"]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class EndingSignals:
    """Makes SIGTERM and SIGHUP interrupts while its ``with`` block lasts, and then is as if it had
    not been.

    A signal that is ignored stays so, as under nohup. Nothing happens outside of the main thread,
    which alone may handle signals.
    """

    def __init__(self) -> None:
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        self._process = os.getpid()
        self._former: dict[int, object] = {}

    def __enter__(self) -> EndingSignals:
        if self._in_main_thread:
            self._former = {
                number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDING)
            }
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, former in self._former.items():
            # None is a handler that was not installed from Python, which cannot put it back.
            signal.signal(number, signal.SIG_DFL if former is None else former)  # type: ignore[arg-type]  # was one

    def take(self) -> None:
        """Take the signals, again where someone else took them meanwhile, as Ray does when it
        starts.
        """
        for number in _ENDING:
            if self._former.get(number, signal.SIG_IGN) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)

    def ignore(self) -> None:
        """Ignore the signals, and Ctrl-C, until the block ends."""
        for number in self._former:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if (
            os.getpid() != self._process
        ):  # a process that an op forked, as multiprocessing does, ends as ever
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            return
        interrupt = signal.getsignal(
            signal.SIGINT
        )  # which holds an interrupt back while Ray starts
        if callable(interrupt):
            interrupt(number, frame)
        else:  # a command that a script starts in the background ignores Ctrl-C, but not these
            raise KeyboardInterrupt

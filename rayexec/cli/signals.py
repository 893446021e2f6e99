"""Signals that end a command as Ctrl-C does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

__all__ = ["EndingSignals", "interrupts_held"]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class EndingSignals:
    """Turns SIGTERM and SIGHUP into interrupts during a ``with`` block.

    An ignored signal stays ignored, as under nohup. Outside the main thread it does nothing, since
    Python handles signals there alone.
    """

    def __init__(self) -> None:
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        self._process = os.getpid()
        self._former: dict[int, object] = {}

    def __enter__(self) -> EndingSignals:
        if self._in_main_thread:
            self._former = {
                signal_number: signal.getsignal(signal_number)
                for signal_number in (signal.SIGINT, *_ENDING)
            }
        self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for signal_number, former in self._former.items():
            # None stands for a handler in C, which Python cannot install again.
            handler: Any = signal.SIG_DFL if former is None else former
            signal.signal(signal_number, handler)

    def install(self) -> None:
        """Install the handlers, also after Ray has replaced them at its start."""
        for signal_number in _ENDING:
            if self._former.get(signal_number, signal.SIG_IGN) is not signal.SIG_IGN:
                signal.signal(signal_number, self._interrupt)

    def ignore(self) -> None:
        """Ignore the signals, and Ctrl-C, until the block ends."""
        for signal_number in self._former:
            signal.signal(signal_number, signal.SIG_IGN)

    def _interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # An op may fork, as multiprocessing does: its child ends as it would without us.
            signal.signal(signal_number, signal.SIG_DFL)
            signal.raise_signal(signal_number)
            return
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal_number, frame)
        else:  # a command in the background of a script ignores Ctrl-C, but not these signals
            raise KeyboardInterrupt


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C, and signals that end a command, until the end of the ``with`` block.

    Outside the main thread it does nothing, since Python handles signals there alone.
    """
    former = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(former):
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *received: held.append(received))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        for signal_number, frame in held:
            former(signal_number, frame)

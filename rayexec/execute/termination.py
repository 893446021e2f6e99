"""SIGTERM to a script with a run: it cancels the run, and then ends the process."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Terminated", "Termination"]


class Terminated(KeyboardInterrupt):
    """Interrupt by SIGTERM."""

    def __init__(self) -> None:
        super().__init__("SIGTERM")


class Termination:
    """Makes SIGTERM an interrupt during its ``with`` block.

    It does nothing outside of the main thread, or if the program has a handler of its own.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._former: Any = None

    def __enter__(self) -> Termination:
        if threading.current_thread() is threading.main_thread():
            self._install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._former is not None and signal.getsignal(signal.SIGTERM) == self._terminate:
            signal.signal(signal.SIGTERM, self._former)

    def ending(self, error: BaseException) -> BaseException:
        """Return SystemExit with the shells' status for a SIGTERM; other errors stay."""
        if self._former is None or not isinstance(error, Terminated):
            return error
        return SystemExit(128 + signal.SIGTERM)

    def take_again(self) -> None:
        """Install the handler again; Ray replaces it as it starts."""
        if self._former is not None:
            self._install()

    def _install(self) -> None:
        handler = signal.getsignal(signal.SIGTERM)
        if handler is signal.SIG_DFL or _only_exits(handler):
            self._former = handler
            signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, signal_number: int, frame: FrameType | None) -> None:
        # A process that an op forked, as multiprocessing does, ends as without the handler.
        if os.getpid() != self._process:
            signal.signal(signal_number, signal.SIG_DFL)
            signal.raise_signal(signal_number)
            return
        raise Terminated


def _only_exits(handler: Any) -> bool:
    """Whether a handler is the one by ``ray.init``; it only exits."""
    name = (getattr(handler, "__module__", ""), getattr(handler, "__qualname__", ""))
    return name == ("ray._private.worker", "init.<locals>.sigterm_handler")

"""SIGTERM to a script that runs a job: the run is canceled first, and then the process ends."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Terminated", "Termination"]


class Terminated(KeyboardInterrupt):
    """The process is asked to end."""

    def __init__(self) -> None:
        super().__init__("SIGTERM")


class Termination:
    """Makes SIGTERM an interrupt while its ``with`` block lasts, where it would end the process at
    once.

    Nothing happens outside of the main thread, nor where somebody handles the signal already.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._former: Any = None

    def __enter__(self) -> Termination:
        if threading.current_thread() is threading.main_thread():
            self._take()
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
        """Return what ends the process where ``error`` is its SIGTERM: SystemExit, with the status
        that shells show.
        """
        if self._former is None or not isinstance(error, Terminated):
            return error
        return SystemExit(128 + signal.SIGTERM)

    def take_again(self) -> None:
        """Take the signal again where Ray took it meanwhile, as it does when it starts."""
        if self._former is not None:
            self._take()

    def _take(self) -> None:
        handler = signal.getsignal(signal.SIGTERM)
        if handler is signal.SIG_DFL or _only_exits(handler):
            self._former = handler
            signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        if (
            os.getpid() != self._process
        ):  # a process that an op forked, as multiprocessing does, ends as ever
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            return
        raise Terminated


def _only_exits(handler: Any) -> bool:
    """Whether a handler is the one that ``ray.init`` sets in a driver, which does no more than
    exit.
    """
    found = (getattr(handler, "__module__", ""), getattr(handler, "__qualname__", ""))
    return found == ("ray._private.worker", "init.<locals>.sigterm_handler")

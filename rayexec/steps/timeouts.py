"""Time limits for blocks of code."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import math
import threading
from collections.abc import Iterator
from typing import Protocol

from rayexec.errors import StepTimeoutError
from rayexec.steps.alarms import EDGES, has_signals, rings_after

__all__ = ["CLEAN_UP_S", "Backstop", "deadline", "over_time"]

# A longer limit, of three years, is none. No timer of the platform holds 9.3e9 s.
_LONGEST_S = 1e8

# A block may clean up for this time after its timeout; then its backstop falls.
CLEAN_UP_S = 2.0
_logger = logging.getLogger("rayexec")
EDGES.add(__name__)


class Backstop(Protocol):
    """Last resort against a block that ignores its timeout."""

    def arm(self, seconds: float) -> None:
        """Act in ``seconds``."""
        ...

    def disarm(self) -> None:
        """Do nothing any more."""
        ...


def over_time(what: str, seconds: float) -> str:
    """Return the message that ``what`` ran longer than its timeout."""
    return f"{what} ran longer than its timeout of {seconds:g} s"


@contextlib.contextmanager
def deadline(
    seconds: float,
    what: str,
    backstop: Backstop | None = None,
    *,
    error: type[BaseException] = StepTimeoutError,
) -> Iterator[None]:
    """Raise ``error`` inside the ``with`` block after ``seconds``; blocks may be nested.

    In a main thread a timer of the operating system interrupts Python code and blocking calls
    alike; an alarm of the user's own rings in its time, and runs on behind the block. In any other
    thread the error is raised between two bytecodes, after a blocking call. Neither interrupts a C
    call without a return to the interpreter, or a block that catches the error and continues. In
    these cases ``backstop`` acts after another CLEAN_UP_S, by default with a warning in the log.

    More than 1e8 s are no limit. Raises ValueError for NaN.
    """
    if math.isnan(seconds):
        raise ValueError(f"the timeout of {what} is not a number of seconds")
    if seconds > _LONGEST_S:
        yield
        return
    message = over_time(what, seconds)
    stop = backstop or _Warning(
        f"{message}, and cannot be interrupted: it catches the error, or hangs in C code"
    )
    try:
        stop.arm(seconds + CLEAN_UP_S)
        if has_signals():
            with rings_after(seconds, error(message)):
                yield
        else:
            with _by_thread(seconds, error, message):
                yield
    finally:
        stop.disarm()


class _Warning:
    """A backstop for the user's own process, which must live: logs a warning."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, _logger.warning, ["%s", self._message])
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


@contextlib.contextmanager
def _by_thread(seconds: float, kind: type[BaseException], message: str) -> Iterator[None]:
    target = threading.get_ident()
    lock = threading.Lock()
    over = False
    fired = False

    def ring() -> None:
        nonlocal fired
        with lock:
            if not over:
                fired = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(target), ctypes.py_object(kind)
                )

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    try:
        timer.start()
        try:
            yield
        finally:  # an error that rings at the very end comes here
            with lock:
                over = True
            timer.cancel()
    except kind as error:
        if not fired or error.args:
            raise
        # The error was raised without arguments, but its traceback names the hanging line.
        raise kind(message).with_traceback(error.__traceback__) from None

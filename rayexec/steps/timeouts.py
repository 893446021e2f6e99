"""Time limits for blocks of code."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Protocol

from rayexec.errors import StepTimeoutError

__all__ = ["CLEAN_UP_S", "Backstop", "deadline", "over_time"]

# A block may clean up for this time after its timeout; then its backstop falls.
CLEAN_UP_S = 2.0
_logger = logging.getLogger("rayexec")


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
    alike. In any other thread the error is raised between two bytecodes, after a blocking call.
    Neither interrupts a C call without a return to the interpreter, or a block that catches the
    error and continues. In these cases ``backstop`` acts after another CLEAN_UP_S, by default with
    a warning in the log.
    """
    message = over_time(what, seconds)
    stop = backstop or _Warning(
        f"{message}, and cannot be interrupted: it catches the error, or hangs in C code"
    )
    stop.arm(seconds + CLEAN_UP_S)
    try:
        if threading.current_thread() is threading.main_thread():
            with _by_signal(seconds, error(message)):
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


# The deadlines and errors of the main thread's current blocks, the outermost first.
_due: list[tuple[float, BaseException]] = []


def _set_timer() -> None:
    """Set the operating system's timer to the next deadline, if there is one."""
    seconds = max(1e-6, min(moment for moment, _ in _due) - time.monotonic()) if _due else 0
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    over = next((each for each in _due if each[0] <= now), None)
    if over is not None:
        _due.remove(over)  # each deadline rings once
    _set_timer()
    if over is not None:
        raise over[1]


@contextlib.contextmanager
def _by_signal(seconds: float, error: BaseException) -> Iterator[None]:
    mine = time.monotonic() + seconds, error
    before = signal.signal(signal.SIGALRM, _ring)
    # Workers of Ray start with blocked signals; this one must reach the process.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    _due.append(mine)
    _set_timer()
    try:
        yield
    finally:
        if mine in _due:
            _due.remove(mine)
        _set_timer()
        signal.signal(signal.SIGALRM, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


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
    timer.start()
    try:
        yield
    except kind as error:
        if not fired or error.args:
            raise
        # The error was raised without arguments, but its traceback names the hanging line.
        raise kind(message).with_traceback(error.__traceback__) from None
    finally:
        with lock:
            over = True
        timer.cancel()

"""A limit on how long a block of code may run."""

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
    """What happens to a block that goes on after its timeout."""

    def arm(self, seconds: float) -> None:
        """Fall in ``seconds``."""
        ...

    def disarm(self) -> None:
        """Do not fall any more."""
        ...


def over_time(what: str, seconds: float) -> str:
    """Return in words that ``what`` ran longer than its timeout."""
    return f"{what} ran longer than its timeout of {seconds:g} s"


@contextlib.contextmanager
def deadline(
    seconds: float,
    what: str,
    backstop: Backstop | None = None,
    *,
    error: type[BaseException] = StepTimeoutError,
) -> Iterator[None]:
    """Raise ``error`` inside the ``with`` block once it has run for ``seconds``; such blocks may
    lie in one another.

    In a main thread a timer of the operating system interrupts Python code and blocking calls
    alike. In any other thread the error is raised between two bytecodes, so a blocking call ends
    first. Neither interrupts a C call that never returns to the interpreter, nor ends a block that
    catches the error and goes on: for these there is ``backstop``, which falls CLEAN_UP_S seconds later.
    Without one a warning is logged then.
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
    """Stands in for a backstop where the process is the user's own, which is not to be ended."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, _logger.warning, ["%s", self._words])
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


# What is due when, of the blocks that the main thread is in, the outermost first.
_due: list[tuple[float, BaseException]] = []


def _set_timer() -> None:
    """Have the operating system ring for the block that is due next, if there is one."""
    seconds = max(1e-6, min(moment for moment, _ in _due) - time.monotonic()) if _due else 0
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _ring(_number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    over = next((each for each in _due if each[0] <= now), None)
    if over is not None:
        _due.remove(over)  # it rings once
    _set_timer()
    if over is not None:
        raise over[1]


@contextlib.contextmanager
def _by_signal(seconds: float, error: BaseException) -> Iterator[None]:
    mine = time.monotonic() + seconds, error
    before = signal.signal(signal.SIGALRM, _ring)
    # Workers of Ray start with signals blocked that they hand on; this one must get through.
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
        raise kind(message).with_traceback(
            error.__traceback__
        ) from None  # which says where it hung
    finally:
        with lock:
            over = True
        timer.cancel()

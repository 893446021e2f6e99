"""A limit on how long a block of code may run."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rayexec.errors import StepTimeoutError

__all__ = ["deadline"]


@contextlib.contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Raise StepTimeoutError inside the ``with`` block once it has run for ``seconds``.

    In a main thread a timer of the operating system interrupts Python code and blocking calls alike. In any other
    thread the error is raised between two bytecodes, so a blocking call ends first. A C call that never returns
    to the interpreter is not interrupted by either.
    """
    message = f"{what} ran longer than its timeout of {seconds:g} s"
    if threading.current_thread() is threading.main_thread():
        with _by_signal(seconds, message):
            yield
    else:
        with _by_thread(seconds, message):
            yield


@contextlib.contextmanager
def _by_signal(seconds: float, message: str) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise StepTimeoutError(message)

    before = signal.signal(signal.SIGALRM, ring)
    # Workers of Ray start with signals blocked that they hand on; this one must get through.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _by_thread(seconds: float, message: str) -> Iterator[None]:
    target = threading.get_ident()
    lock = threading.Lock()
    over = False
    fired = False

    def ring() -> None:
        nonlocal fired
        with lock:
            if not over:
                fired = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(target), ctypes.py_object(StepTimeoutError))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    except StepTimeoutError as error:
        raise (StepTimeoutError(message) if fired and not error.args else error) from None
    finally:
        with lock:
            over = True
        timer.cancel()

"""Ending a run that another thread, another process or another host wants to end."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from rayexec.errors import StoreError

if TYPE_CHECKING:
    from rayexec.store import CancelRequest, RunWriter

__all__ = ["CancelToken", "Canceled", "Watcher", "interruptible"]

# It means nothing to a process by default, so one that comes late does no harm, and hardly a
# program has a use for it.
_SIGNAL = signal.SIGURG


class Canceled(KeyboardInterrupt):
    """Somebody else wants the run to end; like an interrupt it is no step's failure."""


class CancelToken:
    """By which any thread asks a run to end; the loop looks at it before each wait.

    ``request`` is who asked first. Once it ``is_forced``, steps get no time to end by themselves.
    It ``is_inside`` while the loop's own thread runs a step.
    """

    def __init__(self) -> None:
        self.request: CancelRequest | None = None
        self.is_forced = False
        self.is_inside = False
        self._wake: Callable[[], None] | None = None

    def cancel(self, request: CancelRequest) -> None:
        """Ask the run to end."""
        self.is_forced = self.is_forced or request.force
        self.request = self.request or request
        if self._wake is not None:
            self._wake()

    def wakes(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when somebody asks, in that one's thread."""
        self._wake = wake


class Watcher:
    """Asks a run's store, in a thread of its own, whether the run is to end, while its ``with``
    block lasts.
    """

    def __init__(self, writer: RunWriter, token: CancelToken) -> None:
        self._writer = writer
        self._token = token
        self._is_over = threading.Event()

    def __enter__(self) -> Watcher:
        threading.Thread(target=self._run, name="rayexec-cancel", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()

    def _run(self) -> None:
        heard: CancelRequest | None = None
        while not self._is_over.wait(self._writer.poll_interval):
            with contextlib.suppress(
                StoreError
            ):  # where this fails, recording fails as well, and says so
                request = self._writer.asked()
                if request is not None and (
                    request != heard or request.force
                ):  # by force is by and by
                    heard = request
                    self._token.cancel(request)


@contextlib.contextmanager
def interruptible(
    token: CancelToken, wake: Callable[[], None], *, runs_here: bool
) -> Iterator[None]:
    """Have a loop in the ``with`` block hear of a request at once: ``wake`` ends its wait.

    Where it ``runs_here``, what the token ``is_inside`` of is interrupted: in a main thread
    blocking calls too, in another one between two bytecodes.
    """
    if not runs_here:
        token.wakes(wake)
        yield
    elif threading.current_thread() is threading.main_thread():
        with _by_signal(token, wake):
            yield
    else:
        with _by_thread(token, wake):
            yield


class _Interrupts:
    """Whether to interrupt what runs: once, and by force over and over."""

    def __init__(self, token: CancelToken) -> None:
        self._token = token
        self._is_done = False

    def is_due(self) -> bool:
        token = self._token
        if not token.is_inside or token.request is None or (self._is_done and not token.is_forced):
            return False
        self._is_done = True
        return True


@contextlib.contextmanager
def _by_signal(token: CancelToken, wake: Callable[[], None]) -> Iterator[None]:
    interrupts = _Interrupts(token)
    target = threading.get_ident()

    def heard(_number: int, _frame: FrameType | None) -> None:
        if interrupts.is_due():
            raise Canceled
        if callable(before):  # of a run around this one, which runs a step that started it
            before(_number, _frame)

    def ring() -> None:
        wake()
        signal.pthread_kill(target, _SIGNAL)

    before = signal.signal(_SIGNAL, heard)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {_SIGNAL})
    token.wakes(ring)
    try:
        yield
    finally:
        token.wakes(wake)
        signal.signal(_SIGNAL, signal.SIG_DFL if before is None else before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextlib.contextmanager
def _by_thread(token: CancelToken, wake: Callable[[], None]) -> Iterator[None]:
    interrupts = _Interrupts(token)
    target = threading.get_ident()
    lock = threading.Lock()
    is_over = False

    def ring() -> None:
        wake()
        with lock:
            if not is_over and interrupts.is_due():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(target), ctypes.py_object(Canceled)
                )

    token.wakes(ring)
    try:
        yield
    finally:
        with lock:
            is_over = True
        token.wakes(wake)

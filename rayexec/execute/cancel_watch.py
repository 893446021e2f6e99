"""Watch for requests to cancel a run, from other threads, processes and hosts."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from rayexec.errors import StoreError

if TYPE_CHECKING:
    from rayexec.execute.now_writer import NowWriter
    from rayexec.store import CancelRequest, RunWriter

__all__ = ["CancelToken", "Canceled", "Watcher", "interruptible"]

# By default a process ignores this signal, so a late one does no harm, and few programs use it.
_SIGNAL = signal.SIGURG


class Canceled(KeyboardInterrupt):
    """Interrupt by a request to cancel the run; no failure of the interrupted step."""


class CancelToken:
    """Token of any thread's request to cancel a run; the loop looks at it before each wait."""

    def __init__(self) -> None:
        #: The first request.
        self.request: CancelRequest | None = None
        #: Whether steps get no grace period.
        self.is_forced = False
        #: Whether the loop's own thread runs a step now.
        self.is_inside = False
        self._wake: Callable[[], None] | None = None

    def cancel(self, request: CancelRequest) -> None:
        """Ask the run to end."""
        self.is_forced = self.is_forced or request.force
        self.request = self.request or request
        if self._wake is not None:
            self._wake()

    def wakes(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` at each request, in the thread of the request."""
        self._wake = wake


class Watcher:
    """Polls a run's store for requests in a thread of its own, during its ``with`` block.

    The same thread calls ``look`` of ``now``.
    """

    def __init__(self, writer: RunWriter, token: CancelToken, now: NowWriter | None = None) -> None:
        self._writer = writer
        self._token = token
        self._now = now
        self._is_over = threading.Event()

    def __enter__(self) -> Watcher:
        # Without Thread: its ``start`` waits until the thread runs.
        _thread.start_new_thread(self._run, ())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if self._now is not None:
            self._now.close()

    def _run(self) -> None:
        last: CancelRequest | None = None
        while not self._is_over.wait(self._writer.poll_interval):
            # A store that fails here fails for the recording too, which reports it.
            with contextlib.suppress(StoreError):
                request = self._writer.asked()
                # A request by force counts at each look: the steps may still resist.
                if request is not None and (request != last or request.force):
                    last = request
                    self._token.cancel(request)
            if self._now is not None:
                self._now.look()


@contextlib.contextmanager
def interruptible(
    token: CancelToken, wake: Callable[[], None], *, runs_here: bool
) -> Iterator[None]:
    """Let requests reach a loop in the ``with`` block at once; ``wake`` ends its wait.

    With ``runs_here`` a request interrupts the step in the loop's thread: in a main thread blocking
    calls too, in another thread between two bytecodes.
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
    """Decides on interrupts of the running step: one, and by force any count."""

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

    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        if interrupts.is_due():
            raise Canceled
        if callable(before):  # A run around this one has a handler too.
            before(signal_number, frame)

    def ring() -> None:
        wake()
        signal.pthread_kill(target, _SIGNAL)

    before = signal.signal(_SIGNAL, interrupt)
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

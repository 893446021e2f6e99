"""Alarms in the main thread: errors that a timer of the operating system raises in a block.

A process has one real-time timer and one handler of SIGALRM. All blocks share them, together with
an alarm of the user's own, such as that of a test's timeout.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["EDGES", "has_signals", "rings_after"]

_SOONEST_S = 1e-6
_LATEST_S = 1e8  # of one setting of the timer
# An alarm in the middle of entering or leaving a block waits for so long.
_DEFERRED_S = 1e-3


def has_signals() -> bool:
    """Tell whether a signal can interrupt this thread, and its handler can be restored later."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is not None  # else C code has installed its own
    )


class _Block:
    """A block with a deadline: its moment, in monotonic seconds, and its error."""

    def __init__(self, due: float, error: BaseException) -> None:
        self.due = due
        self.error = error


class _OwnAlarm:
    """The user's alarm around a block: the handler of SIGALRM, and the rest of its timer."""

    def __init__(self, handler: Any, delay: float, interval: float) -> None:
        self._handler = handler
        self._accept(delay, interval)

    def _accept(self, delay: float, interval: float) -> None:
        """Take over a timer from the operating system."""
        self._interval = interval
        # Without a delay, a timer with an interval has just rung.
        delay = delay or interval
        self.due = time.monotonic() + delay if delay > 0 else math.inf

    def _advance(self, now: float) -> None:
        """Count the alarm that is due as rung, and with it any other until ``now``."""
        if self._interval > 0:
            self.due += self._interval * (math.floor((now - self.due) / self._interval) + 1)
        else:
            self.due = math.inf

    def set_timer(self) -> None:
        """Set the operating system's timer to this alarm alone."""
        if self.due < math.inf:
            seconds = max(_SOONEST_S, self.due - time.monotonic())
            signal.setitimer(signal.ITIMER_REAL, seconds, self._interval)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def ring(self, frame: FrameType | None) -> None:
        """Ring inside of a block: call the handler with its own timer in place."""
        self._advance(time.monotonic())
        if callable(self._handler):
            _ringing.append(self)
            _set_timer()
            try:
                self._handler(signal.SIGALRM, frame)
            finally:
                # The handler may have set its timer again, or another handler.
                self._accept(*signal.setitimer(signal.ITIMER_REAL, 0))
                if signal.getsignal(signal.SIGALRM) is not _ring:
                    self._handler = signal.signal(signal.SIGALRM, _ring)
                _ringing.remove(self)
                _set_timer()
        elif self._handler == signal.SIG_DFL:  # the alarm ends the process, as it does anywhere
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGALRM)

    def restore_handler(self) -> None:
        """Put the handler back, with no timer yet."""
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.signal(signal.SIGALRM, self._handler)

    def resume(self) -> None:
        """Run on behind the block; ring now if that was due meanwhile."""
        now = time.monotonic()
        is_due = self.due <= now
        if is_due:
            self._advance(now)
        self.set_timer()
        if is_due:
            signal.raise_signal(signal.SIGALRM)


#: Modules that enter and leave blocks: no error is raised in their own code.
EDGES = {__name__}

# Current blocks, and the user's alarms around them, the outermost first.
_blocks: list[_Block] = []
_own_alarms: list[_OwnAlarm] = []
# Those among them whose handlers run now. Such a one has the timer to itself, and may set it.
_ringing: list[_OwnAlarm] = []


def _set_timer() -> None:
    """Set the operating system's timer to the next moment, if there is one."""
    if _ringing:
        _ringing[-1].set_timer()
        return
    moments = [block.due for block in _blocks] + [alarm.due for alarm in _own_alarms]
    due = min(moments, default=math.inf)
    seconds = 0.0
    if due < math.inf:
        seconds = min(_LATEST_S, max(_SOONEST_S, due - time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _ring(_signal: int, frame: FrameType | None) -> None:
    # An error here would leave a block half open.
    if frame is not None and (frame.f_globals.get("__name__") in EDGES or frame.f_code in _MANAGER):
        # The timer has an interval only while a handler of the user's runs.
        _, interval = signal.getitimer(signal.ITIMER_REAL)
        signal.setitimer(signal.ITIMER_REAL, _DEFERRED_S, interval)
        return
    now = time.monotonic()
    blocks = [] if _ringing else _blocks
    over = next((block for block in blocks if block.due <= now), None)
    if over is not None:
        _blocks.remove(over)  # each deadline rings once
    _set_timer()
    if over is not None:
        raise over.error
    alarm = next((alarm for alarm in _own_alarms if alarm.due <= now), None)
    if alarm is not None:
        alarm.ring(frame)


@contextlib.contextmanager
def rings_after(seconds: float, error: BaseException) -> Iterator[None]:
    """Raise ``error`` inside the ``with`` block after ``seconds``; for a thread with signals."""
    block = _Block(time.monotonic() + seconds, error)
    was_blocked = False
    own: _OwnAlarm | None = None
    try:
        delay, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        handler = signal.signal(signal.SIGALRM, _ring)
        was_blocked = signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        is_pending = was_blocked and signal.SIGALRM in signal.sigpending()
        if handler is not _ring:
            own = _OwnAlarm(handler, delay, interval)
            if is_pending:
                own.due = time.monotonic()
            if not was_blocked:
                _own_alarms.append(own)
        if was_blocked:
            # Workers of Ray start with blocked signals; this one must reach the process.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        _blocks.append(block)
        _set_timer()
        yield
    finally:
        if block in _blocks:
            _blocks.remove(block)
        if own in _own_alarms:
            _own_alarms.remove(own)
        try:
            if own is None:
                _set_timer()
            else:
                own.restore_handler()
        finally:
            if was_blocked:
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            if own is not None:
                own.resume()


_MANAGER = frozenset(
    method.__code__
    for method in (
        contextlib._GeneratorContextManager.__enter__,
        contextlib._GeneratorContextManager.__exit__,
    )
)

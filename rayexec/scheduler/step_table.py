"""Status and attempt count of every step, and the transitions between statuses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from rayexec.plan.model import Call
from rayexec.scheduler.messages import OVER, StepStatus

__all__ = ["TRANSITIONS", "StepTable"]

# Looking a member up in its enum costs as much as what is done with it.
_WAITING, _READY, _CHAINED = StepStatus.WAITING, StepStatus.READY, StepStatus.CHAINED
_RUNNING, _DELAYED = StepStatus.RUNNING, StepStatus.DELAYED
_SUCCESS, _FAILED = StepStatus.SUCCESS, StepStatus.FAILED

_NEVER_AGAIN: frozenset[StepStatus] = frozenset()
_AFTER_A_BATCH = frozenset({_WAITING, _DELAYED, _SUCCESS, _FAILED})

#: The statuses that may follow each status.
TRANSITIONS: Mapping[StepStatus, frozenset[StepStatus]] = {
    _WAITING: OVER | {_READY, _CHAINED},
    _READY: frozenset({_WAITING, _RUNNING}),
    _CHAINED: _AFTER_A_BATCH,
    _RUNNING: _AFTER_A_BATCH,
    _DELAYED: frozenset({_WAITING, _READY}),
    _SUCCESS: frozenset({_WAITING}),
    _FAILED: _NEVER_AGAIN,
    StepStatus.SKIPPED: _NEVER_AGAIN,
    StepStatus.ABANDONED: _NEVER_AGAIN,
    StepStatus.LEFT_OUT: _NEVER_AGAIN,
}


class StepTable:
    """Alone writes the status and the attempt count of steps.

    All other parts of the scheduler read ``status`` and ``attempts``, and ask for changes here.
    """

    #: The list type of statuses; tests put one here that checks transitions.
    list_type: ClassVar[type[list[StepStatus]]] = list

    __slots__ = ("_attempts", "_status", "attempts", "failed", "open_count", "status")

    def __init__(self, count: int) -> None:
        self._status = self.list_type([_WAITING] * count)
        self._attempts = [0] * count
        #: The status of each step.
        self.status: Sequence[StepStatus] = self._status
        #: The number of attempts that each step has made.
        self.attempts: Sequence[int] = self._attempts
        #: The number of steps that are not over.
        self.open_count = count
        #: The failed steps, in the order of their ends.
        self.failed: list[int] = []

    def add(self, count: int) -> None:
        """Add new steps of the plan."""
        self._status.extend([_WAITING] * count)
        self._attempts.extend([0] * count)
        self.open_count += count

    def make_ready(self, step: int) -> None:
        """Have a step wait for limits and resources only."""
        self._status[step] = _READY

    def deal(self, calls: Iterable[Call]) -> None:
        """Put steps into a batch: ready ones run, the others are chained behind them."""
        status = self._status
        for call in calls:
            status[call[0]] = _RUNNING if status[call[0]] is _READY else _CHAINED

    def give_back(self, step: int) -> None:
        """Have a ready, delayed or dealt step wait again."""
        self._status[step] = _WAITING

    def delay(self, step: int, attempt_number: int) -> None:
        """Count a failed attempt with a retry to come."""
        self._status[step] = _DELAYED
        self._attempts[step] = attempt_number + 1

    def succeed(self, step: int, attempt_number: int) -> None:
        """Count the last attempt of a successful step."""
        self._status[step] = _SUCCESS
        self._attempts[step] = attempt_number + 1
        self.open_count -= 1

    def succeed_all(self, steps: Sequence[int], attempt_numbers: Sequence[int]) -> None:
        """Count the last attempts of successful steps."""
        status, attempts = self._status, self._attempts
        for step, attempt_number in zip(steps, attempt_numbers, strict=True):
            status[step] = _SUCCESS
            attempts[step] = attempt_number + 1
        self.open_count -= len(steps)

    def fail(self, step: int, attempt_number: int) -> None:
        """Count the last attempt of a failed step."""
        self._status[step] = _FAILED
        self.failed.append(step)
        self._attempts[step] = attempt_number + 1
        self.open_count -= 1

    def end_unrun(self, step: int, status: StepStatus) -> None:
        """Have a waiting step be over without an attempt."""
        self._status[step] = status
        self.open_count -= 1
        if status is _FAILED:
            self.failed.append(step)

    def run_again(self, steps: Collection[int]) -> None:
        """Have successful steps wait, as if they had never run."""
        for step in steps:
            self._status[step] = _WAITING
            self._attempts[step] = 0
        self.open_count += len(steps)

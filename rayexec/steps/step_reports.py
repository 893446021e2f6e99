"""Events that an op and its IO managers report while a step runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rayexec.definitions.user_events import UserEvent
from rayexec.events import OutputRecord, Report

__all__ = ["StepReports"]


class StepReports:
    """Collects the events of one attempt, each with its moment and the outputs before it."""

    __slots__ = ("_clock", "_outputs", "entries")

    def __init__(self, outputs: Sequence[OutputRecord], clock: Callable[[], float]) -> None:
        self._outputs = outputs
        self._clock = clock
        self.entries: list[Report] = []

    def add(self, event: UserEvent) -> None:
        """Record an event at this moment."""
        self.entries.append(Report(self._clock(), len(self._outputs), event))

    def add_in_storing(self, event: UserEvent) -> None:
        """Record an event of the IO manager that stores the next output."""
        self.entries.append(Report(self._clock(), len(self._outputs), event, True))

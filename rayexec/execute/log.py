"""The log of one run: packed rows as they arrive, events when somebody reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from rayexec.events import Attempt, Event, ResourceRecord, expand_attempt, expand_resource
from rayexec.plan import Plan

__all__ = ["Record", "RunLog"]

Record: TypeAlias = Event | Attempt | ResourceRecord


class RunLog:
    """Keeps every record of a run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.records: list[Record] = []
        self._expanded: tuple[int, list[Event]] = (0, [])

    def append(self, record: Record) -> None:
        """Keep a record."""
        self.records.append(record)

    def expand(self, record: Record) -> Iterator[Event]:
        """Yield the events that a record stands for."""
        if isinstance(record, Attempt):
            key = self._plan.steps[record.step].key
            return expand_attempt(record, key, self._plan.upstream_names(record.step))
        if isinstance(record, ResourceRecord):
            return expand_resource(record)
        return iter((record,))

    @property
    def events(self) -> list[Event]:
        """All events so far, in the order of the records."""
        count, events = self._expanded
        for record in self.records[count:]:
            events.extend(self.expand(record))
        self._expanded = (len(self.records), events)
        return events

    @property
    def attempts(self) -> Iterator[Attempt]:
        """The attempts so far, in the order in which they came back."""
        return (record for record in self.records if isinstance(record, Attempt))

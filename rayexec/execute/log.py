"""The log of one run: packed rows as they arrive, events when somebody reads them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeAlias

from rayexec.events import Attempt, Event, ResourceRecord, Successes, expand_attempt, expand_resource
from rayexec.plan import Plan

__all__ = ["Record", "RunLog"]

Record: TypeAlias = Event | Attempt | Successes | ResourceRecord


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
        if isinstance(record, (Attempt, Successes)):
            return chain.from_iterable(map(self._expand_attempt, self.rows(record)))
        if isinstance(record, ResourceRecord):
            return expand_resource(record)
        return iter((record,))

    def _expand_attempt(self, attempt: Attempt) -> Iterator[Event]:
        key = self._plan.steps[attempt.step].key
        return expand_attempt(attempt, key, self._plan.upstream_names(attempt.step))

    def rows(self, record: Record) -> Iterator[Attempt]:
        """Yield the attempts that a record tells of, none where it tells of something else."""
        if isinstance(record, Successes):
            yield from record.rows(self._plan.output_records)
        elif isinstance(record, Attempt):
            yield record

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
        return chain.from_iterable(map(self.rows, self.records))

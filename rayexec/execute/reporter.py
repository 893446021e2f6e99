"""Reporter of a run: passes each record to the log, the observer and the loggers."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from rayexec.events import (
    Attempt,
    BatchFacts,
    DeliveredLines,
    Event,
    EventType,
    LiveLines,
)
from rayexec.execute.log import Record, RunLog
from rayexec.execute.loggers import RunLoggers
from rayexec.execute.observer import Observer
from rayexec.run.spec import RunSpec

__all__ = ["Reporter"]


class Reporter:
    """Reports a run to its log, to its observer, and to the loggers of its config."""

    def __init__(self, spec: RunSpec, log: RunLog, observer: Observer) -> None:
        self.log = log
        self.observer = observer
        self._loggers = RunLoggers(spec)
        self._delivered = DeliveredLines()

    def make_loggers(self) -> None:
        """Make the loggers of the run config; a failure costs a warning."""
        self.warn(self._loggers.make())

    def record(self, record: Record) -> None:
        """Report a record."""
        self.log.append(record)
        self.observer.recorded(record)

    def attempt(self, attempt: Attempt) -> None:
        """Report an attempt; loggers get only lines that are new to them."""
        self.log.append(attempt)
        self.observer.recorded(attempt)
        remainder = self._delivered.remainder_of(attempt)
        if remainder.logs:
            self.warn(self._loggers.pass_on(remainder))

    def event(
        self, kind: EventType, message: str, key: str | None = None, data: object = None
    ) -> None:
        """Report an event at this moment."""
        self.record(Event(kind, message, time.time(), key, data))

    def warn(self, warnings: Iterable[str]) -> None:
        """Report warnings about the run."""
        for message in warnings:
            self.event(EventType.LOG_MESSAGE, message, None, {"level": logging.WARNING})

    def lines(self, lines: LiveLines) -> None:
        """Report lines of a running step."""
        self._delivered.add(lines)
        self.log.add_live_lines(lines)
        self.warn(self._loggers.pass_on(lines))
        self.observer.lines_received(lines)

    def batch_ended(self, facts: BatchFacts | None) -> None:
        """Report facts about a batch, if there are any."""
        if facts is not None:
            self.log.batch_ended(facts)
            self.observer.batch_ended(facts)

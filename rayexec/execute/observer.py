"""Observers of a run in the process of its driver."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rayexec.events import (
    Attempt,
    BatchFacts,
    DeliveredLines,
    LiveLines,
    ResourceRecord,
    RunStatus,
    with_note,
)
from rayexec.execute.log import Record, RunLog
from rayexec.run.spec import RunSpec
from rayexec.scheduler.wait_reasons import Waiting

__all__ = ["Echo", "Observer"]


class Observer:
    """Observer of a run; subclasses override the methods of their interest.

    The loop calls the methods in its own thread, so they should return soon.
    """

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """The run begins. ``log.expand`` turns records into events.

        Any thread may call ``waiting`` at any time, for the running steps and the reasons of waits.
        """

    def recorded(self, record: Record) -> None:
        """The log has a new record."""

    def batch_ended(self, facts: BatchFacts) -> None:
        """A batch has ended, or its worker was lost; records of its attempts follow.

        A run in this process is one batch, with a call at its start and one at its end.
        """

    def lines_received(self, lines: LiveLines) -> None:
        """A running step has logged or printed lines.

        The step's attempt will repeat them; ``rayexec.events.DeliveredLines`` removes them there.
        """

    def idle(self) -> float | None:
        """The loop is about to wait; return the seconds until the next call, None for any time.

        A StoreError from here ends the run.
        """
        return None

    def run_ended(self, status: RunStatus) -> None:
        """The run has ended; ``status`` is SUCCESS, FAILURE or CANCELED."""


class Echo(Observer):
    """Prints the output of ops on workers in the process of the driver."""

    def __init__(self) -> None:
        self._delivered = DeliveredLines()

    def lines_received(self, lines: LiveLines) -> None:
        """Print the output of a running step."""
        self._delivered.add(lines)
        _print(with_note(lines.stdout), with_note(lines.stderr))

    def recorded(self, record: Record) -> None:
        """Print the output of an attempt, or of closing a resource, on the same streams."""
        if isinstance(record, Attempt):
            record = self._delivered.remainder_of(record)
        if isinstance(record, Attempt | ResourceRecord) and (record.stdout or record.stderr):
            _print(record.stdout, record.stderr)


def _print(stdout: str, stderr: str) -> None:
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.stdout.flush()

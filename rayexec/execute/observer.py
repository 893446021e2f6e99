"""Watching a run from the process that drives it."""

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
    """DeliveredLines of a run as it goes, in the thread that runs it; override what is of interest.

    Its methods are called between two steps of the loop, so they should return soon.
    """

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """The run is about to start its steps; ``log.expand`` turns records into events.

        ``waiting`` may be called at any time, from any thread: it tells which steps run and what
        others wait for.
        """

    def recorded(self, record: Record) -> None:
        """Something was recorded: an event, an attempt that ended, a resource that was opened."""

    def batch_ended(self, facts: BatchFacts) -> None:
        """A batch is over, or lost with its worker; its attempts are recorded next, as far as they
        were not before.

        Where this process runs the steps itself, it is told of all of them as one batch, when it
        begins and at the end.
        """

    def lines_received(self, lines: LiveLines) -> None:
        """A step that has run for a while, and goes on, has logged or printed something.

        It comes again with the step's attempt; ``rayexec.events.DeliveredLines`` tells the two apart.
        """

    def idle(self) -> float | None:
        """The loop is about to wait; return after how many seconds this wants to be called again,
        None for whenever.

        A StoreError that it raises ends the run.
        """
        return None

    def run_ended(self, status: RunStatus) -> None:
        """The run is over: SUCCESS, FAILURE or CANCELED."""


class Echo(Observer):
    """Prints what ops print on workers, where the run was started."""

    def __init__(self) -> None:
        self._delivered = DeliveredLines()

    def lines_received(self, lines: LiveLines) -> None:
        """Print what a step printed that goes on."""
        self._delivered.add(lines)
        _print(with_note(lines.stdout), with_note(lines.stderr))

    def recorded(self, record: Record) -> None:
        """Print what an attempt or the end of a resource printed, on the same streams."""
        if isinstance(record, Attempt):
            record = self._delivered.remainder_of(record)
        if isinstance(record, Attempt | ResourceRecord) and (record.stdout or record.stderr):
            _print(record.stdout, record.stderr)


def _print(stdout: str, stderr: str) -> None:
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.stdout.flush()

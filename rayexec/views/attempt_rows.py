"""Attempts of a recorded run as flat rows for tables and traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from rayexec.events import DRIVER_BATCH, FAILURE, RETRY, SUCCESS, UNKNOWN_BYTES, Attempt, BatchFacts
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog

__all__ = ["AttemptRow", "NamedSteps", "attempt_row", "attempt_rows"]

_OUTCOMES = {SUCCESS: "success", FAILURE: "failure", RETRY: "retry"}
_NO_FACTS = BatchFacts(DRIVER_BATCH)


class AttemptRow(NamedTuple):
    """One attempt with the facts of its batch; the first attempt of a step has ``attempt`` 0.

    ``started`` and ``ended`` are seconds since 1970. Unknown values are None.
    """

    run_id: str
    job: str
    step_key: str
    op: str
    attempt: int
    outcome: str
    started: float
    ended: float
    seconds: float
    pid: int | None
    node: str | None
    node_id: str | None
    batch: int | None
    queue_s: float | None
    fetch_s: float | None
    output_bytes: int | None
    peak_rss_bytes: int | None
    error: str | None
    message: str | None


def attempt_rows(record: RunRecord, log: StoredLog) -> Iterator[AttemptRow]:
    """Yield a row for each attempt, in the order of the log."""
    for attempt in log.attempts():
        yield attempt_row(record, log, attempt)


class _Keys(Protocol):
    def __getitem__(self, step: int, /) -> str: ...


class NamedSteps(Protocol):
    """The part of a log that a row of an attempt needs."""

    @property
    def keys(self) -> _Keys:
        """The keys of steps, by index."""

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""

    @property
    def batches(self) -> Mapping[int, BatchFacts]:
        """Facts of the batches, by id."""


def attempt_row(record: RunRecord, log: NamedSteps, attempt: Attempt) -> AttemptRow:
    """Return the row of one attempt."""
    error = attempt.failure.root if attempt.failure is not None else None
    facts = log.batches.get(attempt.batch, _NO_FACTS)
    return AttemptRow(
        run_id=record.run_id,
        job=record.job_name,
        step_key=log.keys[attempt.step],
        op=log.op_of(attempt.step),
        attempt=attempt.attempt_number,
        outcome=_OUTCOMES[attempt.outcome],
        started=attempt.started,
        ended=attempt.ended,
        seconds=attempt.ended - attempt.started,
        pid=attempt.pid or None,
        node=facts.host or None,
        node_id=facts.node_id or None,
        batch=attempt.batch if attempt.batch != DRIVER_BATCH else None,
        queue_s=facts.queued,
        fetch_s=facts.loading if facts.ended and facts.peak_rss != UNKNOWN_BYTES else None,
        output_bytes=None if attempt.output_bytes == UNKNOWN_BYTES else attempt.output_bytes,
        peak_rss_bytes=None if facts.peak_rss == UNKNOWN_BYTES else facts.peak_rss,
        error=None if error is None else error.own_name,
        message=None
        if error is None
        else error.message.encode("utf-8", "backslashreplace").decode(),
    )

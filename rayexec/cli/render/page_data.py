"""Data of a run's page: attempts in worker rows for the chart, and the lines of the logs."""

from __future__ import annotations

import logging
import sys
from array import array
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rayexec.events import (
    DRIVER_BATCH,
    Attempt,
    BatchFacts,
    ErrorInfo,
    Event,
    EventType,
    ResourceRecord,
    statement_of,
)
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog
from rayexec.views.critical_path import Link
from rayexec.views.history import Entry

__all__ = ["PageData", "WorkerRow", "error_text", "worker_row"]

_MOST_LOG_CHARACTERS = 24 * 1024 * 1024  # browsers open more only slowly
_HOLDERS_SHOWN = 5
_NO_STEP = -1
_NO_FACTS = BatchFacts(DRIVER_BATCH)
_RUN_EVENTS = frozenset(
    {
        EventType.LOG_MESSAGE,
        EventType.ENGINE_EVENT,
        EventType.RUN_START,
        EventType.RUN_SUCCESS,
        EventType.RUN_FAILURE,
        EventType.RUN_CANCELING,
        EventType.RUN_CANCELED,
    }
)


class WorkerRow(NamedTuple):
    """A row of the chart: a node and one of its processes, in words."""

    node: str
    process: str


class _Line(NamedTuple):
    """A line of the logs; ``step`` is -1 for a line of the run itself."""

    time: float
    step: int
    kind: str
    text: str


class _Skip(NamedTuple):
    """A skipped step, and the moment of its skip."""

    step: int
    time: float


def worker_row(node: str, pid: int) -> WorkerRow:
    """Return the row of a process; ``pid`` 0 is an unknown one."""
    return WorkerRow(node, f"pid {pid}" if pid else "pid unknown")


def error_text(error: ErrorInfo) -> str:
    """Return an error with its causes."""
    parts = []
    link: ErrorInfo | None = error
    while link is not None:
        parts.append(link.to_string().rstrip())
        link = link.origin
    return "\n\nCaused by:\n".join(parts)


class PageData:
    """Content of a run's log as the page shows it.

    The attempts of a worker row are neighbours, in the order of their starts, since the page's
    script searches for them that way.
    """

    def __init__(self, record: RunRecord, log: StoredLog) -> None:
        self._record = record
        self._log = log
        self._step_by_key = {key: step for step, key in enumerate(log.keys)}
        self._skips: list[_Skip] = []
        self.attempts: list[Attempt] = []
        lines: list[_Line] = []
        for entry in log.entries():
            if isinstance(entry, Attempt):
                self.attempts.append(entry)
            lines += self._lines(entry)
        lines.sort(key=lambda line: line.time)
        self._log_lines = _first_lines(lines)
        self.lines_left_out = len(lines) - len(self._log_lines)
        processes = {(row.batch, row.pid) for row in self.attempts}
        row_of = {process: self._row_of(*process) for process in processes}
        self.attempts.sort(key=lambda row: (row_of[row.batch, row.pid], row.started))
        self._row_of_attempt = [row_of[row.batch, row.pid] for row in self.attempts]

    def _row_of(self, batch: int, pid: int) -> WorkerRow:
        facts = self._log.batches.get(batch, _NO_FACTS)
        return worker_row(facts.node, pid or facts.pid)

    def _lines(self, entry: Entry) -> Iterator[_Line]:
        if isinstance(entry, Attempt):
            yield from _lines_of_attempt(entry)
        elif isinstance(entry, ResourceRecord):
            yield from _lines_of_resource(entry, _NO_STEP)
        elif isinstance(entry, Event):
            step = self._step_by_key.get(entry.step_key or "", _NO_STEP)
            if entry.event_type is EventType.STEP_SKIPPED:
                self._skips.append(_Skip(step, entry.timestamp))
            if entry.event_type in _RUN_EVENTS:
                yield _line_of_event(entry, step)

    def document(self, path: Sequence[Link] | None) -> dict[str, Any]:
        """Return the data of the page's script; times are in seconds since the run's start."""
        began, log, rows = self._record.start_time, self._log, self.attempts
        ops: dict[str, int] = {}
        op_of = [ops.setdefault(log.op_of(step), len(ops)) for step in range(len(log.keys))]
        batches = [batch for batch in {row.batch for row in rows} if batch in log.batches]
        batch_index = {batch: index for index, batch in enumerate(batches)}
        skip_times = [skip.time for skip in self._skips]
        ends = [self._record.end_time or began, *(row.ended for row in rows), *skip_times]
        return {
            "keys": log.keys,
            "ops": list(ops),
            "opOf": op_of,
            "workerRows": list(self._worker_rows()),
            "first": min([*(row.started for row in rows), *skip_times], default=began) - began,
            "last": max(ends) - began,
            "attempts": {
                "step": _packed("i", [row.step for row in rows]),
                "number": _packed("i", [row.attempt_number for row in rows]),
                "outcome": _packed("B", [row.outcome for row in rows]),
                "start": _packed("d", [row.started - began for row in rows]),
                "length": _packed("d", [row.ended - row.started for row in rows]),
                "batch": _packed("i", [batch_index.get(row.batch, -1) for row in rows]),
                "size": _packed("d", [row.output_bytes for row in rows]),
            },
            "batches": [_batch_row(log.batches[batch]) for batch in batches],
            "blocked": {
                index: [wait.limit, wait.seconds, ", ".join(wait.held_by[:_HOLDERS_SHOWN])]
                for index, row in enumerate(rows)
                if (wait := log.blocked.get((row.step, row.attempt_number))) is not None
            },
            "path": [link.attempt for link in path or ()],
            "skipped": [[skip.step, skip.time - began] for skip in self._skips],
            "logs": [
                [round(line.time - began, 6), line.step, line.kind, line.text]
                for line in self._log_lines
            ],
        }

    def _worker_rows(self) -> Iterator[list[Any]]:
        """Yield the worker rows, each with its first attempt and the one behind its last."""
        rows, first = self._row_of_attempt, 0
        for index in range(1, len(rows) + 1):
            if index == len(rows) or rows[index] != rows[first]:
                yield [*rows[first], first, index]
                first = index


def _first_lines(lines: Sequence[_Line]) -> Sequence[_Line]:
    """Return as many lines as the page can hold."""
    left = _MOST_LOG_CHARACTERS
    for index, line in enumerate(lines):
        left -= len(line.text)
        if left < 0:
            return lines[:index]
    return lines


def _packed(kind: str, values: Sequence[float]) -> str:
    """Return numbers as the script reads them: base64 of their bytes, least significant first."""
    packed = array(kind, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode()


def _batch_row(facts: BatchFacts) -> list[Any]:
    return [
        facts.batch_id,
        facts.queued,
        facts.loading,
        facts.peak_rss,
        facts.input_bytes,
        facts.calls,
    ]


def _line_of_event(event: Event, step: int) -> _Line:
    data = event.event_specific_data
    level = data.get("level") if isinstance(data, Mapping) else None
    kind = logging.getLevelName(level) if isinstance(level, int) else "run"
    text = event.message
    if isinstance(data, ErrorInfo):
        text = f"{text}\n{error_text(data)}"
    return _Line(event.timestamp, step, kind, text)


def _lines_of_attempt(attempt: Attempt) -> Iterator[_Line]:
    step, ended = attempt.step, attempt.ended
    for line in attempt.logs:
        yield _Line(line.time, step, logging.getLevelName(line.level), line.message)
    for stream, text in (("stdout", attempt.stdout), ("stderr", attempt.stderr)):
        if text:
            yield _Line(ended, step, stream, text)
    for report in attempt.reports:
        if hasattr(report.event, "event_type"):  # somebody else may have written the record
            yield _Line(report.time, step, "event", statement_of(report.event))
    if attempt.failure is not None:
        yield _Line(ended, step, "failure", error_text(attempt.failure.error))
    for hook in attempt.hooks:
        if hook.error is not None:
            yield _Line(ended, step, "failure", f'hook "{hook.name}": {error_text(hook.error)}')
    for resource in attempt.resources:
        yield from _lines_of_resource(resource, step)


def _lines_of_resource(record: ResourceRecord, step: int) -> Iterator[_Line]:
    for stream, text in (("stdout", record.stdout), ("stderr", record.stderr)):
        if text:
            yield _Line(record.ended, step, stream, text)
    if record.error is not None:
        text = f'resource "{record.key}": {error_text(record.error)}'
        yield _Line(record.ended, step, "failure", text)

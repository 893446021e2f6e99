"""Lines of a run's log: its events, and the lines that steps log and print."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rayexec.events import (
    Attempt,
    Event,
    EventType,
    LiveLines,
    StepBlockedData,
    expand_attempt,
    expand_event,
    expand_live,
    expand_resource,
)
from rayexec.store.columns import ATTEMPT, EVENT, LIVE, PLAIN, RESOURCE
from rayexec.store.encoding import read_event, read_live, read_text
from rayexec.views.arrow_columns import equal_any, record_columns, within
from rayexec.views.read_columns import ReadColumns
from rayexec.views.run_figures import attempt_of

__all__ = ["KINDS", "LINES_OF_A_RECORD", "LogText", "cut_text", "events_of", "expanded", "lines_of"]

#: Kinds of lines.
KINDS = ("event", "log", "stdout", "stderr")
#: Numbers that the lines of one record may have; the lines of a run are in their order.
LINES_OF_A_RECORD = 2**21
_MOST_CHARACTERS = 64 * 1024  # of a line


class LogText(NamedTuple):
    """One line; ``line_index`` tells it apart from the others of its record."""

    line_index: int
    time: float
    kind: str
    #: Level of ``logging``; 0 for none.
    level: int
    step: str | None
    text: str
    event_type: str

    def to_dict(self, record: int) -> dict[str, Any]:
        """Return the line as JSON-able data; ``record`` is the position of its record.

        A long text is cut, and ``left_out`` is the number of characters behind the cut.
        """
        text, left_out = cut_text(self.text)
        return {
            "n": record * LINES_OF_A_RECORD + self.line_index,
            "time": self.time,
            "kind": self.kind,
            "level": logging.getLevelName(self.level) if self.level else None,
            "step": self.step,
            "text": text,
            "left_out": left_out,
            "event_type": self.event_type,
        }


def cut_text(text: str) -> tuple[str, int]:
    """Return the beginning of a long text, and the number of characters behind it."""
    left_out = max(0, len(text) - _MOST_CHARACTERS)
    # A lone surrogate, of output that is no UTF-8, has no encoding.
    return text[:_MOST_CHARACTERS].encode("utf-8", "backslashreplace").decode(), left_out


def events_of(columns: ReadColumns, row: Mapping[str, Any], record: int) -> Iterator[Event]:
    """Yield the events of one row of the log, as ``StoredLog.events`` does.

    ``record`` is the position of the row among all rows.
    """
    kind, job, step = row["kind"], columns.record.job_name, row["step"]
    if kind == EVENT:
        yield expand_event(read_event(row["detail"], row["started"]), job)
    elif kind == RESOURCE:
        yield from expand_resource(read_text(row["detail"]), job_name=job)
    elif not 0 <= step < len(columns.steps):
        return
    elif kind in (PLAIN, ATTEMPT):
        yield from expanded(columns, attempt_of(columns, row))
    elif kind == LIVE and not _is_void(columns, row, record):
        yield from expand_live(live_lines(row), columns.key(step), job)


def live_lines(row: Mapping[str, Any]) -> LiveLines:
    """Return the lines of a running step from their row."""
    fields = read_live(row["detail"])
    return LiveLines(row["step"], row["number"], row["pid"], row["started"], **fields)


def expanded(columns: ReadColumns, attempt: Attempt) -> Iterator[Event]:
    """Yield the events of an attempt."""
    steps = columns.steps
    inputs = steps.signatures[steps.signature_of_step[attempt.step]].inputs
    wait = columns.blocked.get((attempt.step, attempt.attempt_number))
    blocked = None
    if wait is not None:
        blocked = StepBlockedData(columns.limits[wait.limit], wait.seconds, wait.held_by)
    key, job = columns.key(attempt.step), columns.record.job_name
    yield from expand_attempt(attempt, key, inputs, blocked, job)


def _is_void(columns: ReadColumns, row: Mapping[str, Any], record: int) -> bool:
    """Whether a later row is that of the attempt, which repeats the lines."""
    step, attempt_number = row["step"], row["number"]
    attempts = columns.attempts
    index = bisect_right(columns.first_records, record) - 1
    frame = columns.record_frames[index]
    for attempt in attempts.rows_of(step):
        if attempts.attempt_number[attempt] == attempt_number:
            at, position = attempts.position(attempt)
            if at > frame or (at == frame and position >= _attempts_before(columns, index, record)):
                return True
    return False


def _attempts_before(columns: ReadColumns, index: int, record: int) -> int:
    """Return the number of attempts before a record in its frame, which is at ``index``."""
    from pyarrow import compute

    table = record_columns(columns.frames.records(columns.record_frames[index]))
    before = table.slice(0, record - columns.first_records[index])
    is_valid = within(before["step"], 0, len(columns.steps))
    is_attempt = compute.and_(equal_any(before["kind"], PLAIN, ATTEMPT), is_valid)
    return int(compute.sum(is_attempt).as_py() or 0)


def lines_of(events: Iterator[Event]) -> Iterator[LogText]:
    """Yield the lines of a record's events: each event, and behind it the output that it has.

    A wait for a limit, which a run records later, has a number of its own before the others.
    """
    index = 0
    for event in events:
        kind, level, name = "event", 0, event.event_type.name
        if event.event_type is EventType.LOG_MESSAGE:
            kind, level = "log", int(event.event_specific_data["level"])
        elif event.is_failure:
            level = logging.ERROR
        if event.event_type is not EventType.STEP_BLOCKED:
            index += 1
        step, moment = event.step_key, event.timestamp
        yield LogText(index, moment, kind, level, step, event.message, name)
        if event.event_type is EventType.LOGS_CAPTURED:
            for stream in ("stdout", "stderr"):
                for line in event.event_specific_data.get(stream, "").splitlines():
                    index = min(index + 1, LINES_OF_A_RECORD - 1)
                    yield LogText(index, moment, stream, 0, step, line, name)

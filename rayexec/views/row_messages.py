"""Attempts of a run as bytes that a browser reads without parsing.

A message is the length of a head (4 bytes, little-endian), the head as JSON with spaces behind it,
and columns of plain numbers. Each column begins at a multiple of 8 bytes.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from rayexec.events import FAILURE, RETRY, SUCCESS, StepEnd
from rayexec.strict_json import json_text
from rayexec.views.arrow_columns import arrow_of, numbers_of, scalar
from rayexec.views.read_columns import ReadColumns

__all__ = ["rows_message"]

_HEAD = struct.Struct("<I")
_ALIGNMENT = 8
_OUTCOMES = {SUCCESS: "success", FAILURE: "failure", RETRY: "retry"}


def rows_message(columns: ReadColumns, first: int, limit: int) -> bytes:
    """Return the attempts from row ``first`` on, up to ``limit`` of them, and news of the others.

    News are waits, other lanes and ends of steps that came since a reader had the rows before
    ``first``; some may be repeated.
    """
    attempts = columns.attempts
    first = min(max(0, first), len(attempts))
    end = min(first + max(0, limit), len(attempts))
    steps_from = columns.steps_when(first)
    since = bisect_left(columns.wait_seen, first)  # Each was seen when its row was there.
    waits = [(row, columns.wait_of(row)) for row in columns.wait_rows[since:] if row < end]
    ended = _ended(columns, first, end)
    parts = [
        *_attempt_parts(columns, first, end),
        array("i", [row for row, _ in waits]),
        array("f", [0.0 if wait is None else wait.seconds for _, wait in waits]),
        array("h", [0 if wait is None else wait.limit for _, wait in waits]),
        columns.steps.op_of_step[steps_from:],
        ended,
        array("b", [columns.steps.ends[step] for step in ended]),
    ]
    head = {
        "topic": f"run/{columns.reader.run_id}",
        "from": first,
        "to": end,
        "n": end - first,
        "epoch": columns.epoch,
        "w": len(waits),
        "e": len(ended),
        "m": len(columns.steps) - steps_from,
        "steps_from": steps_from,
        "steps": len(columns.steps),
        "is_final": columns.is_over,
        "lanes": [lane.to_dict() for lane in columns.lanes.lanes],
        "rehomed": columns.lanes.moved_since(first),
        "ops": columns.steps.ops,
        "limits": columns.limits,
        "outcomes": [_OUTCOMES[outcome] for outcome in sorted(_OUTCOMES)],
        "ends": [end.value for end in StepEnd],
        "is_over": columns.is_over and end == len(attempts),
    }
    return _message(head, parts)


def _attempt_parts(columns: ReadColumns, first: int, end: int) -> list[array[Any]]:
    import pyarrow as pa
    from pyarrow import compute

    attempts = columns.attempts
    started = arrow_of(attempts.started, first, end)
    ended = arrow_of(attempts.ended, first, end)
    epoch = scalar(columns.epoch, pa.float64())
    return [
        numbers_of(compute.subtract(started, epoch)),
        numbers_of(_narrow(compute.subtract(ended, started))),
        attempts.step[first:end],
        columns.lanes.lane_of_row[first:end],
        attempts.attempt_number[first:end],
        attempts.outcome[first:end],
    ]


def _narrow(seconds: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    return compute.cast(seconds, pa.float32())


def _ended(columns: ReadColumns, first: int, end: int) -> array[int]:
    """Return the steps whose ends may have changed, without an order."""
    steps = set(columns.attempts.step[first:end])
    steps.update(columns.ended_steps_apart[bisect_left(columns.ended_seen, first) :])
    return array("i", sorted(steps))


def _message(head: dict[str, Any], parts: Sequence[array[Any]]) -> bytes:
    text = json_text(head, separators=(",", ":")).encode()
    text += b" " * (-(_HEAD.size + len(text)) % _ALIGNMENT)
    message = bytearray(_HEAD.pack(len(text)) + text)
    for part in parts:
        message += part.tobytes()
        message += bytes(-len(message) % _ALIGNMENT)
    return bytes(message)

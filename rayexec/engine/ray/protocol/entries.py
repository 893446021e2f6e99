"""Entries of a batch's answer: columns of plain successes, and one entry for any other call.

A plain success is a call of an op with one small output and nothing else to report. Most calls
are; in columns they cost a tenth of an entry.
"""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rayexec.events import SUCCESS, Attempt, OutputRecord, Successes
from rayexec.run.spec import Call

__all__ = [
    "Columns",
    "Entry",
    "PlainEntry",
    "PlainSuccesses",
    "StoredOutput",
    "pack_entry",
    "unpack_entries",
    "unpack_entry",
]

# An output: pickled bytes, or the index of a large one among the references of the batch's answer.
# A negative index counts within the list of references that the answer ends with: -1 - n is its
# nth.
StoredOutput: TypeAlias = bytes | int

# Consecutive plain successes: the first one's position, then starts, ends and outputs.
Columns: TypeAlias = tuple[int, list[float], list[float], list[bytes]]


class PlainEntry(NamedTuple):
    """A plain success: its position in the batch, its times, and its output."""

    position: int
    started: float
    ended: float
    output: bytes


class Entry(NamedTuple):
    """A call that was made: its position in the batch, its row, and its outputs by name."""

    position: int
    attempt: Attempt
    stored: dict[str, StoredOutput]


class PlainSuccesses(NamedTuple):
    """Plain successes as the driver uses them: the last one's position, the rows, the outputs."""

    last_position: int
    rows: Successes
    outputs: list[bytes]


def pack_entry(position: int, row: Attempt, stored: Mapping[str, StoredOutput]) -> bytes:
    """Return the entry of a call as bytes: short for a plain success, else with the whole row.

    The driver fills in all of a plain success but its times and outputs.
    """
    if row.is_plain and all(record == OutputRecord(record.name) for record in row.outputs):
        short = (position, row.started, row.ended, stored, row.output_bytes)
        return pickle.dumps(short, protocol=5)
    try:
        return pickle.dumps((position, row, stored), protocol=5)
    except Exception:  # metadata of a class that plain pickle cannot find again
        from ray import cloudpickle

        packed: bytes = cloudpickle.dumps((position, row, stored), protocol=5)
        return packed


# Records of outputs by their names: the steps of one op share them.
_OUTPUTS: dict[tuple[str, ...], tuple[OutputRecord, ...]] = {}
_MOST_SHARED = 1024


def unpack_entry(packed: bytes, calls: Sequence[Call], pid: int, batch_id: int) -> Entry:
    """Return the entry in ``packed``, of a batch that made ``calls``."""
    entry = pickle.loads(packed)
    if len(entry) == 3:
        position, row, stored = entry
        is_large = any(isinstance(output, int) for output in stored.values())
        return Entry(position, row._replace(has_large_output=is_large, batch=batch_id), stored)
    position, started, ended, stored, size = entry
    step, attempt_number = calls[position]
    names = tuple(stored)
    outputs = _OUTPUTS.get(names)
    if outputs is None:
        outputs = tuple(map(OutputRecord, names))
        if len(_OUTPUTS) < _MOST_SHARED and not any(name.endswith("]") for name in names):
            _OUTPUTS[names] = outputs
    is_large = False
    for output in stored.values():
        is_large = is_large or isinstance(output, int)
    row = Attempt(
        step,
        attempt_number,
        SUCCESS,
        started,
        ended,
        outputs,
        pid=pid,
        has_large_output=is_large,
        batch=batch_id,
        output_bytes=size,
    )
    return Entry(position, row, stored)


def unpack_entries(
    items: Sequence[bytes | Columns | PlainEntry],
    calls: Sequence[Call],
    pid: int,
    batch_id: int,
    last_position: int,
) -> list[Entry | PlainSuccesses]:
    """Return the entries of a batch that made ``calls``, behind ``last_position`` only."""
    unpacked: list[Entry | PlainSuccesses] = []
    for item in items:
        if isinstance(item, bytes):
            entry = unpack_entry(item, calls, pid, batch_id)
            if entry.position > last_position:
                unpacked.append(entry)
            continue
        first, starts, ends, outputs = _columns_of(item)
        old = max(0, last_position + 1 - first)
        first += old
        if old:
            starts, ends, outputs = starts[old:], ends[old:], outputs[old:]
        if outputs:
            made = calls[first : first + len(outputs)]
            steps, attempt_numbers = [call[0] for call in made], [call[1] for call in made]
            sizes = array("q", map(len, outputs))
            rows = Successes(
                steps, attempt_numbers, array("d", starts), array("d", ends), pid, batch_id, sizes
            )
            unpacked.append(PlainSuccesses(first + len(outputs) - 1, rows, outputs))
    return unpacked


def _columns_of(item: Columns | PlainEntry) -> Columns:
    if isinstance(item, PlainEntry):
        return item.position, [item.started], [item.ended], [item.output]
    return item

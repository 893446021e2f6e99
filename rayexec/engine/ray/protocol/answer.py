"""What a worker answers of a batch: columns of plain successes, and entries of their own for all
other calls.

A plain success is a call of an op with one small output, of which there is nothing else to say.
Most calls are, and in columns they cost a tenth of what entries do.
"""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rayexec.events import SUCCESS, Attempt, OutputRecord, Successes
from rayexec.run.spec import Call

__all__ = ["Entries", "Entry", "PlainEntry", "pack_entry", "unpack_entries", "unpack_entry"]


class PlainEntry(NamedTuple):
    """A plain success: its place in the batch, its times, and its output."""

    position: int
    started: float
    ended: float
    output: bytes


class Entry(NamedTuple):
    """A call that was made: its place in the batch, its row, and its outputs as bytes or places of
    large ones.

    A negative place counts from the end: it is -1 - n for the nth in the list of references that
    the answer ends with.
    """

    position: int
    attempt: Attempt
    stored: dict[str, bytes | int]


# Plain successes that follow each other, as columns: the first one's position, then starts, ends,
# outputs.
Columns = tuple[int, list[float], list[float], list[bytes]]


class Entries:
    """What a batch has to answer so far; another thread may ask for it at any time."""

    def __init__(self) -> None:
        self._items: list[bytes | Columns] = []
        self._next = -1  # the position that would go on with the last columns
        self._columns: Columns = (0, [], [], [])

    def succeeded(self, position: int, started: float, ended: float, output: bytes) -> None:
        """Add a plain success."""
        if position != self._next:
            self._columns = (position, [], [], [])
            self._items.append(self._columns)
        self._next = position + 1
        _, starts, ends, outputs = self._columns
        starts.append(started)
        ends.append(ended)
        outputs.append(output)  # last: what has an output is whole

    def add(self, entry: bytes) -> None:
        """Add what ``pack_entry`` returned."""
        self._next = -1
        self._items.append(entry)

    def so_far(self) -> list[bytes | Columns]:
        """Return what ``unpack_entries`` reads, as it stands."""
        items: list[bytes | Columns] = []
        for item in list(self._items):
            if isinstance(item, bytes):
                items.append(item)
            else:
                first, starts, ends, outputs = item
                whole = len(outputs)
                items.append((first, starts[:whole], ends[:whole], outputs[:whole]))
        return items


def pack_entry(position: int, row: Attempt, stored: Mapping[str, bytes | int]) -> bytes:
    """Return the entry as bytes; a quiet success leaves out what the driver can tell by itself."""
    size = row.output_bytes
    more = (
        row.logs
        or row.hooks
        or row.stdout
        or row.stderr
        or row.resources
        or row.loaded
        or row.reused
    )
    quiet = row.outcome == SUCCESS and not more
    if quiet and all(record.metadata is None and record.handled is None for record in row.outputs):
        return pickle.dumps((position, row.started, row.ended, stored, size), protocol=5)
    try:
        return pickle.dumps((position, row, stored), protocol=5)
    except Exception:  # metadata of a class that plain pickle cannot find again
        from ray import cloudpickle

        return cloudpickle.dumps((position, row, stored), protocol=5)  # type: ignore[no-any-return]  # untyped


# Records of outputs by their names: the steps of one op share them.
_OUTPUTS: dict[tuple[str, ...], tuple[OutputRecord, ...]] = {}
_KNOWN = 1024


def unpack_entry(packed: bytes, calls: Sequence[Call], pid: int, batch_id: int) -> Entry:
    """Return the entry behind ``packed``, of a batch that made ``calls``."""
    entry = pickle.loads(packed)
    if len(entry) == 3:
        position, row, stored = entry
        is_large = any(isinstance(each, int) for each in stored.values())
        return Entry(position, row._replace(has_large_output=is_large, batch=batch_id), stored)
    position, started, ended, stored, size = entry
    step, number = calls[position]
    names = tuple(stored)
    outputs = _OUTPUTS.get(names)
    if outputs is None:
        outputs = tuple(map(OutputRecord, names))
        if len(_OUTPUTS) < _KNOWN and not any(name.endswith("]") for name in names):
            _OUTPUTS[names] = outputs
    is_large = False
    for each in stored.values():
        is_large = is_large or isinstance(each, int)
    row = Attempt(
        step,
        number,
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
    heard: int,
) -> list[Entry | tuple[int, Successes, list[bytes]]]:
    """Return what the batch that made ``calls`` answered, without the calls up to position
    ``heard``.

    Plain successes come as (the last one's position, their rows, their outputs).
    """
    found: list[Entry | tuple[int, Successes, list[bytes]]] = []
    for item in items:
        if isinstance(item, bytes):
            entry = unpack_entry(item, calls, pid, batch_id)
            if entry.position > heard:
                found.append(entry)
            continue
        first, starts, ends, outputs = _columns_of(item)
        known = max(0, heard + 1 - first)
        first += known
        if known:
            starts, ends, outputs = starts[known:], ends[known:], outputs[known:]
        if outputs:
            made = calls[first : first + len(outputs)]
            steps, numbers = [call[0] for call in made], [call[1] for call in made]
            sizes = array("q", map(len, outputs))
            successes = Successes(
                steps, numbers, array("d", starts), array("d", ends), pid, batch_id, sizes
            )
            found.append((first + len(outputs) - 1, successes, outputs))
    return found


def _columns_of(item: Columns | PlainEntry) -> Columns:
    if isinstance(item, PlainEntry):
        return item.position, [item.started], [item.ended], [item.output]
    return item

"""What a worker answers for one call: small where nothing special happened, whole where something did."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rayexec.events import SUCCESS, Attempt, OutputRecord

__all__ = ["Entry", "pack_entry", "unpack_entry"]


class Entry(NamedTuple):
    """A call that was made: its place in the slice, its row, and its outputs as bytes or places of large ones."""

    position: int
    attempt: Attempt
    stored: dict[str, bytes | int]


def pack_entry(position: int, row: Attempt, stored: Mapping[str, bytes | int]) -> bytes:
    """Return the entry as bytes; a plain success leaves out what the driver can tell by itself."""
    plain = row.outcome == SUCCESS and not (row.logs or row.hooks or row.stdout or row.stderr or row.resources)
    if plain and all(record.metadata is None for record in row.outputs):
        return pickle.dumps((position, row.started, row.ended, stored), protocol=5)
    try:
        return pickle.dumps((position, row, stored), protocol=5)
    except Exception:  # metadata of a class that plain pickle cannot find again
        from ray import cloudpickle

        return cloudpickle.dumps((position, row, stored), protocol=5)  # type: ignore[no-any-return]  # untyped


# Records of outputs by their names: the steps of one op share them.
_OUTPUTS: dict[tuple[str, ...], tuple[OutputRecord, ...]] = {}


def unpack_entry(packed: bytes, steps: Sequence[tuple[int, int]], pid: int) -> Entry:
    """Return the entry behind ``packed``; ``steps`` are (step, attempt number) by place in the slice."""
    entry = pickle.loads(packed)
    if len(entry) == 3:
        position, row, stored = entry
        is_large = any(isinstance(each, int) for each in stored.values())
        return Entry(position, row._replace(has_large_output=True) if is_large else row, stored)
    position, started, ended, stored = entry
    step, number = steps[position]
    names = tuple(stored)
    outputs = _OUTPUTS.get(names)
    if outputs is None:
        outputs = _OUTPUTS[names] = tuple(map(OutputRecord, names))
    is_large = False
    for each in stored.values():
        is_large = is_large or isinstance(each, int)
    row = Attempt(step, number, SUCCESS, started, ended, outputs, pid=pid, has_large_output=is_large)
    return Entry(position, row, stored)

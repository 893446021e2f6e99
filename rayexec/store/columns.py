"""Records of a run as columns of Arrow, in frames of a log.

There are two kinds of frames; the metadata of the schema names the kind.

``steps`` has a row for each step of the plan: index, key, signature, and predecessors. Many steps
share a signature (op, fed inputs, outputs); the metadata has the new ones. A later row of a step
replaces an earlier one.

``records`` has a row for each attempt, event, resource and batch, in the order of the log. A later
row of a batch replaces an earlier one. The row of a plain success has columns only. In other rows
``detail`` has the rest as JSON. A row of kind ``LIVE`` has lines of a running attempt; it is void
once the attempt has a row. A row of kind ``RESTORED`` is a step with outputs of the previous run.
"""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from rayexec.errors import StoreError
from rayexec.events import DRIVER_BATCH, UNKNOWN_BYTES, Attempt, Successes
from rayexec.store.frames import frame
from rayexec.store.record import SCHEMA_VERSION, check_version

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ATTEMPT",
    "BATCH",
    "BLOCKED",
    "EVENT",
    "LIVE",
    "PLAIN",
    "RECORDS",
    "RESOURCE",
    "RESTORED",
    "STEPS",
    "Rows",
    "StepSignature",
    "kind_of",
    "new_signatures",
    "open_frame",
    "steps_frame",
]

# Kinds of rows of records.
PLAIN, ATTEMPT, EVENT, RESOURCE, BLOCKED, BATCH, RESTORED = range(7)
LIVE = -1  # the least kind, so that a frame's minimum tells whether it has such rows

RECORDS, STEPS = "records", "steps"

# Frames up to so many bytes are compressed by lz4.
_SMALL_BYTES = 16 * 1024


class StepSignature(NamedTuple):
    """Names that steps of one op share: its inputs with predecessors, and its outputs."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@cache
def _schemas() -> Mapping[str, Any]:
    import pyarrow as pa

    columns: dict[str, list[tuple[str, pa.DataType]]] = {
        RECORDS: [
            ("kind", pa.int8()),
            ("step", pa.int32()),
            ("number", pa.int32()),
            ("outcome", pa.int8()),
            ("started", pa.float64()),
            ("ended", pa.float64()),
            ("pid", pa.int32()),
            ("slice", pa.int32()),  # the batch; the name is from the first version of the column
            ("output_bytes", pa.int64()),
            ("detail", pa.large_string()),
        ],
        STEPS: [
            ("step", pa.int32()),
            ("key", pa.large_string()),
            ("form", pa.int32()),  # the signature
            ("after", pa.list_(pa.int32())),
        ],
    }
    return {
        kind: pa.schema(fields, metadata={"rayexec": kind, "schema_version": str(SCHEMA_VERSION)})
        for kind, fields in columns.items()
    }


def _column(values: array[Any], kind: Any) -> Any:
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _texts(texts: Sequence[str]) -> Any:
    """Return a column of texts.

    ``pyarrow.array`` would first import pandas; that takes longer than a small run.
    """
    joined = "".join(texts)
    data = joined.encode()
    lengths = (
        map(len, texts) if len(data) == len(joined) else (len(text.encode()) for text in texts)
    )
    return _text_column(len(texts), array("q", itertools.accumulate(lengths, initial=0)), data)


def _texts_at(texts: Mapping[int, str], count: int) -> Any:
    """Return a column of ``count`` rows; ``texts`` by row are in order, other rows null."""
    pieces, offsets, bitmap, end = [], array("q"), bytearray(-(-count // 8)), 0
    for row, text in texts.items():
        offsets.extend(array("q", [end]) * (row + 1 - len(offsets)))
        pieces.append(text.encode())
        end += len(pieces[-1])
        bitmap[row >> 3] |= 1 << (row & 7)
    offsets.extend(array("q", [end]) * (count + 1 - len(offsets)))
    return _text_column(count, offsets, b"".join(pieces), bytes(bitmap))


def _text_column(count: int, offsets: array[int], data: bytes, bitmap: bytes | None = None) -> Any:
    import pyarrow as pa

    validity = None if bitmap is None else pa.py_buffer(bitmap)
    return pa.Array.from_buffers(
        pa.large_string(), count, [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def _write(schema: Any, columns: Sequence[Any]) -> bytes:
    import pyarrow as pa

    # zstd prepares itself for 0.2 ms each time, which a watched run would pay ten times a second.
    is_small = sum(column.nbytes for column in columns) <= _SMALL_BYTES
    options = pa.ipc.IpcWriteOptions(compression="lz4" if is_small else "zstd", use_threads=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return frame(sink.getvalue())


class Rows:
    """Rows of ``records`` for the next frame."""

    __slots__ = (
        "_attempt_number",
        "_batch",
        "_detail",
        "_ended",
        "_kind",
        "_outcome",
        "_pid",
        "_sizes",
        "_started",
        "_step",
    )

    def __init__(self) -> None:
        self._kind, self._outcome = array("b"), array("b")
        self._step, self._attempt_number, self._pid = array("i"), array("i"), array("i")
        self._started, self._ended = array("d"), array("d")
        self._batch, self._sizes = array("i"), array("q")
        self._detail: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._kind)

    def add(
        self,
        kind: int,
        started: float,
        ended: float,
        detail: str | None = None,
        *,
        step: int = -1,
        attempt_number: int = 0,
        outcome: int = 0,
        pid: int = 0,
        batch: int = DRIVER_BATCH,
        output_bytes: int = UNKNOWN_BYTES,
    ) -> None:
        """Add a row."""
        if detail is not None:
            self._detail[len(self._kind)] = detail
        self._kind.append(kind)
        self._step.append(step)
        self._attempt_number.append(attempt_number)
        self._outcome.append(outcome)
        self._started.append(started)
        self._ended.append(ended)
        self._pid.append(pid)
        self._batch.append(batch)
        self._sizes.append(output_bytes)

    def add_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Add plain successes, one row each."""
        self._zeros(len(attempts))
        steps, attempt_numbers, _, started, ended = zip(
            *[each[:5] for each in attempts], strict=True
        )
        self._step.extend(steps)
        self._attempt_number.extend(attempt_numbers)
        self._started.extend(started)
        self._ended.extend(ended)
        self._pid.extend([each.pid for each in attempts])
        self._batch.extend([each.batch for each in attempts])
        self._sizes.extend([each.output_bytes for each in attempts])

    def add_successes(self, successes: Successes) -> None:
        """Add plain successes that are in columns already."""
        count = len(successes.steps)
        self._zeros(count)
        self._step.extend(successes.steps)
        self._attempt_number.extend(successes.attempt_numbers)
        self._started.extend(successes.started)
        self._ended.extend(successes.ended)
        self._pid.extend(array("i", [successes.pid]) * count)
        self._batch.extend(array("i", [successes.batch]) * count)
        self._sizes.extend(successes.sizes or array("q", [UNKNOWN_BYTES]) * count)

    def add_restored(self, steps: Sequence[int]) -> None:
        """Add restored steps, one row each."""
        for step in steps:
            self.add(RESTORED, 0.0, 0.0, step=step)

    def _zeros(self, count: int) -> None:
        self._kind.frombytes(bytes(count))  # PLAIN and SUCCESS are 0.
        self._outcome.frombytes(bytes(count))

    def frame(self) -> bytes:
        """Return a frame of the rows."""
        count, schema = len(self), _schemas()[RECORDS]
        arrays: tuple[array[Any], ...] = (
            self._kind,
            self._step,
            self._attempt_number,
            self._outcome,
            self._started,
            self._ended,
            self._pid,
            self._batch,
            self._sizes,
        )
        columns = [_column(each, field.type) for each, field in zip(arrays, schema, strict=False)]
        return _write(schema, [*columns, _texts_at(self._detail, count)])


def steps_frame(
    steps: Sequence[int],
    keys: Sequence[str],
    signatures: Sequence[int],
    after: Sequence[Sequence[int]],
    new: Iterable[tuple[int, StepSignature]],
) -> bytes:
    """Return a frame of steps; ``signatures`` are their numbers, ``after`` predecessors."""
    import pyarrow as pa

    schema = _schemas()[STEPS]
    metadata = {
        **schema.metadata,
        b"forms": json.dumps([[index, *signature] for index, signature in new]).encode(),
    }
    columns = [
        _column(array("i", steps), pa.int32()),
        _texts(keys),
        _column(array("i", signatures), pa.int32()),
        pa.ListArray.from_arrays(
            _column(array("i", itertools.accumulate(map(len, after), initial=0)), pa.int32()),
            _column(array("i", itertools.chain.from_iterable(after)), pa.int32()),
        ),
    ]
    return _write(schema.with_metadata(metadata), columns)


def open_frame(body: memoryview) -> pa.Table:
    """Return the table in the body of a frame; raises StoreError for a newer schema version."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        version = int((table.schema.metadata or {})[b"schema_version"])
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise StoreError(f"the log cannot be read: {error}") from None
    check_version(version, "the log")
    return table


def kind_of(table: pa.Table) -> str:
    """Return the kind of a frame, RECORDS or STEPS."""
    return str((table.schema.metadata or {})[b"rayexec"].decode())


def new_signatures(table: pa.Table) -> dict[int, StepSignature]:
    """Return the new signatures in a frame of steps, by their numbers."""
    listed = json.loads((table.schema.metadata or {})[b"forms"])
    return {
        index: StepSignature(op, tuple(inputs), tuple(outputs))
        for index, op, inputs, outputs in listed
    }

"""Columns of plain numbers, between Arrow and the ``array`` module."""

from __future__ import annotations

from array import array
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import DRIVER_BATCH, UNKNOWN_BYTES

__all__ = ["arrow_of", "equal", "equal_any", "extend", "numbers_of", "record_columns", "within"]

# Columns that logs of schema version 1 lack, and the value that their rows have there.
_ABSENT = {"slice": DRIVER_BATCH, "output_bytes": UNKNOWN_BYTES}
_TYPES = {
    "kind": "int8",
    "step": "int32",
    "number": "int32",
    "outcome": "int8",
    "started": "double",
    "ended": "double",
    "pid": "int32",
    "slice": "int32",
    "output_bytes": "int64",
    "detail": "large_string",
}
_CODES = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "float": "f", "double": "d"}


def record_columns(table: Any) -> Any:
    """Return the columns of a frame of records; raises StoreError where it has others."""
    import pyarrow as pa

    columns = []
    for name, kind in _TYPES.items():
        if name not in table.column_names and name in _ABSENT:
            absent: Any = pa.scalar(_ABSENT[name])
            columns.append(pa.repeat(absent.cast(kind), table.num_rows))
            continue
        if name not in table.column_names or str(table.schema.field(name).type) != kind:
            raise StoreError(f"the log cannot be read: its records have no valid {name}.")
        columns.append(table[name])
    return pa.table(columns, list(_TYPES))


def extend(column: array[Any], values: Any) -> None:
    """Append an Arrow column of numbers to ``column``, which has the same type."""
    for chunk in getattr(values, "chunks", None) or [values]:
        if len(chunk):
            whole = chunk.fill_null(0) if chunk.null_count else chunk
            size = column.itemsize
            data = memoryview(whole.buffers()[1]).cast("B")
            column.frombytes(data[whole.offset * size : (whole.offset + len(whole)) * size])


def numbers_of(values: Any) -> array[Any]:
    """Return an Arrow column of numbers as an ``array``."""
    column: array[Any] = array(_CODES[str(values.type)])
    if len(values):
        extend(column, values)
    return column


def arrow_of(column: array[Any] | bytearray, start: int = 0, end: int | None = None) -> Any:
    """Return a copy of a part of a column, as Arrow's."""
    import pyarrow as pa

    types = {
        "b": pa.int8(),
        "h": pa.int16(),
        "i": pa.int32(),
        "q": pa.int64(),
        "f": pa.float32(),
        "d": pa.float64(),
    }
    code = "b" if isinstance(column, bytearray) else column.typecode
    with memoryview(column) as view, view[start:end] as part:
        count, data = len(part), part.tobytes()
    return pa.Array.from_buffers(types[code], count, [None, pa.py_buffer(data)])


def equal(column: Any, value: int) -> Any:
    """Return a mask of the rows with a value."""
    import pyarrow as pa
    from pyarrow import compute

    return compute.equal(column, pa.scalar(value, column.type))


def equal_any(column: Any, *values: int) -> Any:
    """Return a mask of the rows with one of some values."""
    from pyarrow import compute

    mask, *others = [equal(column, value) for value in values]
    for other in others:
        mask = compute.or_(mask, other)
    return mask


def within(column: Any, start: int, end: int) -> Any:
    """Return a mask of the rows with a value from ``start`` on and below ``end``."""
    import pyarrow as pa
    from pyarrow import compute

    least, most = pa.scalar(start, column.type), pa.scalar(end - 1, column.type)
    return compute.and_(compute.greater_equal(column, least), compute.less_equal(column, most))

"""Columns of plain numbers, between Arrow and the ``array`` module."""

from __future__ import annotations

from array import array
from importlib import import_module
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import DRIVER_BATCH, UNKNOWN_BYTES

__all__ = [
    "arrow_of",
    "equal",
    "equal_any",
    "extend",
    "grouped",
    "numbers_of",
    "record_columns",
    "scalar",
    "true_or_false",
    "within",
]

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
            absent = scalar(_ABSENT[name], getattr(pa, kind)())
            columns.append(pa.repeat(absent, table.num_rows))
            continue
        if name not in table.column_names or str(table.schema.field(name).type) != kind:
            raise StoreError(f"the log cannot be read: its records have no valid {name}.")
        columns.append(table[name])
    return pa.table(columns, list(_TYPES))


def extend(column: array[Any], values: Any) -> None:
    """Append an Arrow column of numbers to ``column``, which has the same type."""
    for chunk in getattr(values, "chunks", None) or [values]:
        if len(chunk):
            whole = chunk.fill_null(scalar(0, chunk.type)) if chunk.null_count else chunk
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


def scalar(value: float | str | bool | None, kind: Any) -> Any:
    """Return a value as Arrow has it.

    ``pyarrow.scalar`` would first import pandas, for half a second and 60 MB.
    """
    import pyarrow as pa

    if value is None:
        return pa.nulls(1, kind)[0]
    if isinstance(value, str):
        data = value.encode()
        buffers = [None, pa.py_buffer(array("q", [0, len(data)])), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.large_string(), 1, buffers)[0].cast(kind)
    if isinstance(value, bool):
        return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes([value]))])[0]
    return arrow_of(array(_CODES[str(kind)], [value]))[0]


def true_or_false(mask: Any) -> Any:
    """Return a mask without nulls: they become false."""
    import pyarrow as pa
    from pyarrow import compute

    return compute.fill_null(mask, scalar(False, pa.bool_()))


def equal(column: Any, value: int) -> Any:
    """Return a mask of the rows with a value."""
    from pyarrow import compute

    return compute.equal(column, scalar(value, column.type))


def equal_any(column: Any, *values: int) -> Any:
    """Return a mask of the rows with one of some values."""
    from pyarrow import compute

    mask, *others = [equal(column, value) for value in values]
    for other in others:
        mask = compute.or_(mask, other)
    return mask


def grouped(table: Any, keys: list[str], *figures: tuple[str, str]) -> Any:
    """Return a table with a row for each group of rows with equal ``keys``.

    A figure is the name of a column, "" for none, and what to do with it, such as "sum"; its column
    is named after both. ``Table.group_by`` does the same, and first imports pandas.
    """
    try:
        acero: Any = import_module("pyarrow._acero")
    except ImportError:  # The name is not public, so another version may have another one.
        acero = import_module("pyarrow.acero")

    aggregates = [
        ([name] if name else [], f"hash_{kind}", None, f"{name}_{kind}" if name else kind)
        for name, kind in figures
    ]
    plan = [
        acero.Declaration("table_source", acero.TableSourceNodeOptions(table)),
        acero.Declaration("aggregate", acero.AggregateNodeOptions(aggregates, keys=keys)),
    ]
    return acero.Declaration.from_sequence(plan).to_table(use_threads=False)


def within(column: Any, start: int, end: int) -> Any:
    """Return a mask of the rows with a value from ``start`` on and below ``end``."""
    from pyarrow import compute

    least, most = scalar(start, column.type), scalar(end - 1, column.type)
    return compute.and_(compute.greater_equal(column, least), compute.less_equal(column, most))

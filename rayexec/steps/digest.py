"""Digests of values by content, the same in every process and with any hash randomization.

A digest depends on content and type: 1, 1.0, True and "1" are four values, 0.0 and -0.0 are two,
and all NaNs of Python are one. Dictionaries and sets have no order. NumPy arrays count by dtype,
shape and bytes, Arrow data by schema and content without its chunks. Dataclasses and pydantic
models count by the name of their class and all their fields. Code, including classes, counts by its
name, and a path by its text.

Any other value counts by its pickle. Then equal values may have different digests, for example with
sets inside; different values still never have the same one.
"""

from __future__ import annotations

import array
import dataclasses
import datetime
import decimal
import enum
import hashlib
import io
import pathlib
import pickle
import struct
import sys
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rayexec.definitions.environment_values import ORIGINS
from rayexec.former_names import stable_name

__all__ = ["digest"]

_INLINE_BYTES = 256  # the content of a longer part is replaced by its digest
_SLAB_BYTES = 8 * 1024 * 1024  # arrays out of C order are copied in slabs of this size
_SMALL_INTS = range(-(2**63), 2**63)
_CONTAINERS = (
    dict,
    list,
    tuple,
    set,
    frozenset,
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    BaseException,
)


class _Circle(Exception):
    """A value contains itself."""


def digest(value: Any) -> str:
    """Return the digest of ``value``, 64 hexadecimal digits; raises any error of pickling it."""
    try:
        parts = _Digester().of(value)
    except (_Circle, RecursionError):
        parts = _pickled(value)
    return hashlib.sha256(parts).hexdigest()


# Each part begins with a tag, and has a fixed length or a length field, so that different rows of
# parts never have the same bytes.


def _leaf(tag: bytes, content: bytes | bytearray | memoryview) -> bytes:
    if len(content) <= _INLINE_BYTES:
        return b"%c%s%s" % (tag, struct.pack("<H", len(content)), content)
    return b"%c\xff\xff%s" % (tag, hashlib.sha256(content).digest())


def _text(tag: bytes, text: str) -> bytes:
    return _leaf(tag, text.encode("utf-8", "surrogatepass"))


def _float(value: float) -> bytes:
    return struct.pack("<d", value) if value == value else b"\0\0\0\0\0\0\xf8\x7f"


def _int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _moment(value: datetime.time | datetime.datetime) -> str:
    return f"{value.replace(tzinfo=None).isoformat()}/{value.fold}"


_LEAVES: Mapping[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    type(...): lambda value: b".",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: _leaf(b"i", _int(value)),
    float: lambda value: b"f" + _float(value),
    complex: lambda value: b"c" + _float(value.real) + _float(value.imag),
    str: lambda value: _text(b"s", value),
    bytes: lambda value: _leaf(b"b", value),
    bytearray: lambda value: _leaf(b"B", value),
    datetime.date: lambda value: _text(b"d", value.isoformat()),
    datetime.timedelta: lambda value: _text(
        b"D", f"{value.days}/{value.seconds}/{value.microseconds}"
    ),
    decimal.Decimal: lambda value: _text(b"e", str(value)),
    uuid.UUID: lambda value: b"u" + value.bytes,
}


def _row(tag: bytes, parts: Iterable[bytes]) -> bytes:
    """Return the part of a row of parts; the tag implies their count or their end."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return tag + whole.digest()


def _pickled(value: Any) -> bytes:
    # Plain pickle, and not Ray's: cloudpickle marks classes of __main__ with random numbers.
    buffers: list[pickle.PickleBuffer] = []
    main = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [memoryview(main), *(each.raw() for each in buffers)]
    return _row(b"P", [struct.pack("<Q", len(views)), *(_bulk(view) for view in views)])


def _bulk(*views: Any) -> bytes:
    """Return the part of any amount of bytes."""
    whole, size = hashlib.sha256(), 0
    for view in views:
        whole.update(view)
        size += memoryview(view).nbytes
    return struct.pack("<Q", size) + whole.digest()


def _name(kind: type) -> bytes:
    return _text(b"n", "{}:{}".format(*stable_name(kind)))


class _Digester:
    """Digests one value; an object that occurs several times is digested once."""

    def __init__(self) -> None:
        # By id: the value, to keep its id in use, and its part, None until it is complete.
        self._parts: dict[int, tuple[Any, bytes | None]] = {}

    def of(self, value: Any) -> bytes:
        """Return the part of ``value``."""
        leaf = _LEAVES.get(type(value))
        if leaf is not None:
            return leaf(value)
        entry = self._parts.get(id(value))
        if entry is not None:
            if entry[1] is None:
                raise _Circle
            return entry[1]
        self._parts[id(value)] = (value, None)
        part = self._part(value, type(value))
        self._parts[id(value)] = (value, part)
        return part

    def _part(self, value: Any, kind: type) -> bytes:
        if kind is list or kind is tuple:
            return self._sequence(b"[" if kind is list else b"(", value)
        if kind is dict:
            return self._mapping(value)
        if kind is set or kind is frozenset:
            members = sorted(map(self.of, value))
            return _row(b"{" if kind is set else b"<", [struct.pack("<Q", len(members)), *members])
        if kind is datetime.datetime or kind is datetime.time:
            return _row(b"m", (_name(kind), _text(b"s", _moment(value)), self.of(value.tzinfo)))
        if isinstance(value, enum.Enum):
            return _row(b"E", (_name(kind), self.of(value.value)))
        if isinstance(value, pathlib.PurePath):
            return _row(b"p", (_name(kind), _text(b"s", str(value))))
        if kind is OrderedDict:
            return _row(b"O", self._in_order([each for item in value.items() for each in item]))
        if (
            isinstance(value, tuple)
            and hasattr(value, "_fields")
            and not hasattr(value, "__dict__")
        ):
            return _row(b"t", (_name(kind), *self._in_order(value)))
        package = str(kind.__module__).partition(".")[0]
        part = None
        if package == "numpy":
            part = self._of_numpy(value)
        elif package == "pyarrow":
            part = _of_arrow(value)
        elif package == "pandas":
            part = self._of_pandas(value)
        elif not isinstance(value, (*_CONTAINERS, type)):
            part = self._of_fields(value, kind)
        return _pickled(value) if part is None else part

    def _in_order(self, values: Any) -> Iterator[bytes]:
        yield struct.pack("<Q", len(values))
        for value in values:
            yield self.of(value)

    def _sequence(self, tag: bytes, values: Any) -> bytes:
        kinds = set(map(type, values))
        packed: Any = None
        if kinds == {float}:
            packed = array.array("d", values)
        elif kinds == {int} and min(values) in _SMALL_INTS and max(values) in _SMALL_INTS:
            packed = array.array("q", values)
        elif kinds == {str}:
            lengths = array.array("q", map(len, values))
            text = "".join(values).encode("utf-8", "surrogatepass")
            return tag + b"s" + _bulk(lengths) + _bulk(text)
        if packed is None or (kinds == {float} and any(each != each for each in values)):
            return _row(tag + b"*", self._in_order(values))
        return tag + (b"d" if kinds == {float} else b"q") + _bulk(packed)

    def _mapping(self, value: Mapping[Any, Any]) -> bytes:
        if set(map(type, value)) == {str}:
            parts = [
                part for key in sorted(value) for part in (_text(b"s", key), self.of(value[key]))
            ]
        else:
            pairs = sorted((self.of(key), self.of(each)) for key, each in value.items())
            parts = [part for pair in pairs for part in pair]
        return _row(b"M", [struct.pack("<Q", len(value)), *parts])

    def _of_fields(self, value: Any, kind: type) -> bytes | None:
        """Return the part of a dataclass or a pydantic model, None for anything else.

        A class of the package whose form has changed has ``__first_form__``: the class and fields
        that keys hold since they were first made.
        """
        fields: dict[str, Any] = {}
        pydantic = sys.modules.get("pydantic")
        if hasattr(kind, "__first_form__"):
            kind, fields = value.__first_form__()
            return _row(b"C", (_name(kind), self._mapping(fields)))
        if pydantic is not None and isinstance(value, pydantic.BaseModel):
            more = {
                "__pydantic_extra__": value.__pydantic_extra__,
                "__pydantic_private__": value.__pydantic_private__,
            }
            fields = {name: each for name, each in more.items() if each}
        elif dataclasses.is_dataclass(value):
            names = [each.name for each in dataclasses.fields(value)]
            fields = {name: getattr(value, name) for name in names if hasattr(value, name)}
        else:
            return None
        fields |= getattr(value, "__dict__", {})
        fields.pop(ORIGINS, None)  # a value counts, wherever it comes from
        return _row(b"C", (_name(kind), self._mapping(fields)))

    def _of_numpy(self, value: Any) -> bytes | None:
        import numpy

        if isinstance(value, numpy.generic):
            return _row(b"g", (_name(type(value)), self._array(numpy.asarray(value))))
        return self._array(value) if type(value) in (numpy.ndarray, numpy.memmap) else None

    def _array(self, value: Any) -> bytes:
        head = _text(b"s", f"{value.dtype!r}{value.shape}")
        if value.dtype.hasobject:
            return _row(b"o", (head, *self._in_order(value.ravel().tolist())))
        return _row(b"a", (head, _bulk(*_slabs(value))))

    def _of_pandas(self, value: Any) -> bytes | None:
        import pandas  # type: ignore[import-untyped]  # it has no stubs of its own

        kind = type(value)
        if kind is pandas.DataFrame:
            columns = [value.iloc[:, index] for index in range(value.shape[1])]
            parts = [self._pandas_array(each.array) for each in columns]
            return _row(b"x", (*map(self.of, (value.columns, value.index, value.attrs)), *parts))
        if kind is pandas.Series:
            return _row(
                b"y",
                (
                    *map(self.of, (value.name, value.index, value.attrs)),
                    self._pandas_array(value.array),
                ),
            )
        if isinstance(value, pandas.MultiIndex):
            levels = [value.get_level_values(level) for level in range(value.nlevels)]
            return _row(b"X", (_name(kind), *self._in_order(levels)))
        if isinstance(value, pandas.RangeIndex):
            return _row(b"r", map(self.of, (value.name, value.start, value.stop, value.step)))
        if isinstance(value, pandas.Index):
            step = str(getattr(value, "freqstr", None))
            return _row(
                b"z",
                (_name(kind), self.of(value.name), self.of(step), self._pandas_array(value.array)),
            )
        return None

    def _pandas_array(self, value: Any) -> bytes:
        import pandas

        head = _text(b"s", repr(value.dtype))
        if isinstance(value, pandas.arrays.NumpyExtensionArray):
            return self._array(value.to_numpy())
        if isinstance(value, pandas.Categorical):
            return _row(b"k", (head, self.of(value.categories), self._array(value.codes)))
        if hasattr(value, "asi8"):
            return _row(b"8", (head, self._array(value.asi8)))
        if hasattr(value, "__arrow_array__"):
            import pyarrow

            data = pyarrow.array(value)
            part = _of_arrow(
                data if isinstance(data, pyarrow.ChunkedArray) else pyarrow.chunked_array([data])
            )
            if part is not None:
                return _row(b"w", (head, part))
        return _pickled(value)


def _slabs(value: Any) -> Iterator[Any]:
    """Yield the items of a NumPy array as bytes in C order, with a copy only for another order."""
    import numpy

    if not value.nbytes:
        return
    if value.flags.c_contiguous:
        yield value.reshape(-1).view(numpy.uint8)
        return
    step = max(1, _SLAB_BYTES * len(value) // value.nbytes)
    for start in range(0, len(value), step):
        yield numpy.ascontiguousarray(value[start : start + step]).reshape(-1).view(numpy.uint8)


class _Sink(io.RawIOBase):
    """A file for Arrow to write to; it keeps only a digest."""

    def __init__(self) -> None:
        self.whole = hashlib.sha256()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.whole.update(view)
        return view.nbytes

    def writable(self) -> bool:
        return True


def _of_arrow(value: Any) -> bytes | None:
    """Return the part of Arrow data, its IPC stream in one batch; None for another object."""
    import pyarrow

    if isinstance(value, pyarrow.Table):
        table = value
    elif isinstance(value, pyarrow.RecordBatch):
        table = pyarrow.Table.from_batches([value])
    elif isinstance(value, (pyarrow.Array, pyarrow.ChunkedArray)):
        table = pyarrow.table({"": value})
    elif isinstance(value, pyarrow.Scalar):
        table = pyarrow.table({"": pyarrow.array([value], value.type)})
    else:
        return None
    sink = _Sink()
    with pyarrow.ipc.new_stream(pyarrow.PythonFile(sink, mode="w"), table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return _row(b"A", (_name(type(value)), sink.whole.digest()))

"""Digests of values: equal for equal content in any process, different for any other content."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
import os
import pickle
import struct
import subprocess
import sys
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # it has no stubs of its own
import pyarrow as pa
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayexec.steps.digest import digest


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    x: Any
    y: Any = 0


class Pair(NamedTuple):
    x: Any
    y: Any = 0


class Settings(pydantic.BaseModel):
    x: Any
    y: Any = 0


class Scaled:
    def __init__(self, x: Any) -> None:
        self.x = x


@dataclasses.dataclass
class Derived:
    """A dataclass whose content is in no field of it."""

    scale: dataclasses.InitVar[int]

    def __post_init__(self, scale: int) -> None:
        self.factor = scale * 2


# Few leaves, so that values that differ in nothing but a type or an order are frequent.
LEAVES = st.sampled_from(
    [
        None,
        False,
        True,
        0,
        1,
        -1,
        2**70,
        0.0,
        -0.0,
        1.0,
        math.nan,
        math.inf,
        1j,
        "",
        "0",
        "1",
        "a",
        b"",
        b"a",
    ]
)
HASHABLE = (
    LEAVES | st.tuples(LEAVES) | st.tuples(LEAVES, LEAVES) | st.frozensets(LEAVES, max_size=2)
)
VALUES = st.recursive(
    HASHABLE | st.text(max_size=4) | st.binary(max_size=300) | st.floats() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=4)
        | st.tuples(inner, inner).map(lambda fields: Point(*fields))
        | inner.map(Cell)
        | inner.map(Pair)
        | st.binary(max_size=2).map(bytearray)
    ),
    max_leaves=6,
)


def spelled(value: Any) -> Any:
    """Return a form of a value with all its differences from others visible to ``==``."""
    kind = type(value).__name__
    if isinstance(value, float):
        return kind, "nan" if value != value else struct.pack("<d", value)
    if isinstance(value, (Point, Cell)):
        return kind, spelled(value.x), spelled(value.y)
    if isinstance(value, dict):
        return (
            kind,
            len(value),
            frozenset((spelled(key), spelled(each)) for key, each in value.items()),
        )
    if isinstance(value, (set, frozenset)):
        return kind, len(value), frozenset(map(spelled, value))
    if isinstance(value, (list, tuple)):
        return kind, tuple(map(spelled, value))
    return kind, bytes(value) if isinstance(value, bytearray) else value


@given(VALUES, VALUES)
def test_digests_are_equal_where_values_are_and_differ_where_they_do(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (spelled(one) == spelled(other))


@given(st.lists(LEAVES, max_size=4), st.lists(LEAVES, max_size=4))
def test_where_one_member_ends_and_the_next_begins_counts(one: list[Any], other: list[Any]) -> None:
    assert (digest([one, other]) == digest([[*one, *other], []])) == (not other)
    assert digest([*one, *other]) != digest([one, other])


_CHILD = """
import pickle, struct, sys
sys.path.insert(0, sys.argv[1])
from rayexec.steps.digest import digest
while head := sys.stdin.buffer.read(8):
    value = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", head)[0]))
    sys.stdout.write(digest(value) + "\\n")
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[[Any], str]]:
    """Digest values in a process with another hash randomization."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(Path(__file__).parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(value: Any) -> str:
        pickled = pickle.dumps(value)
        stdin.write(struct.pack("<Q", len(pickled)) + pickled)
        stdin.flush()
        return stdout.readline().decode().strip()

    with process:
        yield ask
        stdin.close()
    assert process.returncode == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES | st.sets(st.text(max_size=3)) | st.dictionaries(st.text(max_size=3), LEAVES))
def test_another_process_makes_the_same_digests(
    elsewhere: Callable[[Any], str], value: Any
) -> None:
    assert elsewhere(value) == digest(value)


_NOON = datetime.datetime(2001, 2, 3, 12)
_TABLE = pa.table(
    {"n": [1, None, 3], "s": ["a", None, ""], "l": [[1], [], None], "b": [True, None, False]}
)
_FRAME = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "f": [1.0, math.nan, 3.0],
        "s": ["a", None, "c"],
        "t": pd.to_datetime(["2001-01-01", "2001-01-02", None]),
        "c": pd.Categorical(["x", "y", "x"]),
        "i": pd.array([1, None, 3], dtype="Int64"),
        "z": pd.to_datetime(["2001-01-01", "2001-01-02", None]).tz_localize("UTC"),
        "o": pd.Series([("a", 1), None, 2.5], dtype=object),
    }
)

# No two of these are the same.
DIFFERENT: dict[str, Any] = {
    "date": _NOON.date(),
    "datetime": _NOON,
    "datetime utc": _NOON.replace(tzinfo=datetime.timezone.utc),
    "datetime zone": _NOON.replace(tzinfo=ZoneInfo("Europe/Berlin")),
    "datetime fold": _NOON.replace(fold=1),
    "time": _NOON.time(),
    "timedelta": datetime.timedelta(days=1, microseconds=2),
    "decimal": Decimal("1"),
    "decimal places": Decimal("1.0"),
    "uuid": uuid.UUID(int=1),
    "path": PurePosixPath("a"),
    "path here": Path("a"),
    "text": "a",
    "long text": "a" * 1000,
    "long bytes": b"a" * 1000,
    "enum": Colour.RED,
    "other enum": Colour.BLUE,
    "int enum": Level.LOW,
    "dataclass": Point(1, [2]),
    "slots": Cell(1, [2]),
    "nested": Point(Point(1, 2), {"a"}),
    "derived": Derived(1),
    "derived otherwise": Derived(2),
    "named tuple": Pair(1, [2]),
    "model": Settings(x=1, y=[2]),
    "other model": Settings(x=1, y=(2,)),
    "object": Scaled(1),
    "other object": Scaled(2),
    "class": Point,
    "function": spelled,
    "exception": ValueError("a"),
    "in order": OrderedDict(a=1, b=2),
    "in another order": OrderedDict(b=2, a=1),
    "plain dict": {"a": 1, "b": 2},
    "range": range(3),
    "slice": slice(1, 2),
    "ellipsis": ...,
    "ints": [1, 2, 3],
    "floats": [1.0, 2.0, 3.0],
    "mixed": [1, 2.0, 3],
    "texts": ["ab", "c"],
    "other texts": ["a", "bc"],
    "array": np.arange(6),
    "array 2d": np.arange(6).reshape(2, 3),
    "array turned": np.arange(6).reshape(2, 3).T,
    "array of int32": np.arange(6, dtype=np.int32),
    "array of float": np.arange(6.0),
    "array, other end": np.arange(6).astype(">i8"),
    "array 0d": np.array(1),
    "array empty": np.zeros((0, 3)),
    "array empty otherwise": np.zeros((3, 0)),
    "array of objects": np.array(["a", None, 1.5], dtype=object),
    "array of text": np.array(["a", "bc"]),
    "array of days": np.array(["2001-01-01"], dtype="M8[D]"),
    "array of rows": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "masked": np.ma.masked_array([1, 2], [True, False]),
    "scalar": np.float64(1),
    "scalar int": np.int64(1),
    "float": 1.0,
    "table": _TABLE,
    "table, other name": _TABLE.rename_columns(["m", "s", "l", "b"]),
    "table, metadata": _TABLE.replace_schema_metadata({"a": "b"}),
    "batch": _TABLE.to_batches()[0],
    "arrow array": pa.array([1, 2]),
    "arrow chunks": pa.chunked_array([[1, 2]]),
    "arrow null": pa.array([1, None]),
    "arrow dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
    "arrow scalar": pa.scalar(1),
    "arrow schema": _TABLE.schema,
    "frame": _FRAME,
    "frame, other index": _FRAME.set_index("n", drop=False),
    "frame, other order": _FRAME[_FRAME.columns[::-1]],
    "frame, attributes": pd.DataFrame({"a": [1]}).pipe(
        lambda frame: frame.attrs.update(a=1) or frame
    ),
    "frame small": pd.DataFrame({"a": [1]}),
    "series": pd.Series([1], name="a"),
    "series, no name": pd.Series([1]),
    "index": pd.Index(["a", "b"]),
    "range index": pd.RangeIndex(2),
    "multi index": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
    "periods": pd.period_range("2001-01", periods=2, freq="M"),
    "timestamp": pd.Timestamp(_NOON),
}


def test_values_of_many_kinds_all_differ() -> None:
    names_by_digest: dict[str, str] = {}
    for name, value in DIFFERENT.items():
        same_as = names_by_digest.setdefault(digest(value), name)
        assert same_as == name


# NumPy's pickle turns the one to this machine's order, and adds to the other: the copies are not
# the same.
_CHANGED = {"array, other end", "masked"}


@pytest.mark.parametrize("name", sorted(DIFFERENT.keys() - _CHANGED))
def test_a_copy_has_the_same_digest_also_elsewhere(
    name: str, elsewhere: Callable[[Any], str]
) -> None:
    value = DIFFERENT[name]
    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)
    assert elsewhere(value) == digest(value)


@given(st.lists(st.integers(-100, 100) | st.none(), min_size=1, max_size=30), st.data())
def test_how_arrow_data_is_chunked_does_not_count(
    values: list[int | None], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    texts = [None if each is None else str(each) for each in values]
    table = pa.table(
        {"n": values, "s": texts, "b": [None if each is None else each > 0 for each in values]}
    )
    parts = [
        table.slice(begin, end - begin)
        for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True)
    ]
    chunked = pa.concat_tables(
        [pa.Table.from_pylist(part.to_pylist(), schema=table.schema) for part in parts]
    )
    assert digest(chunked) == digest(table)
    longer = pa.concat_tables([chunked, table.slice(0, 1)])
    assert digest(longer) != digest(table)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_how_an_array_lies_in_memory_does_not_count(rows: int, columns: int, step: int) -> None:
    whole = np.arange(rows * columns * step, dtype=np.float64).reshape(rows, columns * step)
    part = whole[:, ::step]
    assert digest(part) == digest(part.copy()) == digest(np.asfortranarray(part))


def test_large_arrays_that_do_not_lie_in_order_are_digested_in_parts() -> None:
    array = np.arange(3_000_000, dtype=np.float64).reshape(1000, 3000)
    assert digest(array.T) == digest(array.T.copy())
    changed = array.T.copy()
    changed[-1, -1] += 1
    assert digest(changed) != digest(array.T)


def test_what_holds_itself_has_a_digest(elsewhere: Callable[[Any], str]) -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    other: list[Any] = [2]
    other.append(other)
    assert digest(circle) == elsewhere(circle)
    assert digest(circle) != digest(other)


def test_what_is_shared_is_looked_at_once() -> None:
    shared: Any = "a"
    for _ in range(200):  # 2 ** 200 leaves
        shared = (shared, shared)
    assert digest(shared) == digest(pickle.loads(pickle.dumps(shared)))


def test_what_cannot_be_pickled_has_no_digest() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        digest(lambda: 1)
    with pytest.raises(TypeError):
        digest([1, {"a": threading.Lock()}])

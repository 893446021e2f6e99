"""Run-time type checks: the table of annotations and values."""

import collections.abc
import typing
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    Optional,
    Protocol,
    TypeVar,
    Union,
    runtime_checkable,
)

import pytest

from rayexec import DagsterType, Nothing, TypeCheck
from rayexec.definitions.types.type_resolution import resolve_type


@dataclass
class Thing:
    n: int = 0


class SubThing(Thing):
    pass


@runtime_checkable
class Sized(Protocol):
    def __len__(self) -> int: ...


class Unchecked(Protocol):
    def nonsense(self) -> int: ...


T = TypeVar("T")
Id = NewType("Id", int)


@pytest.mark.parametrize(
    ("annotation", "passes", "fails"),
    [
        (int, [1, True], ["1", 1.0, None]),
        (float, [1.0], [1, True, "1.0"]),
        (bool, [True], [1, 0]),
        (str, ["x"], [b"x", 1]),
        (None, [None], [0, ""]),
        (bytes, [b""], ["", bytearray()]),
        (list, [[1, "x"]], [(1,), "x"]),
        (dict, [{}], [[]]),
        (list[int], [[], [1, 2]], [[1, "2"], (1,)]),
        (typing.List[int], [[1]], [["1"]]),  # noqa: UP006  # the old spelling is part of the table
        (set[str], [{"a"}], [{1}, ["a"]]),
        (dict[str, int], [{"a": 1}], [{"a": "1"}, {1: 1}]),
        (dict[str, Any], [{"a": object()}], [{1: 1}]),
        (tuple[int, str], [(1, "x")], [(1,), ("x", 1), [1, "x"]]),
        (tuple[int, ...], [(), (1, 2)], [(1, "2"), [1]]),
        (tuple, [(), (1, "x")], [[]]),
        (Optional[int], [1, None], ["1"]),  # noqa: UP045  # the old spelling, too
        (int | str, [1, "x"], [1.0, None]),
        (Union[int, list[str]], [1, ["x"]], [[1]]),  # noqa: UP007  # the old spelling, too
        (int | Any, [1, "x", None], []),
        (Literal["a", 1], ["a", 1], ["b", 2]),
        (Annotated[int, "note"], [1], ["1"]),
        (collections.abc.Sequence[int], [[1], (1,)], [["1"], {1}]),
        (collections.abc.Mapping[str, int], [{"a": 1}], [{"a": "1"}]),
        (collections.abc.Callable[[int], int], [len, lambda x: x], [1]),
        (Thing, [Thing(), SubThing()], [{}, None, Thing]),
        (list[Thing], [[SubThing()]], [[1]]),
        (Id, [1], ["1"]),
        (type[int], [int], [1]),
        (Sized, [[], "x"], [1]),
        (Unchecked, [1, None], []),
        (T, [1, None], []),
        (Any, [1, None, object()], []),
        (object, [1, None], []),
        (Nothing, [None], [0, "x"]),
    ],
)
def test_what_passes_and_what_does_not(
    annotation: Any, passes: list[Any], fails: list[Any]
) -> None:
    kind = resolve_type(annotation)
    for value in passes:
        assert kind.check(value) is None, value
    for value in fails:
        wrong = kind.check(value)
        assert wrong is not None, value
        assert f"expected a value of type {kind.name}" in wrong
        assert f"of type {type(value).__name__}" in wrong


def test_long_values_are_cut_in_messages() -> None:
    wrong = resolve_type(int).check("x" * 500)
    assert wrong is not None
    assert len(wrong) < 200


def test_custom_types_answer_by_bool_or_type_check() -> None:
    even = DagsterType(lambda _context, value: value % 2 == 0, name="Even")
    described = DagsterType(lambda _context, value: TypeCheck(False, "because"), name="Told")
    untold = DagsterType(lambda _context, value: TypeCheck(False), name="Untold")
    kind = resolve_type(even)
    assert kind.name == "Even"
    assert kind.check(2) is None
    assert kind.check(3) == "does not pass the check of Even"
    assert resolve_type(described).check(1) == "because"
    assert resolve_type(untold).check(1) == "does not pass the check of Untold"

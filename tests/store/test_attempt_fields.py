"""Every field of an attempt comes back from a store, also one that is added later."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import pytest

from rayexec import ExpectationResult, job, op
from rayexec.events import COLUMN_FIELDS, SUCCESS, Attempt, OutputRecord
from rayexec.plan import compile_job
from rayexec.store import MemoryRunStore, RunRecord
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter


@op
def first() -> int:
    return 1


@op
def second(value: int) -> int:
    return value


@job
def both() -> None:
    second(first())


PLAIN = Attempt(0, 0, SUCCESS, 1.0, 2.0, (OutputRecord("result"),))


def sample(kind: Any) -> Any:
    """Return a value of an annotated kind that is no field's default."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return sample(arguments[0])
    if origin is tuple:
        return (sample(arguments[0]),)
    if origin is dict:
        return {"one": {"two": [1, None]}}
    if hasattr(kind, "_fields") or dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = kind._fields if hasattr(kind, "_fields") else kind.__dataclass_fields__
        own = {name: hints[name] for name in names if kind not in typing.get_args(hints[name])}
        return kind(**{name: sample(hint) for name, hint in own.items()})
    samples: dict[Any, Any] = {
        int: 1,
        float: 0.5,
        str: "a text",
        bool: True,
        bytes: b"some bytes",
        type(None): None,
        Any: ExpectationResult(True, metadata={"rows": 3}),  # the event of a report
    }
    return samples[kind]


HINTS = typing.get_type_hints(Attempt)


def changed(field: str) -> Attempt:
    return PLAIN._replace(**{field: sample(HINTS[field])})


@pytest.mark.parametrize("field", Attempt._fields)
def test_a_sample_differs_from_a_plain_attempt(field: str) -> None:
    assert changed(field)[Attempt._fields.index(field)] != getattr(PLAIN, field)


@pytest.mark.parametrize("field", Attempt._fields)
def test_a_field_comes_back_from_a_store(field: str) -> None:
    store = MemoryRunStore()
    writer = LogWriter(compile_job(both), store.create(RunRecord("r", "both")))
    attempts = [PLAIN, changed(field), PLAIN]
    for attempt in attempts:
        writer.add(attempt)
    writer.write()
    assert list(StoredLog(store.open("r")).attempts()) == attempts


@pytest.mark.parametrize("field", sorted(set(Attempt._fields) - COLUMN_FIELDS - {"outputs"}))
def test_an_attempt_with_a_field_beside_the_columns_is_not_plain(field: str) -> None:
    assert PLAIN.is_plain
    assert not changed(field).is_plain


@pytest.mark.parametrize("outcome", [1, 2])
def test_only_a_success_is_plain(outcome: int) -> None:
    assert not PLAIN._replace(outcome=outcome).is_plain

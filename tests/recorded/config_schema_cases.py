"""Random sources of config schemas, and random documents for them."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

from config_class_cases import spoiled


@dataclasses.dataclass(frozen=True)
class SchemaCase:
    """A schema: its source, and a value that fits it."""

    source: str
    good: Any


SCALARS: dict[str, list[Any]] = {
    "int": [0, 1, -4],
    "str": ["", "t", "word"],
    "float": [0.5, 2, -1.0],
    "bool": [True, False],
    "Int": [5],
    "String": ["s"],
    "Float": [1.25, 3],
    "Bool": [True],
    "StringSource": ["plain", {"env": "CASE_TEXT"}],
    "IntSource": [5, {"env": "CASE_INT"}, {"env": "CASE_NEGATIVE"}],
    "BoolSource": [True, {"env": "CASE_TRUE"}, {"env": "CASE_FALSE"}],
    "Any": [None, 1, "x", [None], {"k": 1}],
    "dict": [{}, {"k": 1, "m": None}],
    "list": [[], [1, "x", None]],
    "Permissive()": [{}, {"k": [1]}],
    "Enum.from_python_enum(Color)": ["RED", "BLUE"],
    "Enum.from_python_enum_direct_values(Color, 'Direct')": ["RED", "BLUE"],
    "Enum('Cowboy', [EnumValue('good'), EnumValue('bad', python_value=13)])": ["good", "bad"],
    "ScalarUnion(scalar_type=str, non_scalar_schema=Selector({'path': str}))": [
        "t",
        {"path": "p"},
    ],
    "ScalarUnion(int, {'n': int})": [4, {"n": 5}],
}
KEYS = ["a", "b", "c", "d"]


def schema_source(chance: random.Random) -> SchemaCase:
    """Return a random schema, at times as a Field."""
    source, good = _schema(chance, 3)
    if chance.random() < 0.3:
        source, good = _field(chance, source, good)
    return SchemaCase(source, good)


def _schema(chance: random.Random, depth: int) -> tuple[str, Any]:
    way = chance.randrange(10) if depth else 0
    if way < 4:
        source = chance.choice(list(SCALARS))
        return source, chance.choice(SCALARS[source])
    if way == 4:
        inner, good = _schema(chance, depth - 1)
        return chance.choice(["[{}]", "Array({})"]).format(inner), [good] * chance.randint(0, 2)
    if way == 5:
        inner, good = _schema(chance, depth - 1)
        return f"Noneable({inner})", chance.choice([None, good])
    if way == 6:
        inner, good = _schema(chance, depth - 1)
        form = chance.choice(["Map(str, {})", "{{str: {}}}", "{{String: {}}}"])
        return form.format(inner), dict.fromkeys(chance.sample(KEYS, 2), good)
    fields, good = _fields(chance, depth - 1)
    if way == 7:
        chosen = chance.choice(sorted(good))
        return f"Selector({fields})", {chosen: good.get(chosen)}
    if way == 8:
        return f"Permissive({fields})", good | {"extra": chance.choice([1, None, {"k": "v"}])}
    return chance.choice(["{}", "Shape({})"]).format(fields), good


def _fields(chance: random.Random, depth: int) -> tuple[str, dict[str, Any]]:
    sources, good = [], {}
    for key in KEYS[: chance.randint(1, 3)]:
        source, value = _schema(chance, depth)
        if chance.random() < 0.6:
            source, value = _field(chance, source, value)
        sources.append(f"{key!r}: {source}")
        good[key] = value
    return f"{{{', '.join(sources)}}}", good


def _field(chance: random.Random, source: str, good: Any) -> tuple[str, Any]:
    way = chance.randrange(7)
    if way == 0:
        return f"Field({source})", good
    if way == 1:
        return f"Field({source}, is_required=False)", good
    if way == 2:
        return f"Field({source}, is_required=True, description='of a field')", good
    if way == 3:
        wrong = spoiled(chance, good)
        return f"Field({source}, default_value={wrong!r})", good
    if way == 4:
        return f"Field({source}, is_secret=True, default_value={good!r})", good
    return f"Field({source}, default_value={good!r}, is_required=False)", good


def documents_for_schema(chance: random.Random, declared: SchemaCase) -> Iterator[Any]:
    """Yield documents, some of them good."""
    yield declared.good
    yield {}
    for _ in range(5):
        yield spoiled(chance, declared.good)
    yield chance.choice([None, [], "text", 5, 1.5, True, {"a": {}}, {"a": None}])

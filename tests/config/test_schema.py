"""Config schemas: accepted values, resolved values, and messages for the rest."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path
from typing import Any

import example_schemas
import pytest
from example_schemas import (
    ARMS,
    COLOR,
    ONLY_ARM,
    SHAPE,
    Aliased,
    Cat,
    Color,
    Dog,
    Either,
    FromEnv,
    Inner,
    Load,
    Open,
    Tree,
    Tuned,
    unread,
)

from rayexec.definitions.environment_values import EnvVar
from rayexec.definitions.schemas.config_types import (
    Array,
    BoolSource,
    Enum,
    EnumValue,
    Field,
    IntSource,
    Map,
    Noneable,
    Permissive,
    Selector,
    StringSource,
)
from rayexec.definitions.schemas.schema import MISSING, describe, validate

environment = example_schemas.environment


RESOLVED = [
    (int, 4, 4),
    (float, 1, 1.0),
    (float, 1.5, 1.5),
    (str, "", ""),
    (bool, True, True),
    (list, [1, None, "a"], [1, None, "a"]),
    (dict, {"a": 1, 2: None}, {"a": 1, 2: None}),
    (dict, MISSING, {}),
    (Any, None, None),
    (SHAPE, {"n": 1}, {"n": 1, "name": "x"}),
    (SHAPE, {"n": 1, "name": "y", "skip": 2}, {"n": 1, "name": "y", "skip": 2}),
    ({"in": {"a": Field(int, 2)}}, MISSING, {"in": {"a": 2}}),
    ({"in": {"a": Field(int, 2)}}, {}, {"in": {"a": 2}}),
    ({"in": {"a": Field(int, 2), "b": int}}, {"in": {"b": 1}}, {"in": {"a": 2, "b": 1}}),
    ({"in": Field({"a": Field(int, 2)}, is_required=False)}, {}, {}),
    ({"p": Permissive()}, {}, {"p": {}}),
    (Permissive({"a": Field(int, 1)}), {"b": None}, {"a": 1, "b": None}),
    (ONLY_ARM, {}, {"a": {"q": 3}}),
    (ONLY_ARM, MISSING, {"a": {"q": 3}}),
    ({"s": ONLY_ARM}, {}, {"s": {"a": {"q": 3}}}),
    (Selector({"a": Field(int, 5)}), {}, {"a": 5}),
    (ARMS, {"a": 1}, {"a": 1}),
    (ARMS, {"c": None}, {"c": {"q": 3}}),
    (ARMS, {"d": None}, {"d": None}),
    (Noneable(int), None, None),
    (Noneable(int), 3, 3),
    (Noneable({"a": int}), MISSING, None),
    ({"n": Noneable(int)}, {}, {"n": None}),
    (COLOR, "RED", Color.RED),
    ({"c": Field(COLOR, "GREEN")}, {}, {"c": Color.GREEN}),
    (Enum("E", [EnumValue("x"), EnumValue("y", 7)]), "x", "x"),
    (Enum("E", [EnumValue("x"), EnumValue("y", 7)]), "y", 7),
    ([int], [1, 2], [1, 2]),
    (Array({"a": Field(int, 1)}), [{}, {"a": 2}], [{"a": 1}, {"a": 2}]),
    (Map(str, int), {"a": 1}, {"a": 1}),
    (Map(int, {"a": Field(int, 1)}), {1: {}}, {1: {"a": 1}}),
    (StringSource, "x", "x"),
    (StringSource, {"env": "TWELVE"}, "12"),
    (StringSource, EnvVar("TWELVE"), "12"),
    (IntSource, {"env": "TWELVE"}, 12),
    (BoolSource, {"env": "YES"}, True),
    (BoolSource, {"env": "NO"}, False),
    ({"s": Field(StringSource, {"env": "TWELVE"})}, {}, {"s": "12"}),
    (Field(int, 3), MISSING, 3),
    (Field(int, 3), 4, 4),
    (Field(int, is_required=False), MISSING, MISSING),
    (Tuned, MISSING, Tuned()),
    (Inner, {"x": 2}, Inner(x=2)),
    (
        {"c": Tuned, "d": [Inner]},
        {"d": [{"x": 1}, Inner(x=2)]},
        {"c": Tuned(), "d": [Inner(x=1), Inner(x=2)]},
    ),
    (Field(Inner, Inner(x=3)), MISSING, Inner(x=3)),
    (Inner, {"x": {"env": "TWELVE"}}, Inner(x=12)),
    (Inner, {"x": EnvVar("TWELVE")}, Inner(x=12)),
    (Inner, unread("TWELVE"), Inner(x=12)),
    (Open, {"x": 1, "y": [2]}, Open.model_validate({"x": 1, "y": [2]})),
    (Aliased, {"n": 1}, Aliased(n=1)),
    (Either, {"n": 3}, Either(count=3)),
    (Either, {"count": {"env": "TWELVE"}}, Either(count=12)),
    (Tree, {"branches": [{"size": 2}]}, Tree(branches=[Tree(size=2)])),
]

LOADED = [
    ("ratio", 2, 2.0),
    ("dry", {"env": "YES"}, True),
    ("color", "GREEN", Color.GREEN),
    ("color", Color.GREEN, Color.GREEN),
    ("limit", None, None),
    ("limit", {"env": "TWELVE"}, 12),
    ("inner", {"x": {"env": "TWELVE"}}, Inner(x=12)),
    ("many", [{}, {"x": 2}], (Tuned(), Tuned(x=2))),
    ("either", "4", "4"),
    ("either", 4, 4),
    ("number", 3, 3),
    ("number", 3.0, 3.0),
    ("shape", {"x": 1}, Inner(x=1)),
    ("either_shape", {"n": 1}, Aliased(n=1)),
    ("pet", {"kind": "dog", "tricks": ["sit"]}, Dog(tricks=["sit"])),
    ("pet", Dog(), Dog()),
    ("pets", [{"kind": "dog"}, {"kind": "cat", "lives": 1}], [Dog(), Cat(lives=1)]),
    ("at", "2021-02-03", datetime.datetime(2021, 2, 3)),
    ("at", datetime.datetime(2021, 2, 3), datetime.datetime(2021, 2, 3)),
    ("path", "/y", Path("/y")),
    ("counts", {"a": {"env": "TWELVE"}}, {"a": 12}),
    ("pair", [2, "b"], (2, "b")),
    ("ids", [1, 2], {1, 2}),
    ("by_color", {"GREEN": 1, "RED": 2}, {Color.GREEN: 1, Color.RED: 2}),
    ("by_any", {1: [2], "a": []}, {1: [2], "a": []}),
    ("anything", {"env": "TWELVE"}, {"env": "TWELVE"}),
]


@pytest.mark.parametrize(("schema", "value", "expected"), RESOLVED)
def test_resolves(schema: object, value: object, expected: object) -> None:
    before = copy.deepcopy(value)
    resolved, problems = validate(schema, value)
    assert (resolved, problems) == (expected, [])
    assert type(resolved) is type(expected)
    assert value == before


@pytest.mark.parametrize(("field", "value", "expected"), LOADED)
def test_config_class_resolves(field: str, value: object, expected: object) -> None:
    resolved, problems = validate(Load, {field: value})
    assert problems == []
    assert type(getattr(resolved, field)) is type(expected)
    assert getattr(resolved, field) == expected


def test_an_instance_is_taken_as_it_is() -> None:
    instance = Load.model_construct(n=1)
    assert validate(Load, instance)[0] is instance
    resolved, _ = validate({"c": Load}, {"c": instance})
    assert isinstance(resolved, dict)
    assert resolved["c"] is instance


def test_a_subclass_is_read_by_its_own_fields() -> None:
    class Wider(Inner):
        more: str = ""

    values: dict[str, Any] = {"x": 1, "more": EnvVar("TWELVE")}
    assert validate(Inner, Wider.model_construct(**values)) == (Wider(x=1, more="12"), [])


def test_names_beside_an_alias_do_not_stay_in_the_description() -> None:
    assert validate(Either, {"count": 3})[1] == []
    assert describe(Either) == "{n: int}"


def test_environment_variables_in_the_defaults_of_a_config_class_are_read() -> None:
    assert validate(FromEnv) == (FromEnv(n=12), [])
    assert validate(FromEnv, {"n": 3}) == (FromEnv(n=3), [])
    nested = FromEnv.model_construct(n=1, inner=unread("TWELVE"))
    assert validate(FromEnv, nested) == (FromEnv(n=1, inner=Inner(x=12)), [])

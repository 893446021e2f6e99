"""Schemas themselves: malformed, required, described, scaffolded, compared and pickled."""

from __future__ import annotations

import gc
import json
import pickle
from typing import Any, Optional

import example_schemas
import pydantic
import pytest
from example_schemas import (
    ARMS,
    COLOR,
    ONLY_ARM,
    SHAPE,
    Aliased,
    Color,
    FromEnv,
    Inner,
    Load,
    Open,
    Tree,
    Tuned,
)

from rayexec.definitions.config_models import Config
from rayexec.definitions.schemas.config_types import (
    Array,
    BoolSource,
    Enum,
    EnumValue,
    Field,
    Map,
    Missing,
    Noneable,
    Permissive,
    Selector,
    Shape,
    StringSource,
)
from rayexec.definitions.schemas.schema import MISSING, describe, is_required, scaffold, validate
from rayexec.errors import DefinitionError

environment = example_schemas.environment


MALFORMED = [
    set,
    None,
    3,
    Color,
    list[int],
    Optional[int],  # noqa: UP045
    pydantic.RootModel[int],
    [],
    [int, str],
    {1: int},
    {"a": set},
    {"a": [{"b": set}]},
    Field(int, "x"),
    Field(int, None),
    Field({"a": int}, {}),
    Field(COLOR, "BLUE"),
    Field(COLOR, Color.RED),
    Field(Inner, {}),
    Field(int, 1, is_required=True),
    Field(Field(int)),
    {"a": Field(int, "x")},
    {"a": [{"b": Field(int, "x")}]},
    Selector({}),
    Selector({"a": Field(int, "x")}),
    Noneable(Field(int)),
    Array(Field(int)),
    Map(str, Field(int)),
    Map(list, int),
    Map({"a": int}, int),
    Enum("E", []),
    Enum("E", [EnumValue(3)]),  # type: ignore[arg-type]
    Enum("E", ["x"]),  # type: ignore[list-item]
]


@pytest.mark.parametrize("schema", MALFORMED, ids=repr)
def test_malformed_schemas_are_refused_where_they_are_used(schema: object) -> None:
    for use in (validate, is_required, describe, scaffold):
        with pytest.raises(DefinitionError):
            use(schema)


def test_a_default_may_name_a_variable_that_is_not_set_yet() -> None:
    assert describe(Field(StringSource, {"env": "NOPE"})) == 'str or {env: NAME} = {"env": "NOPE"}'
    assert (
        describe({"c": Field(Inner, {"x": {"env": "NOPE"}})})
        == '{c?: {x: int} = {"x": {"env": "NOPE"}}}'
    )


def test_a_config_class_that_cannot_be_completed_is_refused() -> None:
    class Lost(Config):
        there: NotDefined  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match="NotDefined"):
        validate(Lost, {})


REQUIRED = [
    (int, True),
    (Any, True),
    (list, True),
    (dict, False),
    ([int], True),
    (Map(str, int), True),
    ({}, False),
    ({"a": int}, True),
    ({"a": Field(int, 1)}, False),
    ({"a": {"b": Field(int, 1)}}, False),
    ({"a": Field({"b": Field(int, 1)}, is_required=True)}, True),
    (Permissive(), False),
    (Permissive({"a": int}), True),
    (Noneable({"a": int}), False),
    (ONLY_ARM, False),
    (ARMS, True),
    (Selector({"a": int}), True),
    (Selector({"a": Field(int, 1), "b": Field(int, 2)}), True),
    (Field(int), True),
    (Field(int, 1), False),
    (Field(int, is_required=False), False),
    (COLOR, True),
    (StringSource, True),
    (Inner, True),
    (Tuned, False),
]


@pytest.mark.parametrize(("schema", "expected"), REQUIRED)
def test_is_required(schema: object, expected: bool) -> None:
    assert is_required(schema) is expected
    assert bool(validate(schema)[1]) is expected


DESCRIBED = [
    (int, "int"),
    (Any, "any value"),
    (dict, "dict"),
    ({}, "{}"),
    ({"n": int, "name": Field(str, "x")}, '{n: int, name?: str = "x"}'),
    (Permissive({"n": int}), "{n: int, ...}"),
    (
        Selector({"a": int, "b": {"c": Field(int, is_required=False)}}),
        "one of {a: int, b?: {c?: int}}",
    ),
    ([{"a": int}], "list of {a: int}"),
    (Map(str, [int]), "map of str to list of int"),
    (Map(str, int, "name"), "map of name: str to int"),
    (Noneable(float), "float or null"),
    (COLOR, "one of 'RED', 'GREEN'"),
    (BoolSource, "bool or {env: NAME}"),
    (Field(int, 3), "int = 3"),
    (Open, "{x: int, ...}"),
    (Aliased, "{n: int}"),
    (Tree, "{size?: int = 0, branches?: list of Tree = []}"),
]


@pytest.mark.parametrize(("schema", "expected"), DESCRIBED)
def test_describe(schema: object, expected: str) -> None:
    assert describe(schema) == expected


def test_describe_tells_the_annotations_of_a_config_class() -> None:
    text = describe(Load)
    for part in (
        "color?: one of 'RED', 'GREEN' = \"RED\"",
        "limit?: int or null = null",
        "many?: list of {x?: int = 1} = []",
        "shape?: {x: int} or str",
        'at?: datetime = "2020-01-01T00:00:00"',
        'path?: Path = "/x"',
        "pair?: list of (int, str)",
        "mode?: one of 'a', 'b' = \"a\"",
        "pet?: {kind?: 'cat' = \"cat\", lives?: int = 9} or",
    ):
        assert part in text


SKETCHED = [
    (int, 0, 0),
    (float, 0.0, 0.0),
    (bool, False, False),
    (SHAPE, {"n": 0, "name": "x", "skip": 0}, {"n": 0}),
    (ARMS, {"a": 5}, {"a": 5}),
    ({"s": Selector({"b": {"r": int}, "a": int})}, {"s": {"b": {"r": 0}}}, {"s": {"b": {"r": 0}}}),
    ([int], [], []),
    (Map(str, int), {}, {}),
    (Noneable(int), None, None),
    (COLOR, "RED", "RED"),
    (StringSource, "", ""),
    (Tuned, {"x": 1}, {}),
    (FromEnv, {"n": {"env": "TWELVE"}, "inner": None}, {}),
    (Tree, {"size": 0, "branches": []}, {}),
    ({"c": Field(Inner, Inner(x=3))}, {"c": {"x": 3}}, {}),
]


@pytest.mark.parametrize(("schema", "full", "least"), SKETCHED)
def test_scaffold(schema: object, full: object, least: object) -> None:
    assert scaffold(schema) == full
    assert scaffold(schema, only_required=True) == least


def test_the_scaffold_of_a_config_class_gives_its_defaults() -> None:
    sketch = scaffold(Load)
    assert json.loads(json.dumps(sketch)) == sketch
    assert validate(Load, sketch) == (Load(), [])


def test_words_do_not_change_with_what_they_were_made_of() -> None:
    inner: dict[str, object] = {"b": int}
    fields: dict[str, object] = {"a": inner}
    default = {"a": {"b": 1}}
    schema = Field(Shape(fields), default)
    inner["c"] = fields["d"] = str
    default["a"]["b"] = 2
    assert describe(schema) == '{a: {b: int}} = {"a": {"b": 1}}'
    resolved, _ = validate(schema)
    assert resolved == {"a": {"b": 1}}
    assert isinstance(resolved, dict)
    resolved["a"]["b"] = 3
    assert validate(schema)[0] == {"a": {"b": 1}}


def test_a_default_does_not_change_with_what_was_resolved_from_it() -> None:
    schema = Shape({"d": Field(dict, {"l": []})})
    resolved, _ = validate(schema)
    assert isinstance(resolved, dict)
    resolved["d"]["l"].append(1)
    assert validate(schema)[0] == {"d": {"l": []}}


def test_schemas_that_come_and_go_are_not_mistaken_for_each_other() -> None:
    for index in range(600):
        schema = Shape({f"k{index}": int})
        assert validate(schema, {f"k{index}": index}) == ({f"k{index}": index}, [])
        del schema
        if index % 100 == 0:
            gc.collect()


@pytest.mark.parametrize(
    "word", [MISSING, Field(int, 3), Shape({"a": [int]}), COLOR, StringSource, ARMS]
)
def test_words_can_be_pickled(word: object) -> None:
    loaded = pickle.loads(pickle.dumps(word))
    if isinstance(word, Missing):
        assert loaded is word
    else:
        assert describe(loaded) == describe(word)

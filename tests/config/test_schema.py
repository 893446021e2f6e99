"""Config schemas: accepted values, resolved values, and messages for the rest."""

from __future__ import annotations

import copy
import datetime
import enum
import gc
import json
import pickle
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Optional

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.config.config_types import (
    Array,
    BoolSource,
    Enum,
    EnumValue,
    Field,
    IntSource,
    Map,
    Missing,
    Noneable,
    Permissive,
    Selector,
    Shape,
    StringSource,
)
from rayexec.config.schema import MISSING, describe, is_required, scaffold, validate
from rayexec.definitions.config_models import Config, EnvVar, PermissiveConfig
from rayexec.errors import DefinitionError


class Color(enum.Enum):
    RED = 1
    GREEN = "g"


class Inner(Config):
    x: int


def unread(name: str) -> Inner:
    """An Inner with a field to read from the environment."""
    values: dict[str, Any] = {"x": EnvVar(name)}
    return Inner.model_construct(**values)


class Tuned(Config):
    x: int = 1


class Cat(Config):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Config):
    kind: Literal["dog"] = "dog"
    tricks: list[str] = []  # noqa: RUF012


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Aliased(Config):
    count: int = pydantic.Field(alias="n")


class Load(Config):
    n: Annotated[int, pydantic.Field(ge=3)] = 3
    ratio: float = 0.5
    name: str = "x"
    dry: bool = False
    color: Color = Color.RED
    limit: Optional[int] = None  # noqa: UP045
    inner: Inner = Inner(x=1)
    many: tuple[Tuned, ...] = ()
    either: int | str = 1
    number: float | int = 1
    shape: Inner | str = "s"
    either_shape: Aliased | Inner = Inner(x=1)
    pet: Pet = Cat()
    pets: list[Pet] = []  # noqa: RUF012
    at: datetime.datetime = datetime.datetime(2020, 1, 1)
    path: Path = Path("/x")
    counts: dict[str, int] = {}  # noqa: RUF012
    pair: tuple[int, str] = (1, "a")
    ids: set[int] = set()  # noqa: RUF012
    mode: Literal["a", "b"] = "a"
    short: Annotated[list[str], pydantic.Field(max_length=1)] = []  # noqa: RUF012
    anything: Any = None
    by_color: dict[Color, int] = {}  # noqa: RUF012
    by_any: dict[int | str, list[int]] = {}  # noqa: RUF012

    @pydantic.field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("this name is taken")
        return name

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Load:
        if self.ratio > 5:
            raise ValueError("ratio and n do not go together")
        return self


class Open(PermissiveConfig):
    x: int


class Either(Config):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    count: int = pydantic.Field(alias="n", ge=3)


class Tree(Config):
    size: int = 0
    branches: list[Tree] = []  # noqa: RUF012


class FromEnv(Config):
    n: int = EnvVar("TWELVE")  # type: ignore[assignment]
    inner: Optional[Inner] = None  # noqa: UP045


class Crashing(Config):
    n: int = 0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _crash(cls, data: Any) -> Any:
        return data if data["n"] < 5 else data["missing"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOPE", raising=False)
    for name, text in {"TWELVE": "12", "YES": "True", "NO": "0", "WORD": "hunter2"}.items():
        monkeypatch.setenv(name, text)


COLOR = Enum.from_python_enum(Color)
SHAPE = {"n": int, "name": Field(str, "x"), "skip": Field(int, is_required=False)}
ONLY_ARM = Selector({"a": {"q": Field(int, 3)}})
ARMS = Selector(
    {"a": Field(int, 5), "b": {"r": int}, "c": {"q": Field(int, 3)}, "d": Noneable(int)}
)

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
    (ARMS, {"a": None}, {"a": 5}),
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
    ("color", "g", Color.GREEN),
    ("color", 1, Color.RED),
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
    ("by_color", {"GREEN": 1, 1: 2}, {Color.GREEN: 1, Color.RED: 2}),
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


WRONG = [
    (int, "4", [("", "expected int, got '4' (str).")]),
    (int, True, [("", "expected int, got True (bool).")]),
    (int, 1.0, [("", "expected int, got 1.0 (float).")]),
    (int, None, [("", "expected int, got null.")]),
    (int, {"env": "TWELVE"}, [("", "expected int, got {'env': 'TWELVE'} (dict).")]),
    (int, MISSING, [("", "a value is required. Expected: int")]),
    (Any, MISSING, [("", "a value is required. Expected: any value")]),
    (
        Field({"a": Field(int, 1)}, is_required=True),
        MISSING,
        [("", "a value is required. Expected: {a?: int = 1}")],
    ),
    (float, True, [("", "expected float, got True (bool).")]),
    (str, 1, [("", "expected str, got 1 (int).")]),
    (str, EnvVar("TWELVE"), [("", "expected str, got EnvVar(name='TWELVE') (EnvVar).")]),
    (bool, 1, [("", "expected bool, got 1 (int).")]),
    (list, (1,), [("", "expected list of any value, got (1,) (tuple).")]),
    (dict, [], [("", "expected dict, got [] (list).")]),
    (SHAPE, MISSING, [("n", "required key 'n' is missing. Expected: int, such as `n: 0`")]),
    (
        {"n": int, "name": Field(str, is_required=False)},
        {"nn": 1},
        [
            ("n", "required key 'n' is missing. Expected: int, such as `n: 0`"),
            ("nn", "unknown key 'nn'. Did you mean 'n'? Expected: {n: int, name?: str}"),
        ],
    ),
    ({"n": Field(int, 1)}, {2: 1}, [("2", "unknown key '2'. Expected: {n?: int = 1}")]),
    (
        {
            "n": int,
            "in": {"y": int, "deep": {"z": int}},
            "l": [{"a": int}],
            "m": Map(str, {"a": int}),
        },
        {
            "n": "1",
            "in": {"y": "q", "zz": 1},
            "l": [{"a": 1}, {"a": "q", "b": 1}, {}],
            "m": {"k": {"a": "q"}},
        },
        [
            ("n", "expected int, got '1' (str)."),
            ("in:y", "expected int, got 'q' (str)."),
            (
                "in:deep",
                "required key 'deep' is missing. Expected: {z: int}, such as `deep: {\"z\": 0}`",
            ),
            ("in:zz", "unknown key 'zz'. Expected: {y: int, deep: {…}}"),
            ("l:1:a", "expected int, got 'q' (str)."),
            ("l:1:b", "unknown key 'b'. Expected: {a: int}"),
            ("l:2:a", "required key 'a' is missing. Expected: int, such as `a: 0`"),
            ("m:k:a", "expected int, got 'q' (str)."),
        ],
    ),
    (
        Permissive({"a": int}),
        {"b": 1},
        [("a", "required key 'a' is missing. Expected: int, such as `a: 0`")],
    ),
    (ONLY_ARM, None, [("", "expected one of {a?: {…}}, got null.")]),
    (ARMS, MISSING, [("", "expected exactly one of the keys 'a', 'b', 'c', 'd', got none.")]),
    (ARMS, {}, [("", "expected exactly one of the keys 'a', 'b', 'c', 'd', got none.")]),
    (
        ARMS,
        {"a": 1, "b": {}},
        [("", "expected exactly one of the keys 'a', 'b', 'c', 'd', got 'a', 'b'.")],
    ),
    (ARMS, {"b": None}, [("b:r", "required key 'r' is missing. Expected: int, such as `r: 0`")]),
    (
        Selector({"abc": int}),
        {"abd": 1},
        [("abd", "unknown key 'abd'. Did you mean 'abc'? Expected: one of {abc: int}")],
    ),
    (Selector({"a": int}), {"a": None}, [("a", "expected int, got null.")]),
    (
        Noneable({"a": int}),
        {},
        [("a", "required key 'a' is missing. Expected: int, such as `a: 0`")],
    ),
    (Noneable(int), "x", [("", "expected int or null, got 'x' (str).")]),
    (
        COLOR,
        "REDD",
        [("", "expected one of 'RED', 'GREEN', got 'REDD' (str). Did you mean 'RED'?")],
    ),
    (COLOR, 1, [("", "expected one of 'RED', 'GREEN', got 1 (int).")]),
    (COLOR, Color.RED, [("", "expected one of 'RED', 'GREEN', got <Color.RED: 1> (Color).")]),
    (Map(int, int), {"a": 1}, [("a", "expected keys to be int, got 'a' (str).")]),
    (StringSource, 1, [("", "expected str or {env: NAME}, got 1 (int).")]),
    (StringSource, {"env": 3}, [("", "expected str or {env: NAME}, got {'env': 3} (dict).")]),
    (StringSource, {"env": "NOPE"}, [("", "the environment variable 'NOPE' is not set.")]),
    (
        IntSource,
        {"env": "WORD"},
        [("", "the environment variable 'WORD' does not hold a valid int.")],
    ),
    (
        BoolSource,
        {"env": "WORD"},
        [("", "the environment variable 'WORD' does not hold a valid bool.")],
    ),
    (
        {"s": Field(StringSource, {"env": "NOPE"})},
        {},
        [("s", "the environment variable 'NOPE' is not set.")],
    ),
    (Inner, MISSING, [("x", "required key 'x' is missing. Expected: int, such as `x: 0`")]),
    (Inner, None, [("", "expected {x: int}, got null.")]),
    (Inner, Tuned(), [("", "expected {x: int}, got Tuned(x=1) (Tuned).")]),
    (Inner, {"x": 1, "xx": 2}, [("xx", "unknown key 'xx'. Did you mean 'x'? Expected: {x: int}")]),
    (Inner, unread("WORD"), [("x", "the environment variable 'WORD' does not hold a valid int.")]),
    (Open, {"y": 1}, [("x", "required key 'x' is missing. Expected: int, such as `x: 0`")]),
    (Aliased, {"count": 1}, [("n", None), ("count", None)]),
    (Either, {"n": 2}, [("n", "must be greater than or equal to 3, got 2 (int).")]),
    (Crashing, {"n": 7}, [("", "KeyError: 'missing'")]),
    (Crashing, {"n": "7"}, [("n", "expected int, got '7' (str).")]),
    ({"a": [Inner]}, {"a": [{"x": 1}, {"x": "1"}]}, [("a:1:x", "expected int, got '1' (str).")]),
    (
        Tree,
        {"branches": [{"branches": [{"size": "1"}]}]},
        [("branches:0:branches:0:size", "expected int, got '1' (str).")],
    ),
]

MISLOADED = [
    ("n", 2, [("n", "must be greater than or equal to 3, got 2 (int).")]),
    ("n", "4", [("n", "expected int, got '4' (str).")]),
    ("n", True, [("n", "expected int, got True (bool).")]),
    ("ratio", "1", [("ratio", "expected float, got '1' (str).")]),
    ("name", "bad", [("name", "this name is taken")]),
    ("ratio", 9, [("", "ratio and n do not go together")]),
    (
        "color",
        "GREE",
        [("color", "expected one of 'RED', 'GREEN', got 'GREE' (str). Did you mean 'GREEN'?")],
    ),
    ("color", True, [("color", "expected one of 'RED', 'GREEN', got True (bool).")]),
    ("color", 1.0, [("color", "expected one of 'RED', 'GREEN', got 1.0 (float).")]),
    ("limit", "1", [("limit", "expected int or null, got '1' (str).")]),
    ("many", [{}, {"x": "1"}, {"y": 1}], [("many:1:x", None), ("many:2:y", None)]),
    ("either", [], [("either", "expected int or str, got [] (list).")]),
    ("either", {"env": "NOPE"}, [("either", "the environment variable 'NOPE' is not set.")]),
    ("shape", {"x": "1"}, [("shape:x", "expected int, got '1' (str).")]),
    ("either_shape", {"x": "1"}, [("either_shape:x", "expected int, got '1' (str).")]),
    (
        "by_color",
        {"BLUE": 1},
        [("by_color:BLUE", "expected one of 'RED', 'GREEN', got 'BLUE' (str).")],
    ),
    ("by_any", {"a": ["1"]}, [("by_any:a:0", "expected int, got '1' (str).")]),
    ("shape", 1, [("shape", "expected {x: int} or str, got 1 (int).")]),
    (
        "pet",
        {"lives": 1},
        [("pet:kind", "required key 'kind' is missing. Expected: one of 'cat', 'dog'")],
    ),
    (
        "pet",
        {"kind": "dg"},
        [("pet:kind", "expected one of 'cat', 'dog', got 'dg' (str). Did you mean 'dog'?")],
    ),
    ("pet", {"kind": "cat", "lives": "9"}, [("pet:lives", "expected int, got '9' (str).")]),
    ("pets", [{"kind": "dog"}, {"kind": "dog", "lives": 1}], [("pets:1:lives", None)]),
    ("at", "soon", [("at", None)]),
    ("path", 3, [("path", "expected Path, got 3 (int).")]),
    ("counts", {"a": "1"}, [("counts:a", "expected int, got '1' (str).")]),
    ("counts", {1: 1}, [("counts:1", "expected keys to be str, got 1 (int).")]),
    ("pair", ["1", "a"], [("pair:0", "expected int, got '1' (str).")]),
    ("ids", [1, "2"], [("ids:1", "expected int, got '2' (str).")]),
    ("mode", "c", [("mode", "must be 'a' or 'b', got 'c' (str).")]),
]


def told(problems: list[Any]) -> list[tuple[str, str]]:
    return [(":".join(problem.path), problem.message) for problem in problems]


def same(problems: list[Any], expected: list[tuple[str, str | None]]) -> bool:
    """Compare problems; a message of None stands for any."""
    found = told(problems)
    return [path for path, _ in found] == [path for path, _ in expected] and all(
        wanted is None or message == wanted
        for (_, message), (_, wanted) in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(("schema", "value", "expected"), WRONG)
def test_tells_what_is_wrong(
    schema: object, value: object, expected: list[tuple[str, str | None]]
) -> None:
    given_back, problems = validate(schema, value)
    assert same(problems, expected), told(problems)
    assert given_back is value


@pytest.mark.parametrize(("field", "value", "expected"), MISLOADED)
def test_config_class_tells_what_is_wrong(
    field: str, value: object, expected: list[tuple[str, str | None]]
) -> None:
    _, problems = validate(Load, {field: value})
    assert same(problems, expected), told(problems)


def test_problems_of_types_and_of_constraints_come_together() -> None:
    _, problems = validate(
        Load, {"n": 1, "name": "bad", "limit": "x", "ratio": 9, "zzz": 1}, path=("ops", "load")
    )
    assert {":".join(problem.path) for problem in problems} == {
        f"ops:load:{key}" for key in ("n", "name", "limit", "zzz")
    }


def test_paths_start_at_the_path_given() -> None:
    _, problems = validate({"l": [int]}, {"l": [1, "a"]}, path=("ops", "load", "config"))
    assert [str(problem) for problem in problems] == [
        "root:ops:load:config:l:1: expected int, got 'a' (str)."
    ]
    _, problems = validate(int, path=("ops",))
    assert problems[0].path == ("ops",)


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


def test_what_the_environment_holds_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "1")
    _, problems = validate(Load, {"n": {"env": "WORD"}})
    assert told(problems) == [
        ("n", "must be greater than or equal to 3 (from the environment variable 'WORD')")
    ]
    monkeypatch.setenv("WORD", "hunter2")
    _, problems = validate(Load, {"short": [EnvVar("WORD"), {"env": "WORD"}], "mode": "c"})
    assert sorted(":".join(problem.path) for problem in problems) == ["mode", "short"]
    assert not any("hunter2" in problem.message for problem in problems)


def test_the_environment_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"n": IntSource}
    assert validate(schema, {"n": {"env": "TWELVE"}})[0] == {"n": 12}
    monkeypatch.setenv("TWELVE", "13")
    assert validate(schema, {"n": {"env": "TWELVE"}})[0] == {"n": 13}


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


def test_a_plain_dict_is_read_anew_each_time() -> None:
    schema: dict[str, object] = {"n": int}
    assert validate(schema, {"n": 1})[1] == []
    schema["n"] = str
    assert told(validate(schema, {"n": 1})[1]) == [("n", "expected str, got 1 (int).")]


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


class Case(NamedTuple):
    """A schema with a fitting value."""

    schema: object
    value: object


KEYS = st.sampled_from(["a", "b", "long name", "copy", "model_x", "_p"])
LEAVES = st.one_of(
    st.integers().map(lambda n: Case(int, n)),
    st.integers().map(lambda n: Case(float, n)),
    st.floats(allow_nan=False).map(lambda x: Case(float, x)),
    st.text().map(lambda text: Case(str, text)),
    st.booleans().map(lambda flag: Case(bool, flag)),
    st.integers().map(lambda n: Case(IntSource, n)),
    st.sampled_from(list(Color.__members__)).map(lambda name: Case(COLOR, name)),
    st.integers().map(lambda n: Case(Inner, {"x": n})),
)


def containers(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    fields = st.dictionaries(KEYS, inner, max_size=3)
    some = st.dictionaries(KEYS, inner, min_size=1, max_size=3)
    pairs = st.tuples(inner, st.integers(0, 3))
    return st.one_of(
        fields.map(lambda cases: Case(*unzip(cases))),
        fields.map(lambda cases: Case(Permissive(unzip(cases)[0]), unzip(cases)[1])),
        fields.map(
            lambda cases: Case({key: Field(*case) for key, case in cases.items()}, unzip(cases)[1])
        ),
        some.map(
            lambda cases: Case(
                Selector(unzip(cases)[0]), dict([next(iter(unzip(cases)[1].items()))])
            )
        ),
        inner.map(lambda case: Case(Noneable(case.schema), case.value)),
        pairs.map(lambda pair: Case([pair[0].schema], [pair[0].value] * pair[1])),
        pairs.map(
            lambda pair: Case(
                Map(str, pair[0].schema), {f"k{n}": pair[0].value for n in range(pair[1])}
            )
        ),
    )


def unzip(cases: dict[str, Case]) -> tuple[dict[str, object], dict[str, object]]:
    return {key: case.schema for key, case in cases.items()}, {
        key: case.value for key, case in cases.items()
    }


CASES = st.recursive(LEAVES, containers, max_leaves=12)


def places(value: object) -> list[tuple[object, ...]]:
    """Every path in ``value``, the root included."""
    paths: list[tuple[object, ...]] = [()]
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        paths += [(key, *path) for key, inner in pairs for path in places(inner)]
    return paths


def replaced(value: Any, path: tuple[object, ...], by: object) -> Any:
    if not path:
        return by
    value = copy.copy(value)
    value[path[0]] = replaced(value[path[0]], path[1:], by)
    return value


@given(CASES)
def test_a_value_that_fits_has_no_problems(case: Case) -> None:
    assert validate(case.schema, case.value)[1] == []


@given(CASES, st.data())
def test_one_wrong_place_is_the_only_problem(case: Case, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(case.value)))
    _, problems = validate(case.schema, replaced(case.value, path, object()))
    assert [problem.path for problem in problems] == [tuple(map(str, path))]


@given(CASES)
def test_a_scaffold_fits(case: Case) -> None:
    for only_required in (False, True):
        sketch = scaffold(case.schema, only_required=only_required)
        assert json.loads(json.dumps(sketch)) == sketch
        assert validate(case.schema, sketch)[1] == []


@given(
    CASES,
    st.recursive(
        st.none() | st.integers() | st.text() | st.builds(object),
        lambda s: st.lists(s, max_size=2) | st.dictionaries(KEYS | st.integers(), s, max_size=3),
    ),
)
def test_no_value_is_too_strange(case: Case, value: object) -> None:
    resolved, problems = validate(case.schema, value)
    assert problems == [] or resolved is value

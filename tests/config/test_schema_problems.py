"""Problems of values that do not fit a schema."""

from __future__ import annotations

from typing import Any

import example_schemas
import pytest
from example_schemas import (
    ARMS,
    COLOR,
    ONLY_ARM,
    SHAPE,
    Aliased,
    Color,
    Crashing,
    Either,
    Inner,
    Load,
    Open,
    Tree,
    Tuned,
    same,
    texts_of,
    unread,
)

from rayexec.definitions.environment_values import EnvVar
from rayexec.definitions.schemas.config_types import (
    BoolSource,
    Field,
    IntSource,
    Map,
    Noneable,
    Permissive,
    Selector,
    StringSource,
)
from rayexec.definitions.schemas.schema import MISSING, validate

environment = example_schemas.environment


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


@pytest.mark.parametrize(("schema", "value", "expected"), WRONG)
def test_tells_what_is_wrong(
    schema: object, value: object, expected: list[tuple[str, str | None]]
) -> None:
    given_back, problems = validate(schema, value)
    assert same(problems, expected), texts_of(problems)
    assert given_back is value


@pytest.mark.parametrize(("field", "value", "expected"), MISLOADED)
def test_config_class_tells_what_is_wrong(
    field: str, value: object, expected: list[tuple[str, str | None]]
) -> None:
    _, problems = validate(Load, {field: value})
    assert same(problems, expected), texts_of(problems)


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


def test_what_the_environment_holds_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "1")
    _, problems = validate(Load, {"n": {"env": "WORD"}})
    assert texts_of(problems) == [
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


def test_a_plain_dict_is_read_anew_each_time() -> None:
    schema: dict[str, object] = {"n": int}
    assert validate(schema, {"n": 1})[1] == []
    schema["n"] = str
    assert texts_of(validate(schema, {"n": 1})[1]) == [("n", "expected str, got 1 (int).")]

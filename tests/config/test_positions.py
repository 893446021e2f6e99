"""Places of problems in YAML texts: errors of YAML, and problems of run config."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rayexec.config.positions import (
    PlacedProblem,
    YamlTextError,
    positions_of,
    read_yaml_text,
)
from rayexec.errors import Problem


def error_of(text: str | bytes) -> YamlTextError:
    with pytest.raises(YamlTextError) as caught:
        read_yaml_text(text)
    return caught.value


def shown(text: str, problem: PlacedProblem) -> str:
    """Return the part of a text that a problem marks."""
    lines = text.replace("\r\n", "\n").split("\n")
    if problem.line == problem.end_line:
        return lines[problem.line - 1][problem.column - 1 : problem.end_column - 1]
    first, last = lines[problem.line - 1], lines[problem.end_line - 1]
    middle = lines[problem.line : problem.end_line - 1]
    return "\n".join([first[problem.column - 1 :], *middle, last[: problem.end_column - 1]])


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: [", 1, 5, "expected the node content"),
        ("a: 1\nb: *no\n", 2, 4, "undefined alias 'no'"),
        ("a: 1\n b: 2\n", 2, 3, "mapping values are not allowed here"),
        ("a:\n\tb: 1\n", 2, 1, "tabs"),
        ("a: 1\na: 2\n", 2, 1, "'a' is already in this mapping"),
        ("x:\n  b: {c: 1, c: 2}\n", 2, 13, "'c' is already in this mapping"),
        ("a: 1\r\na: 2\r\n", 2, 1, "already"),
        ("\ufeffa: 1\na: 2\n", 2, 1, "already"),
        ("a: 1\n---\nb: 2\n", 2, 1, "one document"),
        ("a: 2024-13-45\n", 1, 4, "month must be in 1..12"),
        ("a: !!python/object:os.system x\n", 1, 4, "could not determine a constructor"),
        ("a: 1\nb: \x07\n", 2, 4, "U+0007 is not allowed"),
        ("a: &x [*x]\n", 1, 8, "contains itself"),
        ("a: &x 1\nb: &x 2\n", 2, 4, "already"),
        ("a: " + "[" * 100, 1, 67, "more than 64 levels"),
        ("a: " + "[" * 100_000, 1, 260, "more than 256 brackets"),
        ("- " * 100_000, 1, 1, "nested too deeply"),
        ("a: '" + "x" * 2_000_000 + "'", 1, 1, "more than 1,048,576 characters"),
        ("a: \ud800", 1, 4, "no Unicode"),
        (b"a: 1\nb: \xff\n", 2, 4, "not UTF-8"),
    ],
)
def test_errors_have_their_places(text: str | bytes, line: int, column: int, message: str) -> None:
    [problem] = error_of(text).problems
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_all_repeated_keys_are_reported() -> None:
    problems = error_of("a: 1\nb: {c: 1, c: 2}\na: 3\n").problems
    assert sorted((each.line, each.column) for each in problems) == [(2, 11), (3, 1)]


def test_laughs_end_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    before = time.process_time()
    [problem] = error_of("\n".join(lines)).problems
    assert "its aliases make" in problem.message
    assert time.process_time() - before < 5


def test_anchors_and_merges_are_read() -> None:
    text = "base: &b {n: 1}\nops:\n  a: {<<: *b, m: 2}\n  b: *b\n"
    assert read_yaml_text(text).value == yaml.safe_load(text)


TEXT = """\
# of the run
ops:
  load:
    config:
      n: 1   # rows
      mdoe: a
      items: [1, two]
  other: {config: {x: 1}}
base: &b
  deep: 1
"""


def problem(path: str, message: str = "expected int, got 'a' (str).") -> Problem:
    return Problem(tuple(path.split(".")) if path else (), message)


def test_problems_are_at_keys_and_values_in_order() -> None:
    problems = [
        problem("base", "unknown key. Expected: ops, resources."),
        problem("ops.other.config.x"),
        problem("ops.load.config.items.1"),
        problem("ops.load.config.mdoe", "unknown key 'mdoe'. Did you mean 'mode'? Expected: {}"),
        problem("ops.load.config.n"),
        problem("ops.load.config.mode", "required key 'mode' is missing."),
        problem("ops.load", "expected a mapping"),
        problem("ops.missing.config", "missing; op 'missing' needs config"),
        problem("resources.db.config", "missing"),
    ]
    placed = positions_of(TEXT, problems)
    assert [(each.line, each.column, shown(TEXT, each), each.fix) for each in placed] == [
        (2, 1, "ops", None),
        (2, 1, "", None),
        (3, 3, "load", None),
        (4, 5, "config", None),
        (5, 10, "1", None),
        (6, 7, "mdoe", "mode"),
        (7, 18, "two", None),
        (8, 23, "1", None),
        (9, 1, "base", None),
    ]


def test_merged_values_are_shown_where_they_are() -> None:
    text = "base: &b {n: x}\nops:\n  a: {<<: *b, m: 2}\n  b: *b\n"
    first, second, third = positions_of(
        text, [problem("ops.a.n"), problem("ops.b.n"), problem("ops.b", "expected a list")]
    )
    assert (first.line, first.column) == (second.line, second.column) == (1, 14)
    assert (third.line, third.column, shown(text, third)) == (4, 3, "b")


def test_empty_values_are_shown_at_their_keys() -> None:
    [placed] = positions_of("ops:\r\n  a:\r\n", [problem("ops.a", "must not be null")])
    assert (placed.line, placed.column, placed.end_column) == (2, 3, 4)
    [placed] = positions_of("# nothing\n", [problem("ops.a", "missing")])
    assert (placed.line, placed.column) == (1, 1)


def test_what_is_missing_below_a_value_is_shown_at_its_key() -> None:
    [placed] = positions_of("ops: 3\n", [problem("ops.load.config", "missing")])
    assert (placed.column, placed.end_column) == (1, 4)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@pytest.mark.long("reads 80 documents in three styles")
@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(max_size=4), VALUES), st.sampled_from([None, True, False]))
def test_texts_have_the_values_that_pyyaml_reads(document: Any, flow: bool | None) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True)
    read = read_yaml_text(text)
    assert read.value == yaml.safe_load(text)
    if "\x85" in text or "\u2028" in text or "\u2029" in text:
        return  # Line ends of YAML, and of no editor.
    for key, value in document.items():
        if isinstance(value, int | str) and not isinstance(value, bool) and str(key) == key:
            [placed] = positions_of(text, [Problem((key,), "wrong")])
            assert yaml.safe_load(shown(text, placed)) in (value, key)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}#&*!|>'\"%@`, \n\t?~<0.", max_size=30))
def test_any_text_is_read_as_pyyaml_does_or_refused_with_a_place(text: str) -> None:
    try:
        expected = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        assert error_of(text).problems[0].line >= 1
        return
    try:
        assert repr(read_yaml_text(text).value) == repr(expected)
    except YamlTextError as error:
        message = str(error)
    else:
        return
    reasons = ("already in this mapping", "contains itself", "one document")
    assert any(reason in message for reason in reasons)

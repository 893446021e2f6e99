"""Properties of schemas, by generated schemas and values."""

from __future__ import annotations

import copy
import json
from typing import Any, NamedTuple

import example_schemas
from example_schemas import COLOR, Color, Inner
from hypothesis import given
from hypothesis import strategies as st

from rayexec.definitions.schemas.config_types import (
    Field,
    IntSource,
    Map,
    Noneable,
    Permissive,
    Selector,
)
from rayexec.definitions.schemas.schema import scaffold, validate

environment = example_schemas.environment


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

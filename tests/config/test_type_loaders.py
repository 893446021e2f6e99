"""Values of inputs from run config: which form each type takes, by the answers of Dagster."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import rayexec
from rayexec import (
    ConfigError,
    DagsterType,
    DagsterTypeLoader,
    DefinitionError,
    In,
    TypeCheckError,
    dagster_type_loader,
    graph,
    op,
    resource,
)

names: Any = rayexec


class Point(NamedTuple):
    n: int


@dagster_type_loader({"n": int})
def load_point(_context: object, config: dict[str, int]) -> Any:
    if config["n"] == 0:
        raise ValueError("zero")
    return "no point" if config["n"] < 0 else Point(config["n"])


POINT: Any = DagsterType(
    lambda _context, value: isinstance(value, Point), name="P", loader=load_point
)
VALUE = {"value": 5}
REFUSED = object()


def load(kind: Any, given: Any) -> Any:
    @op(ins={"x": In(kind)})
    def take(x: Any) -> Any:
        return x

    @graph
    def whole() -> Any:
        return take()

    config = {"ops": {"take": {"inputs": {"x": given}}}}
    return whole.to_job().execute_in_process(config).output_value()


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (int, 5, 5),
        (int, VALUE, 5),
        (int, "5", REFUSED),
        (int, None, REFUSED),
        (float, 5, 5.0),
        (bool, 1, REFUSED),
        (str, {"value": "a"}, "a"),
        (Any, VALUE, 5),
        (Any, 5, REFUSED),
        (list, [VALUE], [5]),
        (list, [1], REFUSED),
        (list, {"value": [1]}, REFUSED),
        (list[int], [VALUE, 2], [5, 2]),
        (list[int], {"value": [1]}, REFUSED),
        (list[int], 1, REFUSED),
        (list[int], ["a"], REFUSED),
        (list[list[int]], [[1], [VALUE]], [[1], [5]]),
        (dict, {"value": {"a": 1}}, {"value": {"a": 1}}),
        (dict, [], REFUSED),
        (dict[str, int], {"a": VALUE, "b": 2}, {"a": 5, "b": 2}),
        (dict[str, int], {"value": 5}, {"value": 5}),
        (dict[str, Any], {"a": VALUE}, {"a": 5}),
        (dict[str, Any], {"a": 5}, REFUSED),
        (names.Optional[int], None, None),
        (names.Optional[int], VALUE, 5),
        (names.Optional[list[int]], [1], [1]),
        (set[int], [1, 1, VALUE], {1, 5}),
        (set[int], 1, REFUSED),
        (tuple[int, str], [VALUE, "a"], (5, "a")),
        (tuple[int, str], [1], REFUSED),
        (tuple[int, str], [1, 2], REFUSED),
        (POINT, {"n": 1}, Point(1)),
        (POINT, {"n": "a"}, REFUSED),
        (POINT, {}, REFUSED),
        (POINT, {"value": {"n": 1}}, REFUSED),
        (list[POINT], [{"n": 1}, {"n": 2}], [Point(1), Point(2)]),
        (names.Optional[POINT], None, None),
        (dict[str, POINT], {"a": {"n": 1}}, {"a": Point(1)}),
        (tuple[POINT, int], [{"n": 1}, VALUE], (Point(1), 5)),
    ],
)
def test_forms_of_values(kind: Any, given: Any, value: Any) -> None:
    if value is REFUSED:
        with pytest.raises(ConfigError):
            load(kind, given)
    else:
        loaded = load(kind, given)
        assert loaded == value
        assert type(loaded) is type(value)


@pytest.mark.parametrize("kind", [object, Point, set, tuple, dict[int, int], list[Point]])
def test_types_without_a_loader(kind: Any) -> None:
    with pytest.raises(DefinitionError, match="run config cannot give"):
        load(kind, VALUE)


@pytest.mark.parametrize("content", [{"value": [1, 2]}, [1, 2]])
def test_a_json_file_has_the_value_by_itself_or_under_its_key(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "value.json"
    path.write_text(json.dumps(content))
    assert load(Any, {"json": {"path": str(path)}}) == [1, 2]
    assert load(list, [{"json": {"path": str(path)}}]) == [[1, 2]]


def test_a_loader_that_fails_and_one_that_returns_something_else() -> None:
    with pytest.raises(ValueError, match="zero"):
        load(POINT, {"n": 0})
    with pytest.raises(TypeCheckError):
        load(POINT, {"n": -1})


def test_checks_and_loaders_use_resources() -> None:
    @dagster_type_loader(int, required_resource_keys={"factor"})
    def scaled(context: Any, config: int) -> int:
        return config * int(context.resources.factor)

    kind = DagsterType(
        lambda context, value: value <= context.resources.most,
        name="Bounded",
        loader=scaled,
        required_resource_keys={"most"},
    )

    @op(ins={"x": In(kind)})
    def take(x: int) -> int:
        return x

    @graph
    def whole() -> Any:
        return take()

    @resource
    def three() -> int:
        return 3

    with pytest.raises(DefinitionError, match="requires resource 'factor'"):
        whole.to_job(resource_defs={"most": three}).execute_in_process(
            {"ops": {"take": {"inputs": {"x": 1}}}}
        )
    bounded = whole.to_job(resource_defs={"most": three, "factor": three})
    result = bounded.execute_in_process({"ops": {"take": {"inputs": {"x": 1}}}})
    assert result.output_value() == 3
    with pytest.raises(TypeCheckError):
        bounded.execute_in_process({"ops": {"take": {"inputs": {"x": 2}}}})


def test_a_loader_may_be_a_class() -> None:
    class Doubling(DagsterTypeLoader):
        @property
        def schema_type(self) -> Any:
            return int

        def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
            assert context.op.name == "take"
            return config_value * 2

    kind = DagsterType(lambda _context, _value: True, name="Doubled", loader=Doubling())
    assert load(kind, 4) == 8

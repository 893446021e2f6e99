"""Completion trees: what they offer is accepted, and what they require is missed."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from typing import Any, Literal

import pydantic
import pytest
from example_schemas import Load
from hypothesis import given, settings
from test_schema_properties import CASES, Case

from rayexec import Config, Field, In, graph, job, op, resource
from rayexec.config.completion import CompletionTree, CompletionType, completion_tree
from rayexec.config.execution import executor_model
from rayexec.config.execution_settings import EXECUTORS, executor_keys
from rayexec.config.run_config_schema import run_config_schema
from rayexec.definitions.schemas.schema import validate
from rayexec.plan import compile_job


def nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def dicts(
    tree: CompletionTree,
    name: str,
    path: tuple[str, ...] = (),
    within: tuple[str, ...] = (),
    default: Any = None,
) -> Iterator[tuple[tuple[str, ...], CompletionType, Any]]:
    """Yield the types with keys, each with a path to it and its default; none inside of itself."""
    written = tree["types"][name]
    if "keys" not in written or name in within:
        return
    yield path, written, default
    for key, inner in written["keys"].items():
        below = inner.get("default", default.get(key) if isinstance(default, dict) else None)
        yield from dicts(tree, inner["type"], (*path, key), (*within, name), below)


def check_tree(schema: Any) -> None:
    """Check the tree of a schema against its validation."""
    tree = completion_tree(schema)
    assert json.loads(json.dumps(tree)) == tree
    for path, written, above in dicts(tree, tree["root"]):
        _, missing = validate(schema, nested(path, {}))
        for key, inner in written["keys"].items():
            here = (*path, key)
            value_type = tree["types"][inner["type"]]
            for value in [each["value"] for each in value_type.get("values", [])] or [None]:
                _, problems = validate(schema, nested(path, {key: value}))
                unknown = [each for each in problems if each.message.startswith("unknown key")]
                assert here not in [each.path for each in unknown]
                if value is not None:
                    assert here not in [each.path for each in problems]
            if "default" in inner:
                _, problems = validate(schema, nested(path, {key: inner["default"]}))
                assert here not in [each.path[: len(here)] for each in problems]
            # A given Config is laid over the default.
            is_given = isinstance(above, dict) and key in above
            if written["kind"] == "dict" and inner["required"] and not is_given:
                assert any(each.path[: len(here)] == here for each in missing), (here, missing)


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_generated_schemas_offer_what_they_accept(case: Case) -> None:
    check_tree(case.schema)


@pytest.mark.parametrize("schema", [Load, *map(executor_model, EXECUTORS)])
def test_classes_offer_what_they_accept(schema: Any) -> None:
    check_tree(schema)


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


class Table(Config):
    """One table to copy.

    Args:
        name: The name of the table.
    """

    name: str
    rows: int = pydantic.Field(5, description="How many rows at most.", ge=1)
    size: Size = Size.SMALL
    mode: Literal["append", "replace"] = "append"
    parts: list[Table] = []  # noqa: RUF012
    token: str = pydantic.Field("t0p", json_schema_extra={"dagster__is_secret": True})


@op
def copy(config: Table) -> int:
    """Copies a table."""
    return 1


@op(config_schema={"deep": {"flag": Field(bool, description="A flag.", default_value=True)}})
def flagged(context: Any, one: int) -> int:
    return one + 1


@op
def plain(one: int, label: str) -> int:
    return one + 1


@resource(config_schema={"url": Field(str, description="Where it is.")})
def database(context: Any) -> str:
    return ""


@graph
def part(one: int) -> int:
    """A part."""
    made: int = plain(flagged(one))
    return made


@job(resource_defs={"database": database})
def made() -> None:
    part(copy())


def tree_of(selected: Any = None, whole: Any = made) -> CompletionTree:
    plan = compile_job(whole, selected)
    return completion_tree(run_config_schema(whole, plan.ops_by_key, plan.open_inputs))


def type_at(tree: CompletionTree, *path: str) -> CompletionType:
    written = tree["types"][tree["root"]]
    for key in path:
        written = tree["types"][written["keys"][key]["type"]]
    return written


def test_keys_have_types_defaults_and_descriptions() -> None:
    tree = tree_of()
    keys = type_at(tree, "ops", "copy", "config")["keys"]
    assert keys["name"] == {
        "type": keys["name"]["type"],
        "required": True,
        "description": "The name of the table.",
    }
    assert keys["rows"]["default"] == 5
    assert keys["rows"]["description"] == "How many rows at most."
    assert "default" not in keys["token"]
    assert keys["token"]["is_secret"]
    config = type_at(tree, "ops", "copy", "config")
    assert config["description"].startswith("One table to copy.")
    assert tree["types"][keys["size"]["type"]]["values"] == [{"value": "SMALL"}, {"value": "LARGE"}]
    assert [each["value"] for each in tree["types"][keys["mode"]["type"]]["values"]] == [
        "append",
        "replace",
    ]
    deep = type_at(tree, "ops", "part", "ops", "flagged", "config", "deep")
    assert deep["keys"]["flag"]["description"] == "A flag."
    assert tree["types"][deep["keys"]["flag"]["type"]]["summary"] == "bool"
    assert type_at(tree, "resources", "database", "config")["keys"]["url"]["required"]
    ops = type_at(tree, "ops")
    assert list(ops["keys"]) == ["copy", "part"]
    assert ops["keys"]["copy"]["description"] == "Copies a table."
    assert ops["keys"]["part"]["description"] == "A part."


def test_a_class_inside_of_itself_is_a_reference() -> None:
    tree = tree_of()
    own = type_at(tree, "ops", "copy")["keys"]["config"]["type"]
    parts = tree["types"][own]["keys"]["parts"]["type"]
    assert tree["types"][parts] == {
        "kind": "list",
        "summary": tree["types"][parts]["summary"],
        "items": own,
    }


class Leaf(Config):
    kind: Literal["leaf"] = "leaf"


class Branch(Config):
    kind: Literal["branch"] = "branch"
    above: Branch | None = None
    child: Leaf | Branch = pydantic.Field(discriminator="kind")


def test_a_class_inside_of_itself_through_unions_is_a_reference() -> None:
    tree = completion_tree(Branch)
    above, child = type_at(tree, "above"), type_at(tree, "child")
    assert (above["options"], above["takes_null"]) == ([tree["root"]], True)
    leaf, branch, arms = child["options"]
    assert branch == tree["root"]
    assert tree["types"][leaf]["keys"]["kind"]["default"] == "leaf"
    assert tree["types"][arms]["keys"]["branch"]["type"] == tree["root"]


def test_sections_without_use_are_not_offered() -> None:
    tree = tree_of()
    assert set(type_at(tree)["keys"]) == {"ops", "resources", "execution", "loggers"}
    assert set(type_at(tree, "ops", "part", "ops", "plain")["keys"]) == {"inputs"}
    assert set(type_at(tree, "ops", "part")["keys"]) == {"ops"}
    [executors] = [type_at(tree, "execution", "config")]
    assert executors["kind"] == "selector"
    assert list(executors["keys"]) == list(EXECUTORS)
    levels = type_at(tree, "loggers", "console", "config", "log_level")
    assert {"value": "INFO"} in levels["values"]


def test_unselected_ops_are_not_offered() -> None:
    tree = tree_of(["part.flagged"])
    assert list(type_at(tree, "ops")["keys"]) == ["part"]
    inputs = type_at(tree, "ops", "part")
    assert list(inputs["keys"]) == ["ops", "inputs"] or list(inputs["keys"]) == ["ops"]
    assert "plain" not in type_at(tree, "ops", "part", "ops")["keys"]


def test_every_executor_key_has_a_description() -> None:
    for name in EXECUTORS:
        keys = completion_tree(executor_model(name))
        for key, inner in keys["types"][keys["root"]]["keys"].items():
            assert inner.get("description"), key
    assert executor_keys()


def test_a_thousand_ops_of_one_definition_share_their_types() -> None:
    @job
    def wide() -> None:
        for _ in range(1_000):
            copy()

    tree = tree_of(whole=wide)
    assert len(type_at(tree, "ops")["keys"]) == 1_000
    assert len(tree["types"]) < 100
    assert len(json.dumps(tree)) < 150_000


def test_values_of_inputs_have_their_forms() -> None:
    @op(ins={"rows": In(list[int])})
    def alone(number: int, anything: Any, rows: Any) -> None: ...

    @job
    def open_job() -> None:
        alone()

    tree = tree_of(whole=open_job)
    union = type_at(tree, "ops", "alone", "inputs", "number")
    options = [tree["types"][option] for option in union["options"]]
    assert [option["kind"] for option in options] == ["selector", "scalar"]
    assert list(options[0]["keys"]) == ["value", "json", "pickle"]
    assert type_at(tree, "ops", "alone", "inputs", "anything")["kind"] == "selector"
    assert type_at(tree, "ops", "alone", "inputs", "rows")["kind"] == "list"

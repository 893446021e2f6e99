"""Run config against its job: defaults, nesting, inputs, and all problems in one message."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    Config,
    ConfigError,
    Field,
    RunConfig,
    config_mapping,
    configured,
    graph,
    job,
    op,
    resource,
    validate_run_config,
)
from rayexec.config.run_config_scaffold import scaffold_run_config
from rayexec.errors import ConfigMappingError
from rayexec.plan import compile_job


class Size(Config):
    n: int
    name: str = "x"


@op
def sized(config: Size) -> int:
    return config.n


@op(config_schema={"k": int, "m": Field(str, default_value="d")})
def keyed(context: Any, x: int) -> Any:
    return context.op_config


@op
def free(context: Any) -> Any:
    return context.op_config


@graph
def inner(y: int) -> Any:
    return keyed(y)


@job(config={"ops": {"sized": {"config": {"n": 1}}}})
def nested() -> None:
    inner(sized())
    free()


@job
def with_inputs(v: int, w: Any) -> None:
    keyed(v)
    free()

    @op
    def untyped(t):  # type: ignore[no-untyped-def]  # an input without a type is the case in point
        return t

    untyped(w)


KEYED = {"inner": {"ops": {"keyed": {"config": {"k": 1}}}}}


def problems(target: Any, run_config: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        validate_run_config(target, run_config)
    for index, problem in enumerate(caught.value.problems, start=1):
        assert f"Error {index}: {problem}" in str(caught.value)
    return {":".join(problem.path): problem.message for problem in caught.value.problems}


def test_defaults_are_filled_in() -> None:
    filled = validate_run_config(nested, {"ops": KEYED})
    assert filled["ops"]["sized"]["config"] == {"n": 1, "name": "x"}
    assert filled["ops"]["inner.keyed"]["config"] == {"k": 1, "m": "d"}


def test_an_op_that_is_mentioned_replaces_the_jobs_default_whole() -> None:
    assert problems(nested, {"ops": {**KEYED, "sized": {"config": {"name": "y"}}}}).keys() == {
        "ops:sized:config:n"
    }
    filled = validate_run_config(nested, {"ops": {**KEYED, "sized": {"config": {"n": 7}}}})
    assert filled["ops"]["sized"]["config"] == {"n": 7, "name": "x"}


def test_every_problem_is_reported_at_once() -> None:
    messages = problems(
        nested,
        {
            "ops": {
                "inner": {"ops": {"keyed": {"config": {"k": "1", "z": 2}, "inputs": {"x": 3}}}},
                "sized": {"config": {"nn": 4}},
                "frea": {},
            },
            "opps": {},
            "execution": {"config": {"multiprocess": {"max_concurrent": -1}}},
        },
    )
    assert messages.keys() == {
        "opps",
        "ops:sized:config:n",
        "ops:sized:config:nn",
        "ops:inner:ops:keyed:inputs:x",
        "ops:inner:ops:keyed:config:k",
        "ops:inner:ops:keyed:config:z",
        "ops:frea",
        "execution:config:multiprocess:max_concurrent",
    }
    assert "Did you mean 'ops'?" in messages["opps"]
    assert "Did you mean 'free'?" in messages["ops:frea"]
    assert "connected to an output" in messages["ops:inner:ops:keyed:inputs:x"]


def test_missing_config_says_what_the_op_needs() -> None:
    messages = problems(nested, {})
    assert messages == {
        "ops:inner:ops:keyed:config": "missing; op 'keyed' needs config: {k: int, m?: str = \"d\"}"
    }


def test_config_of_unselected_ops_is_left_aside_and_of_unknown_ops_refused() -> None:
    result = nested.execute_in_process(
        {"ops": {"inner": {"ops": {"keyed": {"config": 3}}}}}, op_selection=["free"]
    )
    assert result.success
    with pytest.raises(ConfigError, match="unknown op"):
        nested.execute_in_process({"ops": {"nope": {}}}, op_selection=["free"])


def test_an_op_without_a_schema_takes_anything() -> None:
    run_config = {"ops": {**KEYED, "free": {"config": {"any": ["thing"]}}}}
    assert nested.execute_in_process(run_config).output_for_node("free") == {"any": ["thing"]}
    assert nested.execute_in_process({"ops": KEYED}).output_for_node("free") is None


@pytest.mark.parametrize(
    "given",
    [3, {"value": 3}, {"json": {"path": "three.json"}}, {"pickle": {"path": "three.pickle"}}],
)
def test_typed_inputs_come_from_config(
    given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("three.json").write_text(json.dumps(3))
    Path("three.pickle").write_bytes(pickle.dumps(3))
    run_config = {
        "inputs": {"v": given, "w": {"value": None}},
        "ops": {"keyed": {"config": {"k": 1}}},
    }
    assert with_inputs.execute_in_process(run_config).success


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("v", "x", "expected int, got 'x'"),
        ("v", {"value": "x"}, "expected int, got 'x'"),
        ("v", {"json": {"path": "missing.json"}}, "cannot read 'missing.json'"),
        ("v", {"json": "missing.json"}, "expected {json: {path: FILE}}"),
        ("w", 3, "a value of any type has the form {value: …}"),
        ("zz", 1, "the job has no such input"),
    ],
)
def test_inputs_that_do_not_fit(name: str, given: Any, message: str) -> None:
    inputs = {"v": 1, "w": {"value": 1}, name: given}
    messages = problems(with_inputs, {"inputs": inputs, "ops": {"keyed": {"config": {"k": 1}}}})
    assert list(messages) == [f"inputs:{name}"]
    assert message in messages[f"inputs:{name}"]


def test_missing_inputs_are_named() -> None:
    found = problems(with_inputs, {"ops": {"keyed": {"config": {"k": 1}}}})
    assert found.keys() == {"inputs:v", "inputs:w"}


def test_input_values_win_over_config_and_need_no_loader() -> None:
    class Opaque:
        pass

    @op
    def take(o: Opaque) -> bool:
        return isinstance(o, Opaque)

    @job
    def opaque(o: Opaque) -> None:
        take(o)

    assert opaque.execute_in_process(input_values={"o": Opaque()}).output_for_node("take") is True
    assert (
        "cannot be given by run config"
        in problems(opaque, {"inputs": {"o": {"value": 1}}})["inputs:o"]
    )


def test_run_config_of_objects() -> None:
    filled = validate_run_config(nested, RunConfig(ops={"sized": Size(n=3), **KEYED}))
    assert filled["ops"]["sized"]["config"] == {"n": 3, "name": "x"}


def test_what_is_not_a_mapping_is_refused() -> None:
    assert problems(nested, [1]) == {"": "expected a mapping or a RunConfig, got list"}
    assert "expected a mapping" in problems(nested, {"ops": [1]})["ops"]


def test_configured_fixes_config() -> None:
    fixed = keyed.configured({"k": 5}, name="fixed")

    @job
    def uses_fixed(x: int) -> None:
        fixed(x)

    assert uses_fixed.execute_in_process(input_values={"x": 1}).output_for_node("fixed") == {
        "k": 5,
        "m": "d",
    }
    messages = problems(uses_fixed, {"inputs": {"x": 1}, "ops": {"fixed": {"config": {"k": 1}}}})
    assert "fixed by configured()" in messages["ops:fixed:config"]


def test_configured_by_a_function() -> None:
    @configured(keyed, config_schema={"twice": int})
    def doubled(config: Any) -> Any:
        return {"k": 2 * config["twice"]}

    @job
    def uses_doubled(x: int) -> None:
        doubled(x)

    run_config = {"inputs": {"x": 1}, "ops": {"doubled": {"config": {"twice": 4}}}}
    assert uses_doubled.execute_in_process(run_config).output_for_node("doubled") == {
        "k": 8,
        "m": "d",
    }
    assert "ops:doubled:config" in problems(uses_doubled, {"inputs": {"x": 1}})


def test_config_mapping_of_a_job() -> None:
    @config_mapping
    def simple(config: Size) -> Any:
        return {"ops": {"sized": {"config": {"n": config.n * 10}}}}

    @job(config=simple)
    def mapped() -> None:
        sized()

    assert mapped.execute_in_process({"n": 2}).output_for_node("sized") == 20
    assert problems(mapped, {}).keys() == {"n"}


def test_a_mapping_that_raises_is_an_error_with_its_cause() -> None:
    @config_mapping
    def broken(config: Size) -> Any:
        raise ValueError("no such size")

    @job(config=broken)
    def mapped() -> None:
        sized()

    with pytest.raises(
        ConfigMappingError, match="root: broken raised ValueError: no such"
    ) as caught:
        mapped.execute_in_process({"n": 2})
    assert isinstance(caught.value.user_exception, ValueError)


def test_resources_take_config_and_unknown_ones_are_named() -> None:
    @resource(config_schema={"url": str})
    def client(context: Any) -> Any:
        return context.resource_config["url"]

    @op(required_resource_keys={"client"})
    def ask(context: Any) -> Any:
        return context.resources.client

    @job(resource_defs={"client": client, "set": client.configured({"url": "fixed"})})
    def asks() -> None:
        ask()

    run_config = {"resources": {"client": {"config": {"url": "u"}}}}
    assert asks.execute_in_process(run_config).output_for_node("ask") == "u"
    assert problems(asks, {}).keys() == {"resources:client:config:url"}
    assert (
        "Did you mean 'client'?"
        in problems(asks, {"resources": {"cliend": {}}})["resources:cliend"]
    )


def test_loggers_take_a_level() -> None:
    validate_run_config(
        nested, {"ops": KEYED, "loggers": {"console": {"config": {"log_level": "info"}}}}
    )
    messages = problems(
        nested,
        {"ops": KEYED, "loggers": {"console": {"config": {"log_level": "loud"}}, "other": {}}},
    )
    assert messages.keys() == {"loggers:console:config:log_level", "loggers:other"}


@pytest.mark.parametrize("only_required", [True, False])
@pytest.mark.parametrize("target", [nested, with_inputs])
def test_a_scaffold_is_valid_run_config(target: Any, only_required: bool) -> None:
    plan = compile_job(target)
    made = scaffold_run_config(
        target, plan.ops_by_key, plan.open_inputs, only_required=only_required
    )
    made.get("inputs", {}).update({"w": {"value": None}} if target is with_inputs else {})
    validate_run_config(target, made)

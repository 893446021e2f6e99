"""Declarations of ops: their meaning, contradictions in them, and calls of ops as functions."""

from collections.abc import Iterator
from typing import Any

import pytest
from declared_op_parts import Client, body

from rayexec import (
    Backoff,
    Config,
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    Failure,
    In,
    Jitter,
    MetadataValue,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RayOptions,
    RetryPolicy,
    RetryRequested,
    job,
    op,
)
from rayexec.definitions.concurrency import Pool


def test_a_declaration_is_read_from_the_function() -> None:
    made = op(body)
    assert made.name == "body"
    assert made.description == "Add two numbers."
    assert made.input_names() == ("n", "m")
    assert [each.type.name for each in made.ins.values()] == ["int", "int"]
    assert made.ins["m"].default_value == 2
    assert not made.ins["n"].has_default_value
    assert {name: out.type.name for name, out in made.outs.items()} == {"result": "int"}
    named = op(
        name="other",
        description="d",
        ins={"n": In(str)},
        out={"x": Out()},
        tags={"a": 1},
        pool="db",
    )(body)
    assert (named.name, named.description, named.ins["n"].type.name) == ("other", "d", "str")
    assert {name: out.type.name for name, out in named.outs.items()} == {"x": "int"}
    assert named.tags == {"a": "1"}
    assert named.pool == Pool("db")


def test_parameters_are_told_apart() -> None:
    class Settings(Config):
        n: int = 1

    @op(ins={"start": In(Nothing)})
    def everything(context: OpExecutionContext, x: int, config: Settings, client: Client) -> None:
        pass

    assert everything.input_names() == ("x", "start")
    assert everything.required_resource_keys == {"client"}
    assert everything.config_schema is Settings
    assert everything.outs["result"].type.is_nothing

    @op
    def by_annotation(ctx: OpExecutionContext, x: int) -> None:
        pass

    @op
    def underscore(_: Any, x: int) -> None:
        pass

    assert by_annotation.input_names() == underscore.input_names() == ("x",)


def test_annotations_as_strings_are_read() -> None:
    namespace: dict[str, Any] = {}
    source = """
from __future__ import annotations
from rayexec import op
@op
def made(n: int, unknown: NoSuchType, words: list[str]) -> tuple[int, str]:
    return 1, "x"
"""
    exec(compile(source, "strings.py", "exec"), namespace)
    assert [each.type.name for each in namespace["made"].ins.values()] == [
        "int",
        "Any",
        "list[str]",
    ]
    assert namespace["made"].outs["result"].type.name == "tuple[int, str]"


def test_outputs_take_their_types_from_the_return_annotation() -> None:
    @op(out={"a": Out(), "b": Out(), "c": Out(bytes)})
    def several() -> tuple[int, Output[str], Any]:
        return 1, Output("x"), b""

    @op
    def wrapped() -> Output[int]:
        return Output(1)

    @op
    def yielding() -> Iterator[Output[int]]:
        yield Output(1)

    assert [out.type.name for out in several.outs.values()] == ["int", "str", "bytes"]
    assert wrapped.outs["result"].type.name == "int"
    assert yielding.outs["result"].type.name == "Any"


declare: Any = op  # for declarations that type checkers would not let through


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: declare(name="no spaces")(body),
            "'no spaces' is not a valid name for an op: use letters",
        ),
        (lambda: declare(name="input")(body), "'input' is a reserved word and cannot name an op"),
        (lambda: declare(name="class")(body), "'class' is a reserved word"),
        (
            lambda: declare(ins={"nn": In()})(body),
            r"op 'body': ins names 'nn'.*not a parameter.*Did you mean 'n'\?",
        ),
        (lambda: declare(ins={"n": int})(body), "op 'body': ins\\['n'\\] must be an In, got int"),
        (
            lambda: declare(ins={"n": In(Nothing)})(body),
            "op 'body': input 'n' is Nothing, which passes no value",
        ),
        (lambda: declare(out=int)(body), "op 'body': out must be an Out or a mapping"),
        (
            lambda: declare(out={"not ok": Out()})(body),
            "'not ok' is not a valid name for an output of op 'body'",
        ),
        (
            lambda: declare(retry_policy=3)(body),
            "op 'body': retry_policy must be a RetryPolicy, got int",
        ),
        (
            lambda: declare(timeout=0)(body),
            "op 'body': timeout must be a number of seconds above 0, got 0",
        ),
        (lambda: declare(timeout=True)(body), "timeout must be a number"),
        (
            lambda: declare(required_resource_keys="db")(body),
            r"op 'body': required_resource_keys is a set of keys: \{'db'\}",
        ),
        (
            lambda: declare(tags={"a": object()})(body),
            "op 'body': tag 'a' holds a object; use a string",
        ),
        (lambda: declare(tags={1: "a"})(body), "op 'body': tag keys are strings, got 1"),
        (lambda: declare(tags=["a"])(body), "op 'body': tags must be a mapping, got list"),
        (
            lambda: declare(tags={"dagster/priority": "x"})(body),
            "op 'body': tag 'dagster/priority' must be a whole number",
        ),
        (
            lambda: declare(ray_options={"num_cpu": 1})(body),
            "op 'body': ray_options: num_cpu: Extra inputs",
        ),
        (
            lambda: declare(ray_options=3)(body),
            "op 'body': ray_options must be RayOptions or a mapping",
        ),
        (
            lambda: declare(pool=Pool("db", 0))(body),
            "pool 'db': slots must be a whole number of at least 1, got 0",
        ),
        (lambda: declare(pool="d b")(body), "not a valid name for a pool"),
        (lambda: declare(3), "@op takes a function, got int"),
        (lambda: declare(lambda *values: None), "not a valid name|not supported"),
        (
            lambda: declare(name="stars")(lambda *values: None),
            r"op 'stars': \*values is not supported; name each input",
        ),
        (
            lambda: declare(name="slash")(lambda x, /: None),
            "op 'slash': input 'x' is positional-only",
        ),
        (
            lambda: declare(name="settings")(lambda config: None),
            "op 'settings': the parameter named config receives run config",
        ),
        (
            lambda: declare(name="out_")(lambda output: None),
            "'output' is a reserved word and cannot name an input of op 'out_'",
        ),
    ],
)
def test_contradictions_are_told(make: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()


def test_config_comes_from_one_place_only() -> None:
    class Settings(Config):
        n: int = 1

    with pytest.raises(DefinitionError, match="give config_schema or a config parameter"):

        @op(config_schema={"n": int})
        def both(config: Settings) -> None:
            pass


def test_dynamic_outputs_are_declared() -> None:
    @op(out=DynamicOut(int))
    def many() -> Iterator[DynamicOutput[int]]:
        yield DynamicOutput(1, "a")

    assert [each.value for each in many()] == [1]
    with pytest.raises(DefinitionError, match=r"must declare out=DynamicOut\(\)"):

        @op
        def undeclared() -> Iterator[DynamicOutput[int]]:
            yield DynamicOutput(1, "a")

    with pytest.raises(DefinitionError, match="'a b' is not a valid name for a mapping key"):
        DynamicOutput(1, "a b")


# The small values of a definition.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_retries": -1}, "max_retries must be a whole number of at least 0, got -1"),
        ({"max_retries": 1.5}, "max_retries must be a whole number"),
        ({"max_retries": True}, "max_retries must be a whole number"),
        ({"delay": -1}, "delay must be a number of seconds of at least 0, got -1"),
        ({"delay": float("nan")}, "delay must be a number"),
        ({"delay": "1"}, "delay must be a number"),
        ({"backoff": Backoff.LINEAR}, "backoff has no effect without a delay"),
        ({"jitter": Jitter.FULL}, "jitter has no effect without a delay"),
        ({"retry_on": ("ValueError",)}, "retry_on must be exception classes"),
        ({"retry_on": ()}, "retry_on must be exception classes"),
        ({"memory_factor": 1}, "memory_factor must be a number greater than 1, got 1"),
        ({"memory_factor": True}, "memory_factor must be a number greater than 1"),
        ({"memory_factor": "2"}, "memory_factor must be a number greater than 1"),
        ({"memory_factor": float("nan")}, "memory_factor must be a number greater than 1"),
        ({"memory_factor": 2, "max_retries": 0}, "memory_factor has no effect without retries"),
        ({"max_retries": -1, "delay": -1}, "max_retries .*; delay .*"),
    ],
)
def test_retry_policies_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=f"RetryPolicy: {message}"):
        RetryPolicy(**options)


def test_retry_on_takes_one_class_or_several() -> None:
    single: Any = ValueError
    several: Any = [ValueError, OSError]
    assert RetryPolicy(retry_on=single).retry_on == (ValueError,)
    assert RetryPolicy(retry_on=several).retry_on == (ValueError, OSError)
    with pytest.raises(DefinitionError, match="RetryRequested: max_retries must be a whole number"):
        RetryRequested(max_retries=-1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_cpus": -1}, "num_cpus: Input should be greater than or equal to 0"),
        ({"num_cpus": float("inf")}, "num_cpus: Input should be a finite number"),
        ({"num_gpus": 1.5}, "num_gpus: .*more than one GPU must be a whole number"),
        ({"memory": 0}, "memory: Input should be greater than 0"),
        ({"resources": {"CPU": 1}}, "resources: .*'CPU' is not a custom resource, use num_cpus"),
        (
            {"resources": {"object_store_memory": 1}},
            "'object_store_memory' is not a custom resource",
        ),
        ({"resources": {"db": 1.5}}, "'db': more than one must be a whole number"),
        ({"gpus": 1}, "gpus: Extra inputs are not permitted"),
        ({"num_cpus": "many", "memory": -1}, "num_cpus: .*; memory: .*"),
    ],
)
def test_ray_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=f"ray_options: .*{message}"):
        RayOptions(**options)


def test_ray_options_by_class_or_mapping_are_the_same() -> None:
    options = {
        "num_cpus": 0.5,
        "num_gpus": 2,
        "memory": 1e6,
        "resources": {"db": 1},
        "label_selector": {"zone": "a"},
    }
    assert (
        op(ray_options=options)(body).ray_options
        == op(ray_options=RayOptions(**options))(body).ray_options
    )
    assert op(body).ray_options == RayOptions()


def test_metadata_is_wrapped_by_kind() -> None:
    metadata = Output(
        1, metadata={"i": 1, "f": 1.5, "s": "x", "b": True, "n": None, "j": {"a": [1]}}
    ).metadata
    kinds = {key: each.kind for key, each in metadata.items()}
    assert kinds == {"i": "int", "f": "float", "s": "text", "b": "bool", "n": "null", "j": "json"}
    assert MetadataValue.md("# x").kind == "md"
    for wrong in ({"x": object()}, {1: "x"}, {"x": {"y": object()}}):
        with pytest.raises(DefinitionError, match="metadata"):
            Failure("f", metadata=wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_ports_compare_by_content_and_have_the_code_version_of_the_op() -> None:
    @op(code_version="op", out={"p": Out(), "q": Out(code_version="own")})
    def versioned(x: int) -> tuple[int, str]:
        return x, "q"

    assert versioned.ins == {"x": In(int)}
    assert In(int, metadata={"a": 1}) != In(int) == In(int)
    assert Out(int) == Out(int) != Out(str)
    assert [each.code_version for each in versioned.output_defs] == ["op", "own"]


class _Anything(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def test_a_class_with_any_attribute_is_no_context() -> None:
    """So are classes of mocked modules: the first parameter is still an input."""

    class Frame(metaclass=_Anything):
        pass

    @op
    def read(first: Frame, second: Frame) -> Frame:
        return first

    assert list(read.ins) == ["first", "second"]


def test_a_pool_equals_its_name() -> None:
    @op(pool="db")
    def query() -> None: ...

    assert query.pool == "db"
    assert str(query.pool) == "db"
    assert query.pool != "other"
    assert Pool("db", slots=2) != "db"
    assert len({Pool("db"), Pool("db"), "db"}) == 1


def test_declared_inputs_come_first_by_name() -> None:
    seen = []

    @op(ins={"last": In(), "late": In(Nothing), "before": In()})
    def several(first: Any, last: Any, before: Any) -> None:
        seen.append((first, last, before))

    @op
    def one() -> int:
        return 1

    @op
    def two() -> int:
        return 2

    @job
    def work() -> None:
        several(one(), two(), one())  # by position: in the order of the parameters

    names = ["before", "last", "late", "first"]
    assert [each.name for each in several.input_defs] == names
    assert list(several.ins) == names
    work.execute_in_process()
    several(7, 8, 9)
    assert seen == [(1, 2, 1), (7, 8, 9)]


def _google(width: int, height: int) -> int:
    """Return an area.

    Args:
        width (int): from left
            to right
        height: upwards

    Returns:
        int: the area
    """
    return width * height


def _numpy(width: int, height: int) -> int:
    """Return an area.

    Parameters
    ----------
    width : int
        from left
        to right
    height
        upwards

    Returns
    -------
    int
        the area
    """
    return width * height


def _fields(width: int, height: int) -> int:
    """Return an area.

    :param int width: from left
      to right
    :param height: upwards
    :type height: int
    :return: the area
    """
    return width * height


@pytest.mark.parametrize("fn", [_google, _numpy, _fields])
def test_descriptions_come_from_the_docstring(fn: Any) -> None:
    made = op(fn)
    assert {name: each.description for name, each in made.ins.items()} == {
        "width": "from left\nto right",
        "height": "upwards",
    }
    assert made.outs["result"].description == "the area"
    stated = op(ins={"width": In(description="own")}, out=Out(description="stated"))(fn)
    assert stated.ins["width"].description == "own"
    assert stated.ins["height"].description == "upwards"
    assert stated.output_defs[0].description == "stated"


@pytest.mark.parametrize(
    "docstring",
    [None, "", "Plain.", "Note: this: is nothing.", "Args:\n", "Args:\n    width - from", "---\n"],
)
def test_other_docstrings_describe_no_input(docstring: str | None) -> None:
    def area(width: int) -> int:
        return width

    area.__doc__ = docstring
    made = op(area)
    assert made.ins["width"].description is None
    assert made.outs["result"].description is None


def test_version_is_the_old_name_of_code_version() -> None:
    with pytest.warns(DeprecationWarning, match="op 'aged': version is deprecated; write code_v"):

        @op(version="3")
        def aged() -> None: ...

    assert (aged.code_version, aged.version) == ("3", "3")
    with pytest.raises(DefinitionError, match="version is the old name of code_version; give one"):
        op(version="3", code_version="4")(_google)


def test_tags_are_json_with_sorted_keys() -> None:
    assert declare(tags={"limits": {"memory": 2, "cpu": [2, 1]}})(body).tags == {
        "limits": '{"cpu": [2, 1], "memory": 2}'
    }

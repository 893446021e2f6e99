"""Outputs that ops return, beside their annotations and declarations; answers by Dagster."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from rayexec import (
    DagsterInvariantViolationError,
    DagsterType,
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    In,
    InvariantError,
    Nothing,
    Out,
    Output,
    job,
    op,
)

TWO = {"a": Out(), "b": Out()}
NONE_OF_IT = object()


def run(function: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """Return the outputs of a job with one op by name; raises the op's error."""
    made = op(name="made", **options)(function)

    @job
    def alone() -> None:
        made()

    result = alone.execute_in_process()
    return {name: result.output_for_node("made", name) for name in made.outs}


def annotated(annotation: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__annotations__ = {"return": annotation}
    return function


def yields(*items: Any) -> Callable[[], Iterator[Any]]:
    def generator() -> Iterator[Any]:
        yield from items

    return generator


def yields_later(*items: Any) -> Callable[[], AsyncIterator[Any]]:
    async def generator() -> AsyncIterator[Any]:
        for item in items:
            yield item

    return generator


async def later(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("annotation", "function", "options", "outputs"),
    [
        (Output[int], lambda: Output(1), {}, {"result": 1}),
        (Output, lambda: Output(1), {}, {"result": 1}),
        (Any, lambda: Output(1), {}, {"result": 1}),
        (Any, lambda: Output(1), {"out": {"a": Out()}}, {"a": 1}),
        (Output[int], lambda: 1, {}, NONE_OF_IT),
        (Output, lambda: 1, {}, NONE_OF_IT),
        (int, lambda: Output(1), {}, NONE_OF_IT),
        (object, lambda: Output(1), {}, NONE_OF_IT),
        (Output, lambda: 1, {"out": Out(int)}, NONE_OF_IT),
        (int, lambda: Output(1), {"out": Out(int)}, NONE_OF_IT),
        (int, lambda: Output(1, "other"), {}, NONE_OF_IT),
        (tuple[int, Output[int]], lambda: (1, Output(2)), {"out": TWO}, {"a": 1, "b": 2}),
        (tuple[int, Output[int]], lambda: (Output(1), Output(2)), {"out": TWO}, NONE_OF_IT),
        (tuple[int, int], lambda: (1, Output(2)), {"out": TWO}, NONE_OF_IT),
        (Any, lambda: (1, Output(2)), {"out": TWO}, {"a": 1, "b": 2}),
        (Any, lambda: (Output(1), Output(2)), {"out": TWO}, {"a": 1, "b": 2}),
        (Any, lambda: (Output(1, "b"), Output(2, "a")), {"out": TWO}, NONE_OF_IT),
        (Any, lambda: [1, 2], {"out": TWO}, NONE_OF_IT),
        (Any, lambda: None, {"out": TWO}, NONE_OF_IT),
        (
            Any,
            lambda: None,
            {"out": {"a": Out(Nothing), "b": Out(Nothing)}},
            {"a": None, "b": None},
        ),
        (Any, lambda: (1,), {"out": {"a": Out()}}, {"a": (1,)}),
        (Any, lambda: 1, {"out": {}}, NONE_OF_IT),
        (Any, lambda: None, {"out": {}}, {}),
        (int, yields(Output("x")), {}, {"result": "x"}),
        (
            tuple[int, int],
            yields(Output("x", "a"), Output(2, "b")),
            {"out": TWO},
            {"a": "x", "b": 2},
        ),
        (int, yields_later(Output("x")), {}, {"result": "x"}),
        (Iterator[Output[int]], lambda: yields(Output(1))(), {}, {"result": 1}),
        (int, yields(Output(1), Output(2)), {}, NONE_OF_IT),
        (int, yields(1), {}, NONE_OF_IT),
        (int, lambda: later(1), {}, {"result": 1}),
        (int, lambda: later("x"), {}, NONE_OF_IT),
        (list[DynamicOutput[int]], lambda: [DynamicOutput(1, "a")], {}, {"result": {"a": 1}}),
        (int, lambda: [DynamicOutput(1, "a")], {"out": DynamicOut()}, {"result": {"a": 1}}),
        (int, lambda: [DynamicOutput("x", "a")], {"out": DynamicOut()}, NONE_OF_IT),
        (list[DynamicOutput[int]], lambda: [DynamicOutput("x", "a")], {}, NONE_OF_IT),
    ],
)
def test_what_is_returned_fits_its_annotation(
    annotation: Any, function: Callable[..., Any], options: dict[str, Any], outputs: Any
) -> None:
    function = annotated(annotation, function) if annotation is not Any else function
    if outputs is NONE_OF_IT:
        with pytest.raises((DagsterInvariantViolationError, Exception)) as failed:
            run(function, **options)
        assert type(failed.value).__name__ in ("OutputError", "TypeCheckError")
    else:
        assert run(function, **options) == outputs


@pytest.mark.parametrize(
    ("annotation", "options"),
    [
        (int, {"out": TWO}),
        (None, {"out": TWO}),
        (tuple, {"out": TWO}),
        (tuple[int, int, int], {"out": TWO}),
        (tuple[int, ...], {"out": TWO}),
        (dict[str, int], {"out": TWO}),
        (Output[tuple[int, int]], {"out": TWO}),
        (int, {"out": {}}),
        (DynamicOutput, {}),
        (DynamicOutput[int], {}),
        (DynamicOutput[int], {"out": DynamicOut()}),
        (list[DynamicOutput[int]], {"out": Out()}),
    ],
)
def test_annotations_that_do_not_fit_the_outputs(annotation: Any, options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as refused:
        op(name="refused", **options)(annotated(annotation, lambda: 1))
    assert isinstance(refused.value, InvariantError)


def test_none_for_an_optional_output_is_passed_on_with_a_warning() -> None:
    @op(out=Out(is_required=False))
    def falls_through() -> None: ...

    @job
    def alone() -> None:
        falls_through()

    result = alone.execute_in_process()
    assert result.output_for_node("falls_through") is None
    (warning,) = [each.message for each in result.all_events if "returned None" in each.message]
    assert 'optional output "result"' in warning


def test_an_op_has_the_names_of_its_function() -> None:
    @op(name="other")
    def described(context: Any, number: int = 3) -> int:
        """The words of the function."""
        return number

    shown: Any = described
    assert (shown.__name__, shown.__doc__) == ("described", "The words of the function.")
    assert shown.__module__ == __name__
    assert list(inspect.signature(shown).parameters) == ["context", "number"]
    assert inspect.unwrap(shown) is described.fn


def test_ports_by_name() -> None:
    @op(
        ins={"x": In(int, description="words", metadata={"m": 1})},
        out={"a": Out(str, io_manager_key="files"), "b": DynamicOut(is_required=False)},
    )
    def ported(x: int = 4) -> Any: ...

    (given,) = ported.input_defs
    assert (given.name, given.dagster_type.display_name, given.default_value) == ("x", "Int", 4)
    assert (given.description, given.metadata) == ("words", {"m": 1})
    first, second = ported.output_defs
    assert (first.name, first.dagster_type.display_name, first.io_manager_key) == (
        "a",
        "String",
        "files",
    )
    assert (first.is_dynamic, first.optional) == (False, False)
    assert (second.name, second.is_dynamic, second.optional) == ("b", True, True)
    assert ported.input_dict["x"].name == ported.input_def_named("x").name == "x"
    assert ported.output_dict["b"].name == ported.output_def_named("b").name == "b"
    assert ported.has_input("x")
    assert not ported.has_output("x")
    with pytest.raises(InvariantError, match="no input 'a'"):
        ported.input_def_named("a")


def test_two_types_of_one_name_in_a_job() -> None:
    one: Any = DagsterType(lambda _context, _value: True, name="Same")
    other: Any = DagsterType(lambda _context, _value: False, name="Same")

    @op(out=Out(one))
    def first() -> int:
        return 1

    @op(ins={"x": In(other)})
    def second(x: int) -> None: ...

    with pytest.raises(DefinitionError, match="two types called 'Same'"):

        @job
        def mixed() -> None:
            second(first())


@pytest.mark.parametrize(
    "declare",
    [
        lambda wrong: Out(is_required=wrong),
        lambda wrong: Out(io_manager_key=wrong),
        lambda wrong: Out(description=wrong),
        lambda wrong: In(description=wrong),
        lambda wrong: In(input_manager_key=wrong),
        lambda wrong: op(description=wrong)(lambda: 1),
        lambda wrong: Output(1, wrong),
        lambda wrong: DynamicOutput(1, wrong),
    ],
)
def test_arguments_of_the_wrong_type(declare: Callable[[Any], object]) -> None:
    with pytest.raises(DefinitionError):
        declare(3)


def test_outputs_compare_by_content() -> None:
    assert Output(5) == Output(5)
    assert Output(5, metadata={"a": "b"}) == Output(5, metadata={"a": "b"}, data_version="1")
    assert Output(5) != Output(6)
    assert Output(5) != Output(5, "other")
    assert Output(5, tags={"a": "b"}) != Output(5)
    assert DynamicOutput(5, "k") == DynamicOutput(5, "k")
    assert DynamicOutput(5, "k") != DynamicOutput(5, "l")
    assert Output(5).with_metadata({"a": "b"}) == Output(5, metadata={"a": "b"})
    with pytest.raises(TypeError):
        hash(Output(5))


@pytest.mark.parametrize(
    ("kind", "is_refused"),
    [
        (Any, False),
        (object, False),
        (Nothing, False),
        (list, False),
        (list[int], False),
        (Sequence[int], False),
        (list[int] | None, False),
        (int, True),
        (str | None, True),
        (dict, True),
        (tuple, True),
        (DagsterType(lambda _context, _value: True, name="Custom"), True),
    ],
)
def test_lists_of_outputs_need_a_type_of_lists(kind: Any, is_refused: bool) -> None:
    @op
    def one() -> int:
        return 1

    @op(ins={"x": In(kind)})
    def take(**given: Any) -> Any:
        return given

    def wire() -> Any:
        @job
        def fan_in() -> None:
            take(x=[one(), one()])

        return fan_in

    if is_refused:
        with pytest.raises(DefinitionError, match="gets a list of outputs"):
            wire()
    else:
        expected = {} if kind is Nothing else {"x": [1, 1]}
        assert wire().execute_in_process().output_for_node("take") == expected

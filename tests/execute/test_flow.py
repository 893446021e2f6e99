"""Values between steps, the same on every engine."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from small_ops import add_one, bounds, listed, one, passed

from rayexec import In, InvariantError, Nothing, Out, Output, job, op


def keys_of(result: Any, kind: str) -> list[str]:
    return [event.step_key for event in result.all_events if event.event_type_value == kind]


def test_a_chain_hands_values_on(execute: Any) -> None:
    @job
    def chain() -> None:
        add_one(add_one(one()))

    result = execute(chain)
    assert result.success
    assert [result.output_for_node(key) for key in ("one", "add_one", "add_one_2")] == [1, 2, 3]


def test_an_op_without_return_annotation_hands_on_none(execute: Any) -> None:
    @op
    def silent():  # type: ignore[no-untyped-def]  # what is not annotated is Any, and None is a value of it
        pass

    @job
    def quiet() -> None:
        passed(silent())

    result = execute(quiet)
    assert result.success
    assert result.output_for_node("passed") is None


def test_several_outputs_by_tuple_name_and_position(execute: Any) -> None:
    @job
    def several() -> None:
        _low, high = bounds()
        add_one.alias("by_unpacking")(high)
        add_one.alias("by_name")(bounds.alias("again")().low)
        add_one.alias("by_key")(bounds.alias("third")()["high"])

    result = execute(several)
    assert result.output_for_node("bounds", "low") == 3
    assert result.output_for_node("bounds", "high") == 9
    assert [result.output_for_node(key) for key in ("by_unpacking", "by_name", "by_key")] == [
        10,
        4,
        10,
    ]


def test_several_outputs_by_output_objects(execute: Any) -> None:
    @op(out={"p": Out(int), "q": Out(str)})
    def returned() -> tuple[Output[int], Output[str]]:
        return Output(1, "p"), Output("x")  # the place says which it is

    @op(out={"p": Out(int), "q": Out(str)})
    def yielded() -> Iterator[Output[Any]]:
        yield Output("y", "q")
        yield Output(2, "p")

    @job
    def objects() -> None:
        returned()
        yielded()

    result = execute(objects)
    assert result.success
    assert [result.output_for_node("returned", name) for name in "pq"] == [1, "x"]
    assert [result.output_for_node("yielded", name) for name in "pq"] == [2, "y"]


def test_a_single_output_may_be_yielded_or_wrapped(execute: Any) -> None:
    @op
    def generator() -> Iterator[Output[int]]:
        yield Output(5)

    @op
    def wrapped() -> Output[int]:
        return Output(6, metadata={"rows": 3})

    @op(out={"named": Out(int)})
    def named() -> int:
        return 7

    @job
    def single() -> None:
        add_one(generator())
        wrapped()
        named()

    result = execute(single)
    assert result.output_for_node("add_one") == 6
    assert result.output_for_node("wrapped") == 6
    assert result.output_for_node("named", "named") == 7


def test_async_ops_and_async_generators(execute: Any) -> None:
    import asyncio

    @op
    async def later() -> int:
        await asyncio.sleep(0)
        return 4

    @op(out={"a": Out(int), "b": Out(int)})
    async def streamed() -> AsyncIterator[Output[int]]:
        yield Output(1, "a")
        await asyncio.sleep(0)
        yield Output(2, "b")

    @job
    def asynchronous() -> None:
        add_one(later())
        streamed()

    result = execute(asynchronous)
    assert result.success, result.get_step_failure_events()
    assert result.output_for_node("add_one") == 5
    assert [result.output_for_node("streamed", name) for name in "ab"] == [1, 2]


def test_an_op_without_outputs(execute: Any) -> None:
    @op(out={})
    def nothing_out() -> None:
        pass

    @job
    def bare() -> None:
        nothing_out()

    result = execute(bare)
    assert result.success
    assert "STEP_OUTPUT" not in [event.event_type_value for event in result.all_events]


def test_a_fan_in_keeps_the_order_of_the_list(execute: Any) -> None:
    @job
    def fan_in() -> None:
        listed([add_one.alias("third")(add_one(one())), one.alias("first")(), bounds().high])

    assert execute(fan_in).output_for_node("listed") == [3, 1, 9]


def test_an_empty_fan_in_and_one_of_one_member(execute: Any) -> None:
    @job
    def narrow() -> None:
        listed.alias("empty")([])
        listed.alias("single")([one()])

    result = execute(narrow)
    assert result.output_for_node("empty") == []
    assert result.output_for_node("single") == [1]


def test_optional_outputs_choose_a_branch(execute: Any) -> None:
    @op(out={"left": Out(int, is_required=False), "right": Out(int, is_required=False)})
    def choose() -> Iterator[Output[int]]:
        yield Output(1, "right")

    @job
    def branching() -> None:
        left, right = choose()
        on_left = add_one.alias("on_left")(left)
        on_right = add_one.alias("on_right")(right)
        add_one.alias("after_left")(on_left)
        listed.alias("either")([on_left, on_right])
        listed.alias("only_left")([on_left, left])

    result = execute(branching)
    assert result.success
    assert sorted(keys_of(result, "STEP_SKIPPED")) == ["after_left", "on_left", "only_left"]
    assert result.output_for_node("either") == [2]
    assert result.is_node_skipped("on_left")
    assert not result.is_node_untouched("on_left")
    assert result.is_node_success("on_right")
    with pytest.raises(
        InvariantError, match="No outputs found for output 'left' from node 'choose'"
    ):
        result.output_for_node("choose", "left")


def test_a_single_optional_output_that_is_not_yielded_skips(execute: Any) -> None:
    @op(out=Out(int, is_required=False))
    def maybe(value: int) -> Iterator[Output[int]]:
        if value > 1:
            yield Output(value)

    @job
    def optional() -> None:
        add_one.alias("skipped")(maybe.alias("no")(one()))
        add_one.alias("ran")(maybe.alias("yes")(bounds().high))

    result = execute(optional)
    assert result.success
    assert keys_of(result, "STEP_SKIPPED") == ["skipped"]
    assert result.output_for_node("ran") == 10


def test_an_optional_output_whose_op_returns_none_hands_none_on(execute: Any) -> None:
    @op(out=Out(is_required=False))
    def returns_none() -> Any:
        return None

    @job
    def none_is_a_value() -> None:
        passed(returns_none())

    result = execute(none_is_a_value)
    assert result.output_for_node("passed") is None
    assert keys_of(result, "STEP_SKIPPED") == []


def test_nothing_orders_steps_and_passes_no_value(execute: Any, tmp_path: Any) -> None:
    log = str(tmp_path / "log")

    @op
    def write(context: Any) -> None:
        with open(log, "a") as file:
            file.write(context.op_handle.name + " ")

    @op(ins={"start": In(Nothing)})
    def after(context: Any) -> None:
        with open(log, "a") as file:
            file.write(context.op_handle.name + " ")

    @job
    def ordered() -> None:
        first = write.alias("zz_first")()
        second = write.alias("zz_second")()
        both = after.alias("both")([first, second])
        after.alias("aa_last")(start=both)

    assert execute(ordered).success
    with open(log) as file:
        lines = file.read().split()
    assert sorted(lines[:2]) == ["zz_first", "zz_second"]
    assert lines[2:] == ["both", "aa_last"]


def test_a_nothing_input_takes_any_output_and_a_value_beside_it(execute: Any) -> None:
    @op(ins={"start": In(Nothing)})
    def gated(n: int) -> int:
        return n * 2

    @job
    def mixed() -> None:
        gated(n=add_one(one()), start=bounds().low)

    assert execute(mixed).output_for_node("gated") == 4


def test_defaults_of_python_and_of_in(execute: Any) -> None:
    @op
    def python_default(n: int = 5) -> int:
        return n

    @op(ins={"n": In(int, default_value=6)})
    def declared_default(n: int) -> int:
        return n

    @op
    def none_default(n: int | None = None) -> str:
        return repr(n)

    @job
    def defaults() -> None:
        python_default()
        declared_default()
        none_default()
        python_default.alias("given")(one())

    result = execute(defaults)
    values = {
        key: result.output_for_node(key)
        for key in ("python_default", "declared_default", "none_default")
    }
    assert values == {"python_default": 5, "declared_default": 6, "none_default": "None"}
    assert result.output_for_node("given") == 1
    configured = execute(defaults, {"ops": {"python_default": {"inputs": {"n": 8}}}})
    assert configured.output_for_node("python_default") == 8

"""Ends of runs with failed, skipped or absent dynamic outputs, or such steps below them."""

from collections.abc import Iterator
from typing import Any

import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    StepNotFoundError,
    graph,
    job,
    op,
)


@op(out=DynamicOut(int))
def numbers() -> Iterator[DynamicOutput[int]]:
    for number in range(3):
        yield DynamicOutput(number, f"k{number}")


@op
def inc(n: int) -> int:
    return n + 1


@op
def odd_only(n: int) -> int:
    if n % 2 == 0:
        raise ValueError(f"{n} is even")
    return n


@op(out=Out(int, is_required=False))
def evens(n: int) -> Iterator[Output[int]]:
    if n % 2 == 0:
        yield Output(n)


@op
def listed(values: list[Any]) -> list[Any]:
    return values


def ends(result: Any) -> dict[str, str]:
    """Return the end of each step with events, by key."""
    kinds = ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED")
    return {
        event.step_key: event.event_type_value.removeprefix("STEP_").lower()
        for event in result.all_events
        if event.event_type_value in kinds
    }


def root_of(result: Any, key: str) -> tuple[str, str]:
    root = result.failure_data_for_node(key).root
    return root.cls_name, root.message


def test_of_an_op_that_is_tried_again_the_last_attempts_values_alone_count(execute: Any) -> None:
    @op(out=DynamicOut(int), retry_policy=RetryPolicy(max_retries=1))
    def flaky(context: OpExecutionContext) -> Iterator[DynamicOutput[int]]:
        yield DynamicOutput(context.retry_number, "same")
        yield DynamicOutput(5, f"of_{context.retry_number}")
        if context.retry_number == 0:
            raise OSError
        yield DynamicOutput(6, "last")

    @job
    def retried() -> None:
        listed(flaky().map(inc).collect())

    result = execute(retried)
    assert result.success
    assert result.retry_attempts_for_node("flaky") == 1
    assert result.output_for_node("flaky") == {"same": 1, "of_1": 5, "last": 6}
    assert result.output_for_node("listed") == [2, 6, 7]
    assert "inc[of_0]" not in ends(result)


def test_a_required_dynamic_output_may_be_empty(execute: Any) -> None:
    @op(out=DynamicOut(int))
    def empty() -> Iterator[DynamicOutput[int]]:
        yield from ()

    @job
    def nothing() -> None:
        values = empty()
        listed(values.map(inc).map(inc.alias("again")).collect())
        listed.alias("unmapped")(values.collect())

    result = execute(nothing)
    assert result.success
    assert ends(result) == {"empty": "success", "listed": "success", "unmapped": "success"}
    assert result.output_for_node("listed") == result.output_for_node("unmapped") == []
    assert result.output_for_node("empty") == {}
    assert result.is_node_untouched("inc")


def test_an_optional_dynamic_output_that_does_not_come_skips_what_collects(execute: Any) -> None:
    @op(out={"some": DynamicOut(int, is_required=False), "plain": Out(int)})
    def maybe() -> Iterator[Any]:
        yield Output(1, "plain")

    @job
    def nothing() -> None:
        some, plain = maybe()
        listed.alias("behind")(listed(some.map(inc.alias("below")).collect()))
        listed.alias("unmapped")(some.collect())
        inc(plain)

    result = execute(nothing)
    assert result.success
    assert ends(result) == {
        "maybe": "success",
        "inc": "success",
        "listed": "skipped",
        "behind": "skipped",
        "unmapped": "skipped",
    }
    assert result.is_node_untouched("below")


def test_where_a_mapped_step_fails_the_others_run_and_what_collects_does_not(execute: Any) -> None:
    @job
    def uneven() -> None:
        odd = numbers().map(odd_only)
        listed(odd.map(inc).collect())
        listed.alias("of_all")(numbers.alias("others")().map(inc.alias("fine")).collect())

    result = execute(uneven)
    assert not result.success
    assert ends(result) == {
        "numbers": "success",
        "odd_only[k0]": "failure",
        "odd_only[k1]": "success",
        "odd_only[k2]": "failure",
        "inc[k1]": "success",
        "others": "success",
        "fine[k0]": "success",
        "fine[k1]": "success",
        "fine[k2]": "success",
        "of_all": "success",
    }
    assert result.is_node_untouched("listed")
    assert result.output_for_node("odd_only") == {"k1": 1}
    assert result.output_for_node("inc") == {"k1": 2}
    assert result.get_failed_step_keys() == {"odd_only[k0]", "odd_only[k2]"}
    message = result.get_run_failure_event().message
    assert (
        message
        == "Execution of run for \"uneven\" failed. Steps failed: ['odd_only[k0]', 'odd_only[k2]']."
    )


def test_a_mapped_op_that_failed_for_some_keys_is_told_by_its_name(execute: Any) -> None:
    @graph
    def part(n: Any) -> Any:
        return odd_only(n)

    @job
    def uneven() -> None:
        numbers().map(part)

    result = execute(uneven)
    for name in ("part", "part.odd_only"):
        assert result.is_node_failed(name), name
        assert result.is_node_success(name), "some of its steps succeeded"
        first = result.get_step_failure_events()[0]
        assert result.failure_data_for_node(name) is first.step_failure_data
        assert str(result.exception_for_node(name)) == first.step_failure_data.root.message
    assert root_of(result, "part.odd_only[k2]") == ("ValueError", "2 is even")
    assert str(result.exception_for_node("part.odd_only[k2]")) == "2 is even"
    assert result.failure_data_for_node("part.odd_only[k1]") is None
    assert result.exception_for_node("part.odd_only[k1]") is None
    assert result.is_node_success("part.odd_only[k1]")
    assert result.is_node_failed("part.odd_only[k2]")


def test_a_mapped_step_is_tried_again_by_itself(execute: Any) -> None:
    @op(retry_policy=RetryPolicy(max_retries=2))
    def late(context: OpExecutionContext, n: int) -> int:
        if context.retry_number < n:
            raise OSError
        return n

    @job
    def retried() -> None:
        listed(numbers().map(late).collect())

    result = execute(retried)
    assert result.output_for_node("listed") == [0, 1, 2]
    assert [result.retry_attempts_for_node(f"late[k{number}]") for number in range(3)] == [0, 1, 2]
    assert result.retry_attempts_for_node("late") == 3
    with pytest.raises(StepNotFoundError):
        result.retry_attempts_for_node("late[k3]")


def test_a_mapped_step_that_yields_nothing_is_left_out_of_the_list(execute: Any) -> None:
    @job
    def gaps() -> None:
        values = numbers().map(evens)
        listed(values.map(inc).collect())
        listed.alias("direct")(values.collect())

    result = execute(gaps)
    assert result.success
    assert result.output_for_node("evens") == {"k0": 0, "k2": 2}
    assert result.output_for_node("inc") == {"k0": 1, "k2": 3}
    assert result.output_for_node("listed") == [1, 3]
    assert result.output_for_node("direct") == [0, 2]
    assert ends(result)["inc[k1]"] == "skipped"


def test_where_no_mapped_step_yields_anything_what_collects_is_skipped(execute: Any) -> None:
    @op(out=Out(int, is_required=False))
    def never(n: int) -> Iterator[Output[int]]:
        yield from ()

    @job
    def gone() -> None:
        listed(numbers().map(never).collect())

    result = execute(gone)
    assert result.success
    assert ends(result)["listed"] == "skipped"


def test_steps_may_wait_for_all_mapped_steps_without_their_values(execute: Any) -> None:
    @op(ins={"after": In(Nothing)})
    def finish() -> str:
        return "finished"

    @job
    def waits() -> None:
        finish(numbers().map(inc).collect())
        finish.alias("of_failed")(numbers.alias("others")().map(odd_only).collect())

    result = execute(waits)
    assert result.output_for_node("finish") == "finished"
    assert list(ends(result)).index("finish") > list(ends(result)).index("inc[k2]")
    assert result.is_node_untouched("of_failed")


def test_below_two_levels_a_failure_keeps_back_the_lists_that_need_it(execute: Any) -> None:
    @op(out=DynamicOut(int))
    def below(n: int) -> Iterator[DynamicOutput[int]]:
        if n == 0:
            raise ValueError("nothing below")
        for index in range(n):
            yield DynamicOutput(10 * n + index, str(index))

    @op
    def picky(n: int) -> int:
        if n == 21:
            raise ValueError("not this one")
        return n

    @job
    def nested() -> None:
        by_number = numbers().map(below).map(picky).collect()
        by_number.map(listed)
        listed.alias("all")(by_number.collect())

    result = execute(nested)
    assert ends(result) == {
        "numbers": "success",
        "below[k0]": "failure",
        "below[k1]": "success",
        "below[k2]": "success",
        "picky[k1,0]": "success",
        "picky[k2,0]": "success",
        "picky[k2,1]": "failure",
        "listed[k1]": "success",
    }
    assert result.output_for_node("listed") == {"k1": [10]}
    assert result.get_failed_step_keys() == {"below[k0]", "picky[k2,1]"}
    assert result.is_node_untouched("all")


def test_a_result_is_closed_whose_last_mapped_steps_never_ran(execute: Any) -> None:
    @op
    def fails() -> int:
        raise ValueError

    @op
    def add(n: int, more: int) -> int:
        return n + more

    @job
    def never_ran() -> None:
        more = fails()
        numbers().map(lambda n: add(n, more))

    with execute(never_ran) as result:
        assert ends(result) == {"fails": "failure", "numbers": "success"}
        assert result.output_for_node("numbers") == {"k0": 0, "k1": 1, "k2": 2}
    assert result.counts()["not run"] == 3

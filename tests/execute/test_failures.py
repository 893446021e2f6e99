"""Effects of a failure on its step, on later steps, and on the run."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from rayexec import (
    Failure,
    GraphOut,
    In,
    InvariantError,
    Nothing,
    Out,
    Output,
    graph,
    job,
    op,
)


@op
def fine() -> int:
    return 1


@op
def boom() -> int:
    raise ValueError("the boom")


@op
def take(value: Any) -> Any:
    return value


@op
def take_all(values: list[Any]) -> list[Any]:
    return values


@op(ins={"start": In(Nothing)})
def after() -> int:
    return 2


def root_of(result: Any, key: str) -> tuple[str, str]:
    data = result.failure_data_for_node(key)
    assert data is not None
    return data.root.cls_name, data.root.message


def test_a_failure_abandons_what_depends_on_it_and_nothing_else(execute: Any) -> None:
    @job
    def failing() -> None:
        bad = boom()
        take.alias("second")(take.alias("first")(bad))
        after(bad)
        take_all([fine(), bad])
        take.alias("elsewhere")(fine.alias("other")())

    result = execute(failing)
    assert not result.success
    assert result.status == "FAILURE"
    assert result.get_failed_step_keys() == frozenset({"boom"})
    assert result.is_node_failed("boom")
    for key in ("first", "second", "after", "take_all"):
        assert result.is_node_untouched(key), key
        assert not result.is_node_skipped(key), key
    assert result.output_for_node("elsewhere") == 1
    assert result.output_for_node("fine") == 1
    assert "Steps failed: ['boom']" in result.get_run_failure_event().message
    messages = [event.message for event in result.all_events]
    assert "Dependencies for step first failed: ['boom']. Not executing." in messages
    assert "Dependencies for step second failed: ['first']. Not executing." in messages
    assert result.counts() == {"succeeded": 3, "failed": 1, "skipped": 0, "not run": 4}


def test_the_failure_tells_class_message_and_place(execute: Any) -> None:
    @job
    def failing() -> None:
        boom()

    result = execute(failing)
    data = result.failure_data_for_node("boom")
    assert data.error.cls_name == "DagsterExecutionStepExecutionError"
    assert data.error.message == 'Error occurred while executing op "boom":'
    assert data.error.cause.cls_name == "ValueError"
    assert data.error.cause.message == "the boom"
    assert "test_failures.py" in data.error.cause.stack
    assert 'raise ValueError("the boom")' in data.error.cause.stack
    assert os.path.join("rayexec", "run", "step.py") not in data.error.cause.stack
    assert data.user_failure_data is None
    assert isinstance(result.exception_for_node("boom"), ValueError)
    [event] = result.get_step_failure_events()
    assert event.step_failure_data is data
    assert event.message == 'Execution of step "boom" failed: ValueError: the boom'
    with pytest.raises(
        InvariantError, match="No outputs found for output 'result' from node 'boom'"
    ):
        result.output_for_node("boom")


def test_causes_are_told_in_order(execute: Any) -> None:
    @op
    def chained() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("outer") from error

    @job
    def causes() -> None:
        chained()

    result = execute(causes)
    cause = result.failure_data_for_node("chained").error.cause
    assert (cause.cls_name, cause.cause.cls_name) == ("RuntimeError", "KeyError")
    assert isinstance(result.exception_for_node("chained").__cause__, KeyError)


def test_exceptions_that_cause_each_other_are_no_trap(execute: Any) -> None:
    @op
    def circular() -> None:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    @op
    def deep() -> None:
        error = ValueError("0")
        for number in range(3000):
            following = ValueError(str(number + 1))
            following.__cause__ = error
            error = following
        raise error

    @job
    def knots() -> None:
        circular()
        deep()

    result = execute(knots)
    assert root_of(result, "circular") == ("ValueError", "first")
    circle = result.failure_data_for_node("circular").root
    assert circle.cause.message == "second"
    assert circle.cause.cause is None
    assert root_of(result, "deep") == ("ValueError", "3000")


def test_a_skipped_source_outweighs_a_failed_one(execute: Any) -> None:
    @op(out=Out(is_required=False))
    def absent() -> Iterator[Output[int]]:
        yield from ()

    @op
    def both(left: Any, right: Any) -> Any:
        return left, right

    @job
    def mixed() -> None:
        gone, bad = absent(), boom()
        both(gone, bad)
        take_all([gone, bad])

    result = execute(mixed)
    assert result.is_node_skipped("both")
    assert result.is_node_untouched("take_all")


def test_outputs_yielded_before_a_failure_stay_readable_and_feed_nobody(execute: Any) -> None:
    @op(out={"a": Out(), "b": Out()})
    def half() -> Iterator[Output[int]]:
        yield Output(1, "a")
        raise ValueError("halfway")

    @job
    def halved() -> None:
        a, b = half()
        take.alias("of_a")(a)
        take.alias("of_b")(b)

    result = execute(halved)
    assert result.is_node_untouched("of_a")
    assert result.is_node_untouched("of_b")
    assert result.output_for_node("half", "a") == 1
    with pytest.raises(InvariantError):
        result.output_for_node("half", "b")


def test_upstream_success_may_be_left_aside(execute_on_ray: Any) -> None:
    @op(out={"a": Out(), "b": Out()})
    def half() -> Iterator[Output[int]]:
        yield Output(1, "a")
        raise ValueError("halfway")

    @job(
        config={
            "execution": {
                "config": {
                    "ray": {"step_dependency_config": {"require_upstream_step_success": False}}
                },
            }
        }
    )
    def halved() -> None:
        a, b = half()
        take.alias("of_a")(a)
        take.alias("of_b")(b)

    result = execute_on_ray(halved)
    assert not result.success
    assert result.output_for_node("of_a") == 1
    assert result.is_node_untouched("of_b")


def test_failure_carries_description_and_metadata(execute: Any) -> None:
    @op
    def explained() -> None:
        raise Failure("no rows", metadata={"rows": 0, "table": "flights"})

    @job
    def explaining() -> None:
        explained()

    result = execute(explaining)
    data = result.failure_data_for_node("explained")
    assert root_of(result, "explained") == ("Failure", "no rows")
    assert data.user_failure_data.description == "no rows"
    assert {key: each.value for key, each in data.user_failure_data.metadata.items()} == {
        "rows": 0,
        "table": "flights",
    }
    assert isinstance(result.exception_for_node("explained"), Failure)


def test_a_failure_inside_a_graph_is_told_by_its_path(execute: Any) -> None:
    @graph(out={"good": GraphOut(), "bad": GraphOut()})
    def part() -> Any:
        return {"good": fine(), "bad": boom()}

    @job
    def outer() -> None:
        found = part()
        take.alias("of_good")(found.good)
        take.alias("of_bad")(found.bad)

    result = execute(outer)
    assert result.get_failed_step_keys() == frozenset({"part.boom"})
    assert result.output_for_node("of_good") == 1
    assert result.is_node_untouched("of_bad")
    assert result.is_node_success("part"), "one of its ops succeeded"
    assert result.is_node_failed("part")
    assert result.output_for_node("part", "good") == 1
    assert root_of(result, "part.boom") == ("ValueError", "the boom")


def test_exit_and_other_base_exceptions_fail_the_step_only(execute: Any) -> None:
    @op
    def leave() -> None:
        raise SystemExit(3)

    @op
    def leave_quietly() -> None:
        import sys

        sys.exit()

    @op
    def close() -> None:
        raise GeneratorExit

    @job
    def leaving() -> None:
        leave()
        leave_quietly()
        close()
        fine()

    result = execute(leaving)
    assert result.get_failed_step_keys() == frozenset({"leave", "leave_quietly", "close"})
    assert root_of(result, "leave") == ("SystemExit", "3")
    assert result.output_for_node("fine") == 1

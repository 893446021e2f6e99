"""Retries: policies, requests, precedence, timeouts."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    Backoff,
    Failure,
    MaxRetriesExceededError,
    Out,
    Output,
    RetryPolicy,
    RetryRequested,
    StepTimeoutError,
    graph,
    job,
    op,
)


def kinds_of(result: Any, key: str) -> list[str]:
    return [
        event.event_type_value
        for event in result.events_for_node(key)
        if "STEP_" in event.event_type_value
    ]


@op
def quick() -> int:
    return 1


def flaky(times: int, name: str = "flaky", **options: Any) -> Any:
    """Return an op that fails so many times before it succeeds."""

    @op(name=name, **options)
    def fails_first(context: Any) -> int:
        if context.retry_number < times:
            raise ValueError(f"attempt {context.retry_number}")
        return int(context.retry_number)

    return fails_first


def test_a_policy_tries_again_until_it_works(execute: Any) -> None:
    shaky = flaky(2, retry_policy=RetryPolicy(max_retries=3))

    @job
    def retrying() -> None:
        shaky()

    result = execute(retrying)
    assert result.success
    assert result.output_for_node("flaky") == 2
    assert result.retry_attempts_for_node("flaky") == 2
    assert kinds_of(result, "flaky") == [
        "STEP_START",
        "STEP_UP_FOR_RETRY",
        "STEP_RESTARTED",
        "STEP_UP_FOR_RETRY",
        "STEP_RESTARTED",
        "STEP_OUTPUT",
        "STEP_SUCCESS",
    ]
    first = next(
        event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"
    )
    assert first.step_failure_data.root.message == "attempt 0"


def test_an_exhausted_policy_fails_and_shows_the_last_error(execute: Any) -> None:
    shaky = flaky(9, retry_policy=RetryPolicy(max_retries=2))

    @job
    def retrying() -> None:
        shaky()

    result = execute(retrying)
    data = result.failure_data_for_node("flaky")
    assert kinds_of(result, "flaky").count("STEP_UP_FOR_RETRY") == 2
    assert kinds_of(result, "flaky")[-1] == "STEP_FAILURE"
    assert (data.error.cls_name, data.error.message) == (
        "RetryRequestedFromPolicy",
        "Exceeded max_retries of 2",
    )
    assert (data.root.cls_name, data.root.message) == ("ValueError", "attempt 2")
    error = result.exception_for_node("flaky")
    assert isinstance(error, MaxRetriesExceededError)
    assert isinstance(error.__cause__, ValueError)


def test_retry_requested_overrides_and_ends(execute: Any) -> None:
    @op(retry_policy=RetryPolicy(max_retries=0))
    def asks(context: Any) -> int:
        if context.retry_number < 2:
            raise RetryRequested(max_retries=2, seconds_to_wait=0)
        return 7

    @op
    def asks_too_often() -> int:
        try:
            raise KeyError("why")
        except KeyError as error:
            raise RetryRequested(max_retries=1) from error

    @job
    def asking() -> None:
        asks()
        asks_too_often()

    result = execute(asking)
    assert result.output_for_node("asks") == 7
    data = result.failure_data_for_node("asks_too_often")
    assert (data.error.cls_name, data.error.message) == (
        "RetryRequested",
        "Exceeded max_retries of 1",
    )
    assert data.error.cause.cls_name == "KeyError"
    assert (data.root.cls_name, data.root.message) == ("KeyError", "'why'")
    assert isinstance(result.exception_for_node("asks_too_often"), MaxRetriesExceededError)
    retried = next(each for each in result.all_events if each.event_type_value == RETRIED)
    assert retried.event_specific_data.error.cls_name == "RetryRequested"
    assert result.retry_attempts_for_node("asks_too_often") == 1


RETRIED = "STEP_UP_FOR_RETRY"


def test_which_policy_wins(execute: Any) -> None:
    bare = flaky(99)
    own = flaky(99, "flaky_too", retry_policy=RetryPolicy(max_retries=2))

    @graph
    def inner() -> None:
        bare.alias("in_graph")()
        own.alias("own_in_graph")()

    @job(op_retry_policy=RetryPolicy(max_retries=1))
    def precedence() -> None:
        bare.alias("of_job")()
        own.alias("of_op")()
        own.with_retry_policy(RetryPolicy(max_retries=3)).alias("of_call")()
        inner.with_retry_policy(RetryPolicy(max_retries=4))()

    result = execute(precedence)
    tries = {key: result.retry_attempts_for_node(key) for key in ("of_job", "of_op", "of_call")}
    assert tries == {"of_job": 1, "of_op": 2, "of_call": 3}
    assert result.retry_attempts_for_node("inner.in_graph") == 4
    assert result.retry_attempts_for_node("inner.own_in_graph") == 2


class Passing(Exception):
    """Comes and goes."""


class PassingToo(Passing):
    """One of its kind."""


def test_retry_on_looks_at_the_class(execute: Any) -> None:
    @op(retry_policy=RetryPolicy(max_retries=1, retry_on=(Passing, ConnectionError)))
    def passing(context: Any) -> int:
        if context.retry_number == 0:
            raise PassingToo("retry me")
        return 1

    @op(retry_policy=RetryPolicy(max_retries=1, retry_on=(Passing,)))
    def lasting() -> int:
        raise KeyError("do not retry me")

    @job
    def choosy() -> None:
        passing()
        lasting()

    result = execute(choosy)
    assert result.is_node_success("passing")
    assert result.retry_attempts_for_node("lasting") == 0
    assert isinstance(result.exception_for_node("lasting"), KeyError)


def test_failure_may_forbid_retries(execute: Any) -> None:
    @op(retry_policy=RetryPolicy(max_retries=3))
    def final() -> None:
        raise Failure("for good", allow_retries=False)

    @op(retry_policy=RetryPolicy(max_retries=3))
    def not_final(context: Any) -> int:
        if context.retry_number == 0:
            raise Failure("for now")
        return 1

    @job
    def failing() -> None:
        final()
        not_final()

    result = execute(failing)
    assert result.retry_attempts_for_node("final") == 0
    assert result.failure_data_for_node("final").root.cls_name == "Failure"
    assert result.is_node_success("not_final")


def test_waiting_for_a_retry_blocks_nothing(execute: Any) -> None:
    shaky = flaky(1, retry_policy=RetryPolicy(max_retries=1, delay=0.3))

    @job
    def waiting() -> None:
        shaky.alias("aa")()
        quick.alias("zz")()

    result = execute(waiting)
    order = [(event.step_key, event.event_type_value) for event in result.all_events]
    assert order.index(("aa", "STEP_UP_FOR_RETRY")) < order.index(("aa", "STEP_RESTARTED"))
    assert order.index(("zz", "STEP_SUCCESS")) < order.index(("aa", "STEP_RESTARTED"))
    up = next(event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY")
    again = next(event for event in result.all_events if event.event_type_value == "STEP_RESTARTED")
    assert again.timestamp - up.timestamp >= 0.29


def test_the_delay_grows_with_the_backoff(execute: Any) -> None:
    shaky = flaky(2, retry_policy=RetryPolicy(max_retries=2, delay=0.1, backoff=Backoff.LINEAR))

    @job
    def waiting() -> None:
        shaky()

    result = execute(waiting)
    up = [
        event.timestamp
        for event in result.all_events
        if event.event_type_value == "STEP_UP_FOR_RETRY"
    ]
    again = [
        event.timestamp for event in result.all_events if event.event_type_value == "STEP_RESTARTED"
    ]
    waits = [later - before for before, later in zip(up, again, strict=True)]
    assert waits[0] >= 0.09
    assert waits[1] >= 0.19


def test_outputs_of_a_failed_attempt_do_not_outlive_it(execute: Any) -> None:
    @op(out={"a": Out(is_required=False), "b": Out(is_required=False)})
    def changing(context: Any) -> Iterator[Output[int]]:
        if context.retry_number == 0:
            yield Output(1, "a")
            raise RetryRequested(max_retries=1)
        yield Output(2, "b")

    @op
    def listed(values: list[Any]) -> list[Any]:
        return values

    @job
    def changes() -> None:
        a, b = changing()
        listed([a, b])
        listed.alias("of_a")([a])

    result = execute(changes)
    assert result.output_for_node("listed") == [2]
    assert result.is_node_skipped("of_a")
    with pytest.raises(Exception, match="No outputs found for output 'a'"):
        result.output_for_node("changing", "a")


DISABLED: dict[str, Any] = {"execution": {"config": {"ray": {"retries": {"disabled": {}}}}}}


def test_retries_may_be_disabled(execute_on_ray: Any) -> None:
    shaky = flaky(1, retry_policy=RetryPolicy(max_retries=3))

    @op
    def asks() -> None:
        raise RetryRequested(max_retries=3)

    @job(config=DISABLED)
    def disabled() -> None:
        shaky()
        asks()

    result = execute_on_ray(disabled)
    assert result.get_failed_step_keys() == frozenset({"flaky", "asks"})
    for key in ("flaky", "asks"):
        data = result.failure_data_for_node(key)
        assert data.error.cls_name == "RetriesDisabledError"
        assert "retries are disabled" in data.error.message
        assert result.retry_attempts_for_node(key) == 0
    assert result.failure_data_for_node("flaky").root.message == "attempt 0"
    assert disabled.execute_in_process(raise_on_error=False).is_node_success("flaky")


def test_a_timeout_ends_the_op_and_says_so(execute: Any) -> None:
    @op(timeout=0.2)
    def sleeps() -> None:
        time.sleep(600)

    @op(timeout=0.2)
    def spins() -> None:
        while True:
            pass

    @op(timeout=0.2)
    async def waits() -> None:
        import asyncio

        await asyncio.sleep(600)

    @op(timeout=60)
    def in_time() -> int:
        return 1

    @job
    def timed() -> None:
        sleeps()
        spins()
        waits()
        in_time()

    result = execute(timed)
    for key in ("sleeps", "spins", "waits"):
        data = result.failure_data_for_node(key)
        assert data.root.cls_name == "StepTimeoutError"
        assert data.root.message == f"step '{key}' ran longer than its timeout of 0.2 s"
        assert isinstance(result.exception_for_node(key), StepTimeoutError)
    assert result.is_node_success("in_time")


@pytest.mark.parametrize("retry_on", [(TimeoutError,), (StepTimeoutError,), None])
def test_a_timeout_counts_as_an_attempt(execute: Any, retry_on: Any) -> None:
    @op(timeout=0.5, retry_policy=RetryPolicy(max_retries=1, retry_on=retry_on))
    def slow_once(context: Any) -> int:
        if context.retry_number == 0:
            time.sleep(600)
        return 1

    @job
    def timed() -> None:
        slow_once()

    result = execute(timed)
    assert result.success
    assert result.retry_attempts_for_node("slow_once") == 1


def test_a_worker_that_died_is_tried_again(execute_on_ray: Any, tmp_path: Path) -> None:
    mark = tmp_path / "died"

    @op(retry_policy=RetryPolicy(max_retries=1))
    def dies_once() -> int:
        import os

        if not mark.exists():
            mark.touch()
            os._exit(3)
        return 1

    @job
    def dying() -> None:
        dies_once()

    result = execute_on_ray(dying)
    assert result.success
    assert kinds_of(result, "dies_once") == [
        "STEP_START",
        "STEP_UP_FOR_RETRY",
        "STEP_RESTARTED",
        "STEP_OUTPUT",
        "STEP_SUCCESS",
    ]

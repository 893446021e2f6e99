"""Ops that fail, or whose worker dies, while their values stream."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streaming_jobs import wait_for

from rayexec import DynamicOut, DynamicOutput, RetryPolicy, RunResult, job, op

Execute = Callable[..., RunResult]


def half(failures: int, policy: RetryPolicy | None = None) -> Any:
    """Return a job with a producer that fails between its values, in its first attempts."""

    @op(out=DynamicOut(stream=True), retry_policy=policy)
    def produce(context: Any) -> Iterator[DynamicOutput[Any]]:
        yield DynamicOutput((context.retry_number, np.full(20_000, 1)), "a")
        yield DynamicOutput((context.retry_number, 2), "b")
        if context.retry_number < failures:
            raise ValueError("half-way")
        yield DynamicOutput((context.retry_number, 3), "c")

    @op
    def take(value: Any) -> tuple[int, int]:
        return value[0], int(np.max(value[1]))

    @op
    def collect(values: list[Any]) -> list[Any]:
        return values

    @job
    def halved() -> None:
        collect(produce().map(take).collect())

    return halved


def test_what_was_handed_on_runs_though_the_op_fails_and_nothing_collects_a_part(
    execute: Execute,
) -> None:
    result = execute(half(1))
    assert result.get_failed_step_keys() == {"produce"}
    assert result.output_for_node("take") == {"a": (0, 1), "b": (0, 2)}
    assert result.is_node_untouched("collect")


def test_a_retry_goes_on_with_values_that_are_new(execute: Execute) -> None:
    result = execute(half(1, RetryPolicy(max_retries=1)))
    assert result.success
    assert result.output_for_node("collect") == [(0, 1), (0, 2), (1, 3)]


def test_a_worker_that_dies_between_two_values_leaves_those_that_were_handed_on(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    died = tmp_path / "died"

    @op(out=DynamicOut(stream=True), retry_policy=RetryPolicy(max_retries=1))
    def produce(context: Any) -> Iterator[DynamicOutput[Any]]:
        yield DynamicOutput(np.full(20_000, 1 + 10 * context.retry_number), "a")
        yield DynamicOutput(2 + 10 * context.retry_number, "b")
        wait_for(tmp_path / "b")
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield DynamicOutput(np.full(20_000, 3), "c")

    @op
    def take(context: Any, value: Any) -> int:
        (tmp_path / str(context.get_mapping_key())).touch()
        return int(np.max(value))

    @op
    def collect(values: list[int]) -> list[int]:
        return values

    @job
    def mortal() -> None:
        collect(produce().map(take).collect())

    result = execute_on_ray(mortal)
    assert result.success, [event.message for event in result.get_step_failure_events()]
    assert result.output_for_node("collect") == [1, 2, 3]
    assert result.retry_attempts_for_node("produce") == 1
    tries = [
        str(event.step_key) for event in result.all_events if event.event_type_value == "STEP_START"
    ]
    assert sorted(tries) == ["collect", "produce", "take[a]", "take[b]", "take[c]"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_worker_that_dies_takes_no_values_of_others_with_it(
    execute_on_ray: Execute, tmp_path: Path, stream: bool
) -> None:
    died = tmp_path / "died"

    @op(out=DynamicOut(stream=stream))
    def produce() -> list[Any]:
        return [np.full(20_000, each) for each in range(6)]

    @op(retry_policy=RetryPolicy(max_retries=1))
    def take(context: Any, value: Any) -> int:
        if context.get_mapping_key() == "2" and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return int(value[0])

    @job
    def mortal() -> None:
        produce().map(take)

    result = execute_on_ray(mortal)
    assert result.output_for_node("take") == {str(each): each for each in range(6)}
    assert result.retry_attempts_for_node("take") == 1
    assert sum(event.step_key == "produce" for event in result.get_step_success_events()) == 1

"""Mapped steps that begin while the op with their values is still yielding."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayexec import DynamicOut, DynamicOutput, Nothing, Out, Output, RetryPolicy, RunResult, job, op
from rayexec.execute import RunLog, prepare
from rayexec.execute.driver import run_to_end
from rayexec.execute.observer import Observer
from rayexec.scheduler.messages import StepStatus
from rayexec.testing.simulated_engine import SimulatedEngine

Execute = Callable[..., RunResult]

PATIENCE = 20.0  # seconds after which a step that was waited for is taken not to come
EAGER = {
    "execution": {
        "config": {"ray": {"step_dependency_config": {"require_upstream_step_success": False}}}
    }
}


def wait_for(path: Path) -> None:
    """Wait for a file; raises TimeoutError."""
    ends = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > ends:
            raise TimeoutError(f"nobody made {path.name}")
        time.sleep(0.005)


def echo_job(folder: Path, values: list[Any], out: Any, **settings: Any) -> Any:
    """Return a job with a producer that awaits the step of each value before the next."""

    @op(out=out, **settings)
    def produce() -> Iterator[Any]:
        for index, value in enumerate(values):
            yield DynamicOutput(value, f"k{index}")
            wait_for(folder / f"k{index}")

    @op
    def take(context: Any, value: Any) -> int:
        (folder / str(context.get_mapping_key())).touch()
        return int(np.sum(value))

    @op
    def total(values: list[int]) -> int:
        return sum(values)

    @job
    def echo() -> None:
        total(produce().map(take).collect())

    return echo


@pytest.mark.parametrize("kind", ["small", "large", "mixed"])
def test_each_value_is_taken_before_the_next_is_yielded(
    execute_on_ray: Execute, tmp_path: Path, kind: str
) -> None:
    large = [np.full(20_000, each) for each in range(4)]
    cases: dict[str, list[Any]] = {
        "small": [1, 2, 3],
        "large": large,
        "mixed": [1, large[2], 3, large[1]],
    }
    values = cases[kind]
    result = execute_on_ray(echo_job(tmp_path, values, DynamicOut(stream=True)))
    assert result.success, [event.message for event in result.get_step_failure_events()]
    assert result.output_for_node("total") == sum(int(np.sum(each)) for each in values)
    assert [event.step_key for event in result.get_step_success_events()][-2:] == [
        "produce",
        "total",
    ]


def test_a_run_that_requires_no_upstream_success_streams(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    result = execute_on_ray(echo_job(tmp_path, [4, 5], DynamicOut()), EAGER)
    assert result.output_for_node("total") == 9


def test_without_it_nothing_begins_before_the_op_is_over(execute: Execute, tmp_path: Path) -> None:
    seen = tmp_path / "seen"

    @op(out=DynamicOut())
    def produce() -> Iterator[DynamicOutput[int]]:
        yield DynamicOutput(1, "a")
        time.sleep(0.2)
        yield DynamicOutput(int(seen.exists()), "b")

    @op
    def take(value: int) -> int:
        seen.touch()
        return value

    @job
    def patient() -> None:
        produce().map(take)

    assert execute(patient).output_for_node("take") == {"a": 1, "b": 0}


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


def test_other_outputs_of_the_op_are_waited_for(execute: Execute) -> None:
    @op(out={"items": DynamicOut(stream=True), "sum": Out(), "done": Out(Nothing)})
    def produce() -> Iterator[Any]:
        yield DynamicOutput(1, "a", "items")
        yield DynamicOutput(2, "b", "items")
        yield Output(3, "sum")

    @op
    def share(item: int, total: int) -> float:
        return item / total

    @job
    def shares() -> None:
        made = produce()
        made.items.map(lambda item: share(item, made.sum))

    assert execute(shares).output_for_node("share") == {"a": 1 / 3, "b": 2 / 3}


def test_streams_below_streams(execute: Execute) -> None:
    @op(out=DynamicOut(stream=True))
    def outer() -> Iterator[int]:
        yield from (1, 2, 3)

    @op(out=DynamicOut(stream=True))
    def inner(count: int) -> Iterator[int]:
        yield from range(count)

    @op
    def square(number: int) -> int:
        return number**2

    @op
    def whole(numbers: list[list[int]]) -> list[list[int]]:
        return numbers

    @job
    def nested() -> None:
        whole(outer().map(lambda count: inner(count).map(square)).collect().collect())

    assert execute(nested).output_for_node("whole") == [[0], [0, 1], [0, 1, 4]]


def test_an_op_with_a_timeout_or_a_returned_list_hands_its_values_on_at_its_end(
    execute: Execute,
) -> None:
    @op(out=DynamicOut(stream=True), timeout=30)
    def timed() -> Iterator[int]:
        yield from (1, 2)

    @op(out=DynamicOut(stream=True))
    def listed() -> list[Any]:
        return [np.full(20_000, 3), 4]

    @op
    def top(value: Any) -> int:
        return int(np.max(value))

    @job
    def both() -> None:
        timed().map(top)
        listed().map(top.alias("top_listed"))

    result = execute(both)
    assert result.output_for_node("top") == {"0": 1, "1": 2}
    assert result.output_for_node("top_listed") == {"0": 3, "1": 4}


def test_large_values_never_reach_the_driver(
    execute_on_ray: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    fetched: list[str] = []
    get = ray.get

    def counted(refs: Any, **options: Any) -> Any:
        value = get(refs, **options)
        fetched.append(type(value).__name__)
        return value

    @op(out=DynamicOut(stream=True))
    def batches() -> Iterator[Any]:
        import pyarrow as pa

        for index in range(5):
            yield pa.table({"n": np.arange(50_000) + index})

    @op
    def rows(batch: Any) -> int:
        return int(batch.num_rows)

    @op
    def total(counts: list[int]) -> int:
        return sum(counts)

    @job
    def arrow() -> None:
        total(batches().map(rows).collect())

    monkeypatch.setattr(ray, "get", counted)
    result = execute_on_ray(arrow)
    monkeypatch.undo()
    assert result.output_for_node("total") == 250_000
    # The answer of the batch that streamed is among them, which tells of places only.
    assert "bytes" in fetched
    assert "Packed" not in fetched


def test_in_the_simulator_mapped_steps_run_beside_the_op_that_yields(tmp_path: Path) -> None:
    spec = prepare(
        echo_job(tmp_path, [1, 2, 3], DynamicOut(stream=True)), ignore_execution=True
    ).with_run_plan()
    plan = spec.plan
    engine = SimulatedEngine(
        plan,
        nodes=[4],
        seconds=lambda call: 1.0 if plan.steps[call.step].key == "produce" else 0.1,
        yields=lambda _call: {"result": ["a", "b", "c"]},
        streams=spec.streaming_templates,
    )
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(plan), Observer(), clock=engine.now)
    assert outcome.machine.status.count(StepStatus.SUCCESS) == 5
    produced = next(end for _, end, step in engine.schedule if step == plan.by_key["produce"])
    starts = [
        start for start, _, step in engine.schedule if plan.steps[step].key.startswith("take[")
    ]
    assert len(starts) == 3
    assert max(starts) < produced


def test_values_that_come_faster_than_they_are_taken_are_all_there(execute_on_ray: Execute) -> None:
    """Also where a value arrives together with the end of the step before it."""

    @op(out=DynamicOut(stream=True))
    def produce() -> Iterator[int]:
        for number in range(150):
            yield number
            time.sleep(0.002)

    @op
    def take(number: int) -> None:
        if not isinstance(number, int):
            raise TypeError(f"got {number!r}")

    @job
    def quick() -> None:
        produce().map(take)

    result = execute_on_ray(quick, keep_outputs="none")
    assert result.success, [event.message for event in result.get_step_failure_events()][:3]
    assert result.counts()["succeeded"] == 151


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


def test_an_op_that_hands_its_values_on_at_its_end_keeps_nobody_waiting(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    """The driver continues other steps while an op still has large values to yield."""

    @op(out=DynamicOut(stream=True), timeout=60)
    def produce() -> Iterator[Any]:
        yield np.full(20_000, 1)
        wait_for(tmp_path / "second")

    @op
    def first() -> int:
        return 1

    @op
    def second(number: int) -> None:
        (tmp_path / "second").touch()

    @op
    def take(value: Any) -> int:
        return int(value[0])

    @job
    def beside() -> None:
        produce().map(take)
        second(first())

    config = {
        "execution": {"config": {"ray": {"batches": False}}}
    }  # so that the second step has to come from the driver
    assert execute_on_ray(beside, config).output_for_node("take") == {"0": 1}


def test_small_values_that_are_collected_are_no_objects_of_their_own(
    execute_on_ray: Execute,
) -> None:
    @op(out=DynamicOut())
    def produce() -> list[int]:
        return list(range(2000))

    @op
    def same(number: int) -> int:
        return number

    @op
    def count(numbers: list[int]) -> int:
        return len(numbers)

    @job
    def wide() -> None:
        count(produce().map(same).collect())

    result = execute_on_ray(wide)
    assert result.output_for_node("count") == 2000
    stored = result._engine._values.by_step  # type: ignore[attr-defined]  # the engine on Ray
    assert {type(each) for each in stored[1:]} == {bytes}
    assert {type(each) for each in stored[0].values()} == {bytes}

"""Mapped steps that begin while the op with their values is still yielding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streaming_jobs import echo_job, wait_for

from rayexec import DynamicOut, DynamicOutput, Nothing, Out, Output, RunResult, job, op
from rayexec.execute import RunLog, prepare
from rayexec.execute.driver import run_to_end
from rayexec.execute.observer import Observer
from rayexec.scheduler.messages import StepStatus
from rayexec.testing.simulated_engine import SimulatedEngine

Execute = Callable[..., RunResult]
EAGER = {
    "execution": {
        "config": {"ray": {"step_dependency_config": {"require_upstream_step_success": False}}}
    }
}


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
    spans = {str(each.step_key): each for each in result.waits}
    succeeded = {str(each.step_key): each.timestamp for each in result.get_step_success_events()}
    takes = {f"take[k{index}]" for index in range(len(values))}
    assert succeeded.keys() == {"produce", "total", *takes}
    # Each value was taken while the op was still yielding, or the op would wait in vain. The ends
    # of the two are independent: the last success of either may be recorded first.
    assert all(spans[take].started < succeeded["produce"] for take in takes)
    assert max(succeeded, key=succeeded.__getitem__) == "total"


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
    def square(value: int) -> int:
        return value**2

    @op
    def whole(squares: list[list[int]]) -> list[list[int]]:
        return squares

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
    """Receive a value also where it arrives together with the end of the step before it."""

    @op(out=DynamicOut(stream=True))
    def produce() -> Iterator[int]:
        for value in range(150):
            yield value
            time.sleep(0.002)

    @op
    def take(value: int) -> None:
        if not isinstance(value, int):
            raise TypeError(f"got {value!r}")

    @job
    def quick() -> None:
        produce().map(take)

    result = execute_on_ray(quick, keep_outputs="none")
    assert result.success, [event.message for event in result.get_step_failure_events()][:3]
    assert result.counts()["succeeded"] == 151


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
    def second(value: int) -> None:
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
    def same(value: int) -> int:
        return value

    @op
    def count(values: list[int]) -> int:
        return len(values)

    @job
    def wide() -> None:
        count(produce().map(same).collect())

    result = execute_on_ray(wide)
    assert result.output_for_node("count") == 2000
    stored = result._engine._values.by_step  # type: ignore[attr-defined]  # the engine on Ray
    assert {type(each) for each in stored[1:]} == {bytes}
    assert {type(each) for each in stored[0].values()} == {bytes}

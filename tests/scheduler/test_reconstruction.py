"""Cost of reconstruction: linear in the lost outputs."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from rayexec import job, op
from rayexec.events import SUCCESS, Attempt, ErrorInfo, OutputRecord, StepFailureData
from rayexec.placement.choice import driver_placement
from rayexec.plan import compile_job
from rayexec.run.spec import Batch
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    StepStatus,
)

LOST = StepFailureData(ErrorInfo("ObjectLostError", "gone", ""), ("ObjectLostError",))


class CountedStep(int):
    """The index of a step; counts comparisons, since a search in a list is made of them."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedStep.comparisons += 1
        return int(self) == other

    def __hash__(self) -> int:
        return int(self)


@op
def source() -> int:
    return 1


@op
def gate(values: list[int]) -> int:
    return 1


@op
def after(value: int, opened: int) -> int:
    return 1


def batches_after(machine: Machine, event: SchedulerEvent) -> list[Batch]:
    return [one.batch for one in machine.handle(event, 0.0) if isinstance(one, RunBatch)]


def work_of_losing(count: int) -> int:
    """Return the calls and comparisons that it takes to have ``count`` steps run again.

    Each of them has a consumer; one consumer is in flight, and all others are ready.
    """

    @job
    def fans() -> None:
        values = [source() for _ in range(count)]
        opened = gate(values)
        for value in values:
            after(value, opened)

    plan = compile_job(fans)
    machine = Machine(plan, driver_placement(plan, slots=1, max_concurrent=1))
    [batch] = batches_after(machine, RunStarted())
    for _ in range(count + 1):
        [call] = batch.calls
        row = Attempt(call.step, 0, SUCCESS, 0.0, 0.0, (OutputRecord("result"),))
        [batch] = batches_after(machine, BatchEnded(batch.id, (row,)))
    assert machine.status.count(StepStatus.READY) == count - 1
    sources = tuple(
        CountedStep(step) for step in range(len(plan.steps)) if not plan.steps[step].inputs
    )
    calls = 0

    def count_calls(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event.endswith("call")

    CountedStep.comparisons = 0
    sys.setprofile(count_calls)
    try:
        machine.handle(BatchLost(batch.id, (), None, LOST, 0.0, 0.0, inputs=sources), 0.0)
    finally:
        sys.setprofile(None)
    assert machine.status.count(StepStatus.SUCCESS) == 1
    assert machine.status.count(StepStatus.READY) == count - 1
    return calls + CountedStep.comparisons


def test_twice_as_many_lost_outputs_take_about_twice_the_work() -> None:
    assert work_of_losing(800) < 2.5 * work_of_losing(400)

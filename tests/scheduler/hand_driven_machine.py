"""Jobs, attempts and batches for a state machine driven by hand."""

from collections.abc import Sequence
from typing import Any

from machine_checks import check

from rayexec import RetryPolicy, job, op
from rayexec.events import (
    SUCCESS,
    Attempt,
    ErrorInfo,
    OutputRecord,
    StepFailureData,
)
from rayexec.placement.choice import driver_placement
from rayexec.plan import Plan, compile_job
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import (
    Instruction,
    RunBatch,
    SchedulerEvent,
)

CRASH = StepFailureData(
    ErrorInfo("WorkerCrashedError", "gone", ""), ("rayexec.errors.WorkerCrashedError",)
)


@op
def source() -> int:
    return 1


@op
def after(value: Any) -> int:
    return 1


@op(retry_policy=RetryPolicy(max_retries=1, delay=5))
def patient(value: Any) -> int:
    return 1


def fed(machine: Machine, event: SchedulerEvent, now: float) -> list[Instruction]:
    """Return the answers of the machine, and check its state."""
    out = machine.handle(event, now)
    check(machine)
    return out


def submitted(instructions: Sequence[Instruction]) -> dict[int, int]:
    """Return batch ids by step."""
    return {
        each.batch.calls[0].step: each.batch.id
        for each in instructions
        if isinstance(each, RunBatch)
    }


def attempt(
    plan: Plan, step: int, attempt_number: int = 0, outcome: int = SUCCESS, **options: Any
) -> Attempt:
    outputs = (
        tuple(OutputRecord(name) for name in plan.op_of(step).outs) if outcome == SUCCESS else ()
    )
    return Attempt(step, attempt_number, outcome, 0.0, 0.0, **{"outputs": outputs, **options})


def a_chain() -> Plan:
    @job
    def chain() -> None:
        after(patient(source()))

    return compile_job(chain)


def batched(plan: Plan, slots: int = 1, **options: Any) -> Machine:
    return Machine(plan, driver_placement(plan, slots=slots), **{"batching": True, **options})


def batches(instructions: Sequence[Instruction]) -> list[list[int]]:
    """Return the steps of each new batch."""
    return [
        [call.step for call in each.batch.calls]
        for each in instructions
        if isinstance(each, RunBatch)
    ]


def a_crowd(count: int) -> Plan:
    @job
    def crowd() -> None:
        for _ in range(count):
            source()

    return compile_job(crowd)

"""Checks of the scheduler's state, for any test with a state machine."""

from __future__ import annotations

from typing import SupportsIndex

from rayexec.plan.model import FromStep
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.step_table import TRANSITIONS

_IN_BATCHES = (StepStatus.RUNNING, StepStatus.CHAINED)
_BEHIND_INPUTS = (
    StepStatus.READY,
    StepStatus.RUNNING,
    StepStatus.DELAYED,
    StepStatus.SUCCESS,
    StepStatus.FAILED,
)


class CheckedStatuses(list[StepStatus]):
    """Statuses of steps that refuse every transition outside of TRANSITIONS."""

    # Nobody writes several at once.
    def __setitem__(  # type: ignore[override]
        self, step: SupportsIndex, status: StepStatus
    ) -> None:
        """Change a status; raises AssertionError for a forbidden transition."""
        before = self[step]
        assert status in TRANSITIONS[before], (
            f"step {step} must not go from {before.name} to {status.name}"
        )
        super().__setitem__(step, status)


def check(machine: Machine) -> None:
    """Raise AssertionError where the state contradicts itself."""
    plan, status = machine._plan, machine.status
    in_flight = [step for batch in machine.running.values() for step in batch.outstanding]
    assert len(in_flight) == len(set(in_flight)), "a step is in two batches at once"
    in_batches = {step for step, now in enumerate(status) if now in _IN_BATCHES}
    assert in_batches == set(in_flight), "a step runs by its status and is in no batch"
    assert machine._table.open_count == sum(now not in OVER for now in status), (
        "the count of open steps is off"
    )
    for step, now in enumerate(status):
        if now in _BEHIND_INPUTS:
            sources = [
                source.step
                for step_input in plan.steps[step].inputs
                for source in step_input.sources
                if type(source) is FromStep
                and plan.template_of[source.step] not in machine._streams
            ]
            assert all(status[source] in OVER for source in sources), (
                "a step got ahead of its inputs"
            )

"""What becomes of a step some of whose sources did not come out whole: it runs, is skipped, or is
abandoned.
"""

from __future__ import annotations

from collections.abc import Sequence

from rayexec.names import output_name
from rayexec.plan.base import Plan
from rayexec.plan.model import FromStep
from rayexec.scheduler.messages import StepStatus
from rayexec.scheduler.outcomes import Outcomes

__all__ = ["Verdicts"]


class Verdicts:
    """Judges steps by those they take from.

    ``status`` and ``outcomes`` are the state machine's own, as they change.
    """

    def __init__(
        self, plan: Plan, status: Sequence[StepStatus], outcomes: Outcomes, *, require_success: bool
    ) -> None:
        self._plan = plan
        self._status = status
        self._outcomes = outcomes
        self._require_success = require_success

    def fate(self, step: int) -> StepStatus:
        """Return READY, SKIPPED or ABANDONED for a step some of whose sources did not come out
        whole.

        A skipped source outweighs a failed one; a fan-in is skipped only where it lost every
        member.
        """
        skipped = failed = False
        for each in self._plan.steps[step].inputs:
            found = [self.source(source) for source in each.sources if type(source) is FromStep]
            if StepStatus.FAILED in found:
                failed = True
            if found and (all if each.is_fan_in else any)(
                one is StepStatus.SKIPPED for one in found
            ):
                skipped = skipped or len(found) == len(each.sources)
        return (
            StepStatus.SKIPPED if skipped else StepStatus.ABANDONED if failed else StepStatus.READY
        )

    def source(self, source: FromStep) -> StepStatus:
        """Return SUCCESS where the output is there, SKIPPED where it never will be, FAILED where a
        failure is why.
        """
        status = self._status[source.step]
        if source.output in self._outcomes.yields.get(source.step, ()):
            return StepStatus.SUCCESS
        if status is StepStatus.SUCCESS or (
            status is StepStatus.FAILED and not self._require_success
        ):
            yielded = self._outcomes.short.get(source.step)
            if yielded is None or source.output in yielded or output_name(source.output) in yielded:
                return StepStatus.SUCCESS
            return StepStatus.SKIPPED if status is StepStatus.SUCCESS else StepStatus.FAILED
        return StepStatus.SKIPPED if status is StepStatus.SKIPPED else StepStatus.FAILED

    def culprits(self, step: int) -> tuple[int, ...]:
        return tuple(
            sorted(
                {
                    source.step
                    for each in self._plan.steps[step].inputs
                    for source in each.sources
                    if type(source) is FromStep and self.source(source) is StepStatus.FAILED
                }
            )
        )

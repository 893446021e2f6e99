"""Outputs of steps, and the fate of steps behind an incomplete predecessor."""

from __future__ import annotations

from collections.abc import Sequence

from rayexec.events import OutputRecord
from rayexec.names import output_name
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import Expansion, RunPlan
from rayexec.plan.model import FromStep
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.step_table import StepTable

__all__ = ["Outcomes"]

# Looking a member up in its enum costs as much as what is done with it.
_SUCCESS, _FAILED, _SKIPPED = StepStatus.SUCCESS, StepStatus.FAILED, StepStatus.SKIPPED


class Outcomes:
    """Records the outputs of steps, has the plan grow by dynamic ones, and judges steps by sources.

    With ``require_success`` off, outputs of a failed step count like those of any other.
    """

    def __init__(self, plan: Plan, table: StepTable, *, require_success: bool) -> None:
        self._plan = plan
        self._status = table.status
        self._require_success = require_success
        #: The values of dynamic outputs, by step and name.
        self.yields: dict[int, dict[str, OutputRecord]] = {}
        #: The steps with a predecessor that is over and lacks some of its outputs.
        self.imperfect: set[int] = set()
        # The names of the outputs of steps that lack some of theirs.
        self._partial: dict[int, frozenset[str]] = {}
        # The steps whose dynamic outputs the plan has grown by.
        self._expanded: set[int] = set()

    def records_of(self, step: int) -> tuple[OutputRecord, ...]:
        """Return the outputs of a successful step."""
        if step in self.yields:
            return tuple(self.yields[step].values())
        records, names = self._plan.output_records[step], self._partial.get(step)
        return records if names is None else tuple([one for one in records if one.name in names])

    def record(self, step: int, outputs: Sequence[OutputRecord]) -> Expansion | None:
        """Record the outputs of a successful step; return the plan's new steps."""
        template = self._plan.template_of[step]
        if template in self._plan.dynamic_templates:
            return self._record_dynamic(step, outputs)
        if len(outputs) != len(self._plan.templates[template].op.outs):
            self.record_partial(step, outputs)
        return None

    def record_partial(self, step: int, outputs: Sequence[OutputRecord]) -> None:
        """Record the outputs of a failed or incomplete step."""
        names = [record.name for record in outputs]
        self._partial[step] = frozenset([*names, *self.yields.get(step, ())])
        self.mark_successors(step)

    def mark_successors(self, step: int) -> None:
        """Have the successors of a step without all of its outputs be judged before they start."""
        self.imperfect.update(self._plan.successors[step])

    def _record_dynamic(self, step: int, outputs: Sequence[OutputRecord]) -> Expansion | None:
        plan = self._plan
        names = [record.name for record in outputs]
        earlier = self.yields.setdefault(step, {})
        expansion = None
        # A step that runs again after its outputs were lost has its mapped steps already.
        if isinstance(plan, RunPlan) and step in plan.fan_out_steps and step not in self._expanded:
            self._expanded.add(step)
            new = [name for name in names if name not in earlier] if earlier else names
            expansion = plan.expand(step, new, self._state)
        earlier.update(zip(names, outputs, strict=True))
        outs = plan.op_of(step).outs
        # A required dynamic output may be empty.
        yielded = {output_name(name) for name in names} | {
            name for name, out in outs.items() if out.is_dynamic and out.is_required
        }
        if yielded != outs.keys():
            self._partial[step] = frozenset(yielded)
            self.mark_successors(step)
        return expansion

    def record_early(self, step: int, outputs: Sequence[OutputRecord]) -> Expansion | None:
        """Record values of dynamic outputs of a running or failed step.

        Returns the plan's new steps. A value of an earlier attempt remains valid.
        """
        plan = self._plan
        earlier = self.yields.setdefault(step, {})
        new = {
            record.name: record
            for record in outputs
            if record.name not in earlier and record.name[-1] == "]"
        }
        earlier.update(new)
        if not new or not isinstance(plan, RunPlan) or step not in plan.fan_out_steps:
            return None
        return plan.expand(step, list(new), self._state, is_all=False, awaits=False)

    def _state(self, step: int) -> tuple[bool, bool]:
        """Return whether a step is over, and whether it has all outputs so far."""
        status = self._status[step]
        is_whole = status not in OVER or (status is _SUCCESS and step not in self._partial)
        return status in OVER, is_whole

    def fate(self, step: int) -> StepStatus:
        """Return READY, SKIPPED or ABANDONED for a step in ``imperfect``.

        A skipped source outweighs a failed one; a fan-in is skipped only without any member.
        """
        skipped = failed = False
        for step_input in self._plan.steps[step].inputs:
            statuses = [
                self._source_status(source)
                for source in step_input.sources
                if type(source) is FromStep
            ]
            if _FAILED in statuses:
                failed = True
            combine = all if step_input.is_fan_in else any
            if statuses and combine(status is _SKIPPED for status in statuses):
                skipped = skipped or len(statuses) == len(step_input.sources)
        return (
            StepStatus.SKIPPED if skipped else StepStatus.ABANDONED if failed else StepStatus.READY
        )

    def failed_sources(self, step: int) -> tuple[int, ...]:
        """Return the predecessors to blame for missing outputs, in the order of the plan."""
        failed = {
            source.step
            for step_input in self._plan.steps[step].inputs
            for source in step_input.sources
            if type(source) is FromStep and self._source_status(source) is _FAILED
        }
        return tuple(sorted(failed))

    def _source_status(self, source: FromStep) -> StepStatus:
        """Return SUCCESS for an existing output, and SKIPPED or FAILED for a missing one."""
        status = self._status[source.step]
        if source.output in self.yields.get(source.step, ()):
            return _SUCCESS
        if status is _SUCCESS or (status is _FAILED and not self._require_success):
            names = self._partial.get(source.step)
            if names is None or source.output in names or output_name(source.output) in names:
                return _SUCCESS
            return _SKIPPED if status is _SUCCESS else _FAILED
        return _SKIPPED if status is _SKIPPED else _FAILED

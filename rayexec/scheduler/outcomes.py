"""What steps yielded, and what the plan grows by for it."""

from __future__ import annotations

from collections.abc import Sequence

from rayexec.events import OutputRecord
from rayexec.names import output_name
from rayexec.plan.dynamic.run_plan import Expansion, RunPlan
from rayexec.plan.model import Plan
from rayexec.scheduler.messages import OVER, StepStatus

__all__ = ["Outcomes"]

_SUCCESS = (
    StepStatus.SUCCESS
)  # looking a member up in its enum costs as much as what is done with it


class Outcomes:
    """Takes in what steps yielded, whose ``status`` is the state machine's own.

    ``yields`` has the values of dynamic outputs, ``short`` the outputs of steps that did not yield
    all of theirs, and ``imperfect`` are the steps some of whose sources did not come out whole.
    """

    def __init__(self, plan: Plan, status: Sequence[StepStatus]) -> None:
        self._plan = plan
        self._status = status
        self.yields: dict[int, dict[str, OutputRecord]] = {}
        self.short: dict[int, frozenset[str]] = {}
        self.imperfect: set[int] = set()
        # The steps whose dynamic outputs the plan has grown by.
        self._grown: set[int] = set()

    def of(self, step: int) -> tuple[OutputRecord, ...]:
        """Return what a step that succeeded yielded."""
        if step in self.yields:
            return tuple(self.yields[step].values())
        records, yielded = self._plan.output_records[step], self.short.get(step)
        return (
            records
            if yielded is None
            else tuple([each for each in records if each.name in yielded])
        )

    def came(self, step: int, outputs: Sequence[OutputRecord]) -> Expansion | None:
        """Take in what a step that succeeded yielded; return the steps that the plan got for it."""
        template = self._plan.template_of[step]
        if template in self._plan.dynamic_templates:
            return self._came_dynamic(step, outputs)
        if len(outputs) != len(self._plan.templates[template].op.outs):
            self.came_short(step, outputs)
        return None

    def came_short(self, step: int, outputs: Sequence[OutputRecord]) -> None:
        """Take in what a step yielded that failed, or that left outputs out."""
        names = [record.name for record in outputs]
        self.short[step] = frozenset([*names, *self.yields.get(step, ())])
        self.taint(step)

    def taint(self, step: int) -> None:
        """Take in that a step did not come out whole: what follows it has to be looked at."""
        self.imperfect.update(self._plan.successors[step])

    def _came_dynamic(self, step: int, outputs: Sequence[OutputRecord]) -> Expansion | None:
        plan = self._plan
        names = [record.name for record in outputs]
        known = self.yields.setdefault(step, {})
        growth = None
        # A step that ran before, and whose outputs were lost, has its mapped steps already.
        if isinstance(plan, RunPlan) and step in plan.fan_out_steps and step not in self._grown:
            self._grown.add(step)
            new = [name for name in names if name not in known] if known else names
            growth = plan.expand(step, new, self._state)
        known.update(zip(names, outputs, strict=True))
        outs = plan.op_of(step).outs
        # A dynamic output that must be there may be empty.
        yielded = {output_name(name) for name in names} | {
            name for name, out in outs.items() if out.is_dynamic and out.is_required
        }
        if yielded != outs.keys():
            self.short[step] = frozenset(yielded)
            self.taint(step)
        return growth

    def came_early(self, step: int, records: Sequence[OutputRecord]) -> Expansion | None:
        """Take in values of dynamic outputs whose op is not over, or failed; return the steps that
        the plan got.

        A value that came before, from an attempt that failed, stays what it was.
        """
        plan = self._plan
        known = self.yields.setdefault(step, {})
        new = {
            record.name: record
            for record in records
            if record.name not in known and record.name[-1] == "]"
        }
        known.update(new)
        if not new or not isinstance(plan, RunPlan) or step not in plan.fan_out_steps:
            return None
        return plan.expand(step, list(new), self._state, is_all=False, awaits=False)

    def _state(self, step: int) -> tuple[bool, bool]:
        """Return whether a step is over, and whether it came out whole."""
        status = self._status[step]
        return status in OVER, status not in OVER or (status is _SUCCESS and step not in self.short)

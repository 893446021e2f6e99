"""Which outputs may go, as soon as nothing in the run can ask for them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from rayexec.names import output_name
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.plan.model import FromCollected, FromMapped, FromStep, Plan, innermost
from rayexec.scheduler.messages import DropOutputs, DropValues

__all__ = ["KeepOutputs", "Retention"]

# Which outputs outlive the steps that take them: all, those that nothing takes and the job's own,
# or none.
KeepOutputs: TypeAlias = Literal["all", "leaves", "none"]


class Retention:
    """Counts, for each step, the steps that have yet to take its outputs; knows which were dropped.

    ``dropped`` are the steps whose outputs were, ``dropped_values`` single values of dynamic
    outputs. A step that failed keeps what it took, since it may be run again; so does one that
    never ran because of that.
    """

    def __init__(
        self, plan: Plan, keep: KeepOutputs, streams: frozenset[int] = frozenset()
    ) -> None:
        self._plan = plan
        self.dropped: set[int] = set()
        self.dropped_values: set[FromStep] = set()
        # Templates whose steps hand values on before they are over: until then each holds its own
        # outputs.
        self._streams = streams
        self.keeps_all = keep == "all"
        self._left: list[int] = []
        self._kept: set[int] = set()
        self._keeps_leaves = keep == "leaves"
        # Of values of dynamic outputs that several steps take: how many have yet to, once one has.
        self._values_left: dict[FromStep, int] = {}
        # Where steps run again it is not known any more who has taken which value: each stays with
        # the others.
        self._counts_values = True
        # Mapped nodes whose values are the job's own outputs.
        self._kept_nodes: set[int] = set()
        if self._keeps_leaves:
            for (path, _), behind in plan.outputs.items():
                source = innermost(behind) if isinstance(behind, FromCollected) else behind
                if path == "" and isinstance(source, FromStep):
                    self._kept.add(source.step)
                elif path == "" and isinstance(source, FromMapped):
                    self._kept_nodes.add(source.node)
        if not self.keeps_all:
            self.grow(0)

    def grow(self, first: int) -> None:
        """Take in the steps of the plan from ``first`` on."""
        if self.keeps_all:
            return
        plan, left = self._plan, self._left
        left.extend([len(plan.successors[step]) for step in range(first, len(plan.steps))])
        needs = plan.future_sources
        for step in range(first, len(plan.steps)):
            if first:  # successors of the others were counted without these
                for each in plan.predecessors[step]:
                    if each < first:
                        left[each] += 1
            if needs and step in needs:
                for each in needs[step]:
                    left[each] += 1
            if self._streams and plan.template_of[step] in self._streams:
                left[step] += 1
        if self._keeps_leaves:
            producers = plan.fan_out_steps
            self._kept |= {
                step
                for step in range(first, len(left))
                if step not in producers
                and not plan.successors[step]
                and left[step] <= self._holds_itself(step)
            }
            for node in self._kept_nodes:
                self._kept |= {step.index for step in plan.steps_of_node(node, first)}

    def _holds_itself(self, step: int) -> int:
        return int(bool(self._streams) and self._plan.template_of[step] in self._streams)

    def is_gone(self, source: FromStep) -> bool:
        """Whether an output was dropped."""
        return source.step in self.dropped or source in self.dropped_values

    def again(self, steps: Iterable[int]) -> None:
        """Take in that steps which were over are to run again: they take their inputs once more."""
        self.dropped.difference_update(steps)
        if self.dropped_values:
            again = set(steps)
            self.dropped_values.difference_update(
                [each for each in self.dropped_values if each.step in again]
            )
        if self.keeps_all:
            return
        self._counts_values = False
        plan = self._plan
        for step in steps:
            for each in (*plan.predecessors[step], *plan.future_sources.get(step, ())):
                self._left[each] += 1
            self._left[step] += self._holds_itself(step)

    def over(self, steps: Sequence[int]) -> list[DropOutputs | DropValues]:
        """Take in that steps succeeded or were skipped; return what is to be dropped."""
        if self.keeps_all:
            return []
        found: list[DropOutputs | DropValues] = []
        unused = self._unused(steps)
        if unused:
            self.dropped.update(unused)
            found.append(DropOutputs(tuple(unused)))
        for step, names in self._unused_values(steps).items():
            if step not in self.dropped:
                self.dropped_values.update([FromStep(step, name) for name in names])
                found.append(DropValues(step, names))
        return found

    def _unused(self, steps: Iterable[int]) -> list[int]:
        """Take in that steps are over; return those whose outputs may go."""
        predecessors, left, kept, needs = (
            self._plan.predecessors,
            self._left,
            self._kept,
            self._plan.future_sources,
        )
        unused = []
        for step in steps:
            if self._streams:
                left[step] -= self._holds_itself(step)
            if left[step] == 0 and step not in kept:
                unused.append(step)
            for each in (
                (*predecessors[step], *needs[step]) if step in needs else predecessors[step]
            ):
                left[each] -= 1
                if left[each] == 0 and each not in kept:
                    unused.append(each)
        return unused

    def _unused_values(self, steps: Iterable[int]) -> dict[int, list[str]]:
        """Take in the same; return the values of dynamic outputs that may go though others of them
        may not, by step.
        """
        plan = self._plan
        unused: dict[int, list[str]] = {}
        if not self._counts_values or not isinstance(plan, RunPlan):
            return unused
        producers, all_steps = plan.fan_out_steps, plan.steps
        for step in steps:
            if all(before not in producers for before in plan.predecessors[step]):
                continue
            taken = {
                source
                for each in all_steps[step].inputs
                for source in each.sources
                if type(source) is FromStep
            }
            for source in taken:
                producer, name = source
                if name[-1] != "]" or producer not in producers or producer in self._kept:
                    continue
                left = self._values_left.pop(source, 0) or plan.consumer_count(
                    producer, output_name(name)
                )
                if left == 1:
                    unused.setdefault(producer, []).append(name)
                elif left:
                    self._values_left[source] = left - 1
        return unused

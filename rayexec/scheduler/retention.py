"""Retention of outputs: reference counts, and the commands to drop outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Literal, TypeAlias

from rayexec.names import output_name
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.plan.model import FromCollected, FromMapped, FromStep, innermost
from rayexec.scheduler.messages import DropOutputs, DropValues

__all__ = ["KeepOutputs", "Retention"]

# The outputs that outlive their consumers: all, those without consumers and the job's own, or none.
KeepOutputs: TypeAlias = Literal["all", "leaves", "none"]


class Retention:
    """Counts the open consumers of each step, and drops outputs without any.

    A failed or abandoned step remains a consumer, since a later run may run it again.
    """

    def __init__(
        self, plan: Plan, keep: KeepOutputs, streams: frozenset[int] = frozenset()
    ) -> None:
        self._plan = plan
        #: The steps without outputs any more.
        self.dropped: set[int] = set()
        #: The single values of dynamic outputs that were dropped.
        self.dropped_values: set[FromStep] = set()
        # Templates that hand values on before their steps are over; such a step is a consumer of
        # its own outputs until then.
        self._streams = streams
        self._keeps_all = keep == "all"
        # The number of consumers of each step that are still to come.
        self._left: list[int] = []
        # Steps whose outputs stay.
        self._lasting: set[int] = set()
        self._keeps_leaves = keep == "leaves"
        # The consumers still to come of single values of dynamic outputs, once one has run.
        self._values_left: dict[FromStep, int] = {}
        # Off once steps run again: then the counts of single values are lost, and they go together.
        self._counts_values = True
        # Mapped nodes whose values are the job's own outputs.
        self._lasting_nodes: set[int] = set()
        if self._keeps_leaves:
            for (path, _), behind in plan.outputs.items():
                source = innermost(behind) if isinstance(behind, FromCollected) else behind
                if path == "" and isinstance(source, FromStep):
                    self._lasting.add(source.step)
                elif path == "" and isinstance(source, FromMapped):
                    self._lasting_nodes.add(source.node)
        if not self._keeps_all:
            self.grow(0)

    def grow(self, first: int) -> None:
        """Count the consumers of the plan's steps from ``first``, and those steps as consumers."""
        if self._keeps_all:
            return
        plan, left = self._plan, self._left
        left.extend([len(plan.successors[step]) for step in range(first, len(plan.steps))])
        needs = plan.future_sources
        for step in range(first, len(plan.steps)):
            if first:  # the counts of earlier steps lack these consumers
                for before in plan.predecessors[step]:
                    if before < first:
                        left[before] += 1
            if needs and step in needs:
                for source in needs[step]:
                    left[source] += 1
            if self._streams and plan.template_of[step] in self._streams:
                left[step] += 1
        if self._keeps_leaves:
            producers = plan.fan_out_steps
            self._lasting |= {
                step
                for step in range(first, len(left))
                if step not in producers
                and not plan.successors[step]
                and left[step] <= self._holds_itself(step)
            }
            for node in self._lasting_nodes:
                self._lasting |= {step.index for step in plan.steps_of_node(node, first)}

    def _holds_itself(self, step: int) -> int:
        return int(bool(self._streams) and self._plan.template_of[step] in self._streams)

    def is_gone(self, source: FromStep) -> bool:
        """Return whether an output was dropped."""
        return source.step in self.dropped or source in self.dropped_values

    def run_again(self, steps: Set[int]) -> None:
        """Count steps as consumers of their inputs once more."""
        self.dropped.difference_update(steps)
        if self.dropped_values:
            self.dropped_values.difference_update(
                [value for value in self.dropped_values if value.step in steps]
            )
        if self._keeps_all:
            return
        self._counts_values = False
        plan = self._plan
        for step in steps:
            for source in (*plan.predecessors[step], *plan.future_sources.get(step, ())):
                self._left[source] += 1
            self._left[step] += self._holds_itself(step)

    def over(self, steps: Sequence[int]) -> list[DropOutputs | DropValues]:
        """Count successful or skipped steps as over; return the commands to drop outputs."""
        if self._keeps_all:
            return []
        commands: list[DropOutputs | DropValues] = []
        unused = self._unused(steps)
        if unused:
            self.dropped.update(unused)
            commands.append(DropOutputs(tuple(unused)))
        for step, names in self._unused_values(steps).items():
            if step not in self.dropped:
                self.dropped_values.update([FromStep(step, name) for name in names])
                commands.append(DropValues(step, names))
        return commands

    def _unused(self, steps: Iterable[int]) -> list[int]:
        """Count steps as over; return the steps without consumers now."""
        predecessors, left, lasting, needs = (
            self._plan.predecessors,
            self._left,
            self._lasting,
            self._plan.future_sources,
        )
        unused = []
        for step in steps:
            if self._streams:
                left[step] -= self._holds_itself(step)
            if left[step] == 0 and step not in lasting:
                unused.append(step)
            for source in (
                (*predecessors[step], *needs[step]) if step in needs else predecessors[step]
            ):
                left[source] -= 1
                if left[source] == 0 and source not in lasting:
                    unused.append(source)
        return unused

    def _unused_values(self, steps: Iterable[int]) -> dict[int, list[str]]:
        """Count the same steps; return single values without consumers, by step, while others of
        the step have some.
        """
        plan = self._plan
        unused: dict[int, list[str]] = {}
        if not self._counts_values or not isinstance(plan, RunPlan):
            return unused
        producers, all_steps = plan.fan_out_steps, plan.steps
        for step in steps:
            if all(before not in producers for before in plan.predecessors[step]):
                continue
            values = {
                source
                for step_input in all_steps[step].inputs
                for source in step_input.sources
                if type(source) is FromStep
            }
            for value in values:
                producer, name = value
                if name[-1] != "]" or producer not in producers or producer in self._lasting:
                    continue
                left = self._values_left.pop(value, 0) or plan.consumer_count(
                    producer, output_name(name)
                )
                if left == 1:
                    unused.setdefault(producer, []).append(name)
                elif left:
                    self._values_left[value] = left - 1
        return unused

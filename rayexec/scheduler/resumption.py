"""Resumption of an earlier run: the steps to restore, to leave out and to run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rayexec.names import node_path
from rayexec.plan.base import Plan
from rayexec.plan.model import FromStep
from rayexec.run.previous_run import FinishedStep, PreviousRun
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.reconstruction import Reconstruction
from rayexec.scheduler.retention import Retention
from rayexec.scheduler.step_table import StepTable

__all__ = ["Resumption", "wanted_values"]


class Resumption:
    """Compares each step of a run with the earlier run."""

    def __init__(
        self,
        plan: Plan,
        previous_run: PreviousRun,
        table: StepTable,
        reconstruction: Reconstruction,
        retention: Retention,
    ) -> None:
        #: The id of the earlier run.
        self.run_id = previous_run.run_id
        self._plan = plan
        self._previous_run = previous_run
        self._status = table.status
        self._reconstruction = reconstruction
        self._retention = retention
        # Steps with the same outputs as in the earlier run.
        self._same: set[int] = set()
        # The first step that ``new_steps`` has not returned.
        self._next = 0

    def finished(self, step: int) -> FinishedStep | None:
        """Return the finished step of the earlier run for a released one, None if it has to run."""
        key = self._plan.steps[step].key
        if step in self._same:  # it runs again
            return None
        finished = self._previous_run.finished.get(key)
        if finished is None or not self._fits(step, finished):
            return None
        selected = self._previous_run.selected
        if selected is not None:
            return None if selected.includes(key) else finished
        return finished if self._has_same_sources(step, finished) else None

    def is_left_out(self, step: int) -> bool:
        """Return whether a step without a finished one must not run."""
        selected = self._previous_run.selected
        return (
            selected is not None
            and step not in self._same
            and not selected.includes(self._plan.steps[step].key)
        )

    def _fits(self, step: int, finished: FinishedStep) -> bool:
        """Return whether the op still has these outputs; the job may have changed meanwhile."""
        outs = self._plan.op_of(step).outs
        is_dynamic = {
            record.name.partition("[")[0]: record.name[-1] == "]" for record in finished.outputs
        }
        required = {name for name, out in outs.items() if out.is_required and not out.is_dynamic}
        return required <= is_dynamic.keys() <= outs.keys() and all(
            outs[name].is_dynamic == dynamic for name, dynamic in is_dynamic.items()
        )

    def _has_same_sources(self, step: int, finished: FinishedStep | None = None) -> bool:
        plan = self._plan
        sources = {source.step for source in plan.sources_of(step)}
        sources.update(plan.predecessors[step])
        if finished is not None and finished.source_nodes is not None:
            # A driver that was killed may not have recorded all sources of a collecting step.
            nodes = {node_path(plan.steps[source].key) for source in sources}
            if finished.source_nodes != nodes and not (
                finished.source_nodes < nodes and self._collects(step)
            ):
                return False
        return sources <= self._same

    def _collects(self, step: int) -> bool:
        return any(step_input.is_fan_in for step_input in self._plan.steps[step].inputs)

    def mark_restored(self, step: int, finished: FinishedStep) -> None:
        """Count a step as restored; outputs without a stored value count as dropped."""
        self._same.add(step)
        names = [record.name for record in finished.outputs]
        missing = [name for name in names if name not in finished.values]
        if names and len(missing) == len(names):
            self._retention.dropped.add(step)
        else:
            self._retention.dropped_values.update([FromStep(step, name) for name in missing])

    def mark_skipped(self, step: int) -> None:
        """Count a step as skipped, in the earlier run too if its sources are the same."""
        if self._has_same_sources(step):
            self._same.add(step)

    def new_steps(self) -> range:
        """Return the new steps of the plan since the last call."""
        first, self._next = self._next, len(self._plan.steps)
        return range(first, self._next)

    def unstored_sources(self, steps: Iterable[int]) -> dict[int, int]:
        """Return the steps to run again for inputs of ``steps`` without a stored value.

        Each comes with one of its consumers. Steps that must not run twice are not among them.
        """
        plan, status = self._plan, self._status
        wanted: dict[int, int] = {}
        for step in steps:
            if status[step] in OVER:
                continue
            for source in plan.sources_of(step):
                if self._is_gone(source):
                    wanted.setdefault(source.step, step)
        again = self._run_again(wanted)
        if again is None:  # at least one must not run twice, so each is judged by itself
            again = {}
            for step, needed_by in wanted.items():
                again |= self._run_again({step: needed_by}) or {}
        return again

    def starved(self, steps: Iterable[int]) -> dict[int, tuple[int, ...]]:
        """Return the ``steps`` without some of their sources, each with these.

        The steps of ``unstored_sources`` must be waiting by now.
        """
        starved = {}
        for step in steps:
            if self._status[step] in OVER:
                continue
            gone = [source.step for source in self._plan.sources_of(step) if self._is_gone(source)]
            if gone:
                starved[step] = tuple(dict.fromkeys(gone))
        return starved

    def _is_gone(self, source: FromStep) -> bool:
        return source.step in self._same and self._retention.is_gone(source)

    def _run_again(self, wanted: Mapping[int, int]) -> dict[int, int] | None:
        steps = self._reconstruction.needed(wanted) if wanted else []
        if steps is None or not all(self._plan.op_of(step).rerun_on_loss for step in steps):
            return None
        by_default = next(iter(wanted.values()), -1)
        return {step: wanted.get(step, by_default) for step in steps}


def wanted_values(plan: Plan, status: Sequence[StepStatus]) -> dict[int, frozenset[str] | None]:
    """Return the outputs of successful steps with open consumers, by step.

    None stands for all outputs of the step.
    """
    wanted: dict[int, set[str] | None] = {}
    for step, step_status in enumerate(status):
        if step_status in (StepStatus.SUCCESS, StepStatus.SKIPPED, StepStatus.LEFT_OUT):
            continue
        for source in plan.sources_of(step):
            if status[source.step] is StepStatus.SUCCESS:
                names = wanted.setdefault(source.step, set())
                if names is not None:
                    names.add(source.output)
        for future_source in plan.future_sources.get(step, ()):
            if status[future_source] is StepStatus.SUCCESS:
                wanted[future_source] = None
    return {step: None if names is None else frozenset(names) for step, names in wanted.items()}

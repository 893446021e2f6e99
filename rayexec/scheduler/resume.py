"""Going on from an earlier run: which steps are taken over as they are, and which of those have to
be made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rayexec.names import node_path
from rayexec.plan.model import FromStep, Plan
from rayexec.run.previous_run import FinishedStep, PreviousRun
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.reconstruction import Reconstruction
from rayexec.scheduler.retention import Retention

__all__ = ["Resumption", "wanted_values"]


class Resumption:
    """Decides for each step of a run what the earlier run means to it.

    ``status`` and ``uses`` are the state machine's own, as they change.
    """

    def __init__(
        self,
        plan: Plan,
        previous_run: PreviousRun,
        status: Sequence[StepStatus],
        recovery: Reconstruction,
        uses: Retention,
    ) -> None:
        self.run_id = previous_run.run_id
        self._plan = plan
        self._previous_run = previous_run
        self._status = status
        self._reconstruction = recovery
        self._retention = uses
        # Steps that are what they were in the earlier run.
        self._same: set[int] = set()
        # The first step that has not been looked at by ``news``.
        self._next = 0

    def done(self, step: int) -> FinishedStep | None:
        """Return what is taken over of a step that may start, None where it has to run or is left
        out.
        """
        key = self._plan.steps[step].key
        if step in self._same:  # it is made again
            return None
        found = self._previous_run.finished.get(key)
        if found is None or not self._fits(step, found):
            return None
        chosen = self._previous_run.selected
        if chosen is not None:
            return None if chosen.includes(key) else found
        return found if self._is_fed_as_before(step, found) else None

    def is_left_out(self, step: int) -> bool:
        """Whether a step is not to run, where there is nothing of it to be taken over."""
        chosen = self._previous_run.selected
        return (
            chosen is not None
            and step not in self._same
            and not chosen.includes(self._plan.steps[step].key)
        )

    def _fits(self, step: int, found: FinishedStep) -> bool:
        """Whether what a step yielded then is what its op yields now: the job may have been changed
        meanwhile.
        """
        outs = self._plan.op_of(step).outs
        names = {record.name.partition("[")[0] for record in found.outputs}
        needed = {name for name, out in outs.items() if out.is_required and not out.is_dynamic}
        kinds = {record.name.partition("[")[0]: record.name[-1] == "]" for record in found.outputs}
        return needed <= names <= outs.keys() and all(
            outs[name].is_dynamic == kind for name, kind in kinds.items()
        )

    def _is_fed_as_before(self, step: int, found: FinishedStep | None = None) -> bool:
        plan = self._plan
        before = {source.step for source in plan.sources_of(step)}
        before.update(plan.predecessors[step])
        if found is not None and found.source_nodes is not None:
            # Of a step that collects, a driver that was killed may not have told all that it takes
            # from.
            nodes = {node_path(plan.steps[each].key) for each in before}
            if found.source_nodes != nodes and not (
                found.source_nodes < nodes and self._collects(step)
            ):
                return False
        return before <= self._same

    def _collects(self, step: int) -> bool:
        return any(each.is_fan_in for each in self._plan.steps[step].inputs)

    def took_over(self, step: int, found: FinishedStep) -> None:
        """Take in that a step was taken over."""
        self._same.add(step)
        names = [record.name for record in found.outputs]
        missing = [name for name in names if name not in found.values]
        if names and len(missing) == len(names):
            self._retention.dropped.add(step)
        else:
            self._retention.dropped_values.update([FromStep(step, name) for name in missing])

    def skipped(self, step: int) -> None:
        """Take in that a step is skipped."""
        if self._is_fed_as_before(step):
            self._same.add(step)

    def news(self) -> range:
        """Return the steps that came to the plan since this was asked last."""
        first, self._next = self._next, len(self._plan.steps)
        return range(first, self._next)

    def lacking(self, steps: Iterable[int]) -> dict[int, int]:
        """Return the steps that have to be made again since one of ``steps`` takes what is not
        stored, and that one.

        What must not run twice is not among them.
        """
        plan, status = self._plan, self._status
        wanted: dict[int, int] = {}
        for step in steps:
            if status[step] in OVER:
                continue
            for source in plan.sources_of(step):
                if self._is_gone(source):
                    wanted.setdefault(source.step, step)
        found = self._again(wanted)
        if found is None:  # some of it is refused: then each for itself
            found = {}
            for step, by in wanted.items():
                found |= self._again({step: by}) or {}
        return found

    def starved(self, steps: Iterable[int]) -> dict[int, tuple[int, ...]]:
        """Return those of ``steps`` that take what is not stored, from steps that are not made
        again, each with these.

        It is asked once what ``lacking`` told has been taken back.
        """
        found = {}
        for step in steps:
            if self._status[step] in OVER:
                continue
            gone = [source.step for source in self._plan.sources_of(step) if self._is_gone(source)]
            if gone:
                found[step] = tuple(dict.fromkeys(gone))
        return found

    def _is_gone(self, source: FromStep) -> bool:
        return source.step in self._same and self._retention.is_gone(source)

    def _again(self, wanted: Mapping[int, int]) -> dict[int, int] | None:
        steps = self._reconstruction.needed(wanted) if wanted else []
        if steps is None or not all(self._plan.op_of(step).rerun_on_loss for step in steps):
            return None
        by = next(iter(wanted.values()), -1)
        return {step: wanted.get(step, by) for step in steps}


def wanted_values(plan: Plan, status: Sequence[StepStatus]) -> dict[int, frozenset[str] | None]:
    """Return which outputs of steps that succeeded are taken by steps that did not, by step; None
    for all of them.
    """
    found: dict[int, set[str] | None] = {}
    for step, how in enumerate(status):
        if how in (StepStatus.SUCCESS, StepStatus.SKIPPED, StepStatus.LEFT_OUT):
            continue
        for source in plan.sources_of(step):
            if status[source.step] is StepStatus.SUCCESS:
                names = found.setdefault(source.step, set())
                if names is not None:
                    names.add(source.output)
        for each in plan.future_sources.get(step, ()):
            if status[each] is StepStatus.SUCCESS:
                found[each] = None
    return {step: None if names is None else frozenset(names) for step, names in found.items()}

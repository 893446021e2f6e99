"""Settlement of released steps: ready, restored, skipped, abandoned or left out."""

from __future__ import annotations

from collections.abc import Sequence

from rayexec.events import OutputRecord
from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import Expansion
from rayexec.run.previous_run import PreviousRun
from rayexec.scheduler.batching import Batcher
from rayexec.scheduler.messages import (
    Instruction,
    RestoreOutputs,
    StepAbandoned,
    StepSkipped,
    StepStatus,
    StepTakenBack,
    StepUnfed,
)
from rayexec.scheduler.outcomes import Outcomes
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.reconstruction import Reconstruction
from rayexec.scheduler.resumption import Resumption
from rayexec.scheduler.retention import Retention
from rayexec.scheduler.step_table import StepTable

__all__ = ["Settlement"]

# Looking a member up in its enum costs as much as what is done with it.
_WAITING, _READY = StepStatus.WAITING, StepStatus.READY


class Settlement:
    """Decides about waiting steps, and has the plan grow, shrink back and resume.

    A step is released once all its predecessors are over. Every method appends the instructions to
    its ``out``.
    """

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        table: StepTable,
        ready_queue: ReadyQueue,
        batcher: Batcher,
        outcomes: Outcomes,
        retention: Retention,
        streams: frozenset[int],
        previous_run: PreviousRun | None,
    ) -> None:
        self._plan = plan
        self._placement = placement
        self._table = table
        self._status = table.status
        self._collecting = plan.collecting_steps
        self._ready_queue = ready_queue
        self._batcher = batcher
        self._outcomes = outcomes
        self._imperfect = outcomes.imperfect
        self._retention = retention
        self._reconstruction = Reconstruction(
            plan, table, ready_queue, placement.class_of, retention, streams
        )
        self._resumption = (
            None
            if previous_run is None
            else Resumption(plan, previous_run, table, self._reconstruction, retention)
        )
        #: The steps with outputs of an earlier run, as long as they need not run again.
        self.taken_over: set[int] = set()
        # Steps whose sources the earlier run did not store, with those of them that must not run
        # twice.
        self._starved: dict[int, tuple[int, ...]] = {}

    def make_ready(self, step: int) -> None:
        """Queue a step for the next batches of its scheduling class."""
        self._table.make_ready(step)
        self._batcher.ready(step)

    def settle(self, released: list[int], out: list[Instruction]) -> None:
        """Decide about released steps, and about the steps released by these decisions."""
        pending = released[::-1]
        while pending:
            step = pending.pop()
            if self._status[step] is not _WAITING:
                # A batch has it and decides or gives it back; or it was settled a moment ago.
                continue
            if step in self._collecting:
                self._plan.close_collected(step)
            if self._resumption is not None and self._resume_step(step, self._resumption, out):
                pending.extend(self._ready_queue.done((step,)))
                continue
            fate = self._outcomes.fate(step) if step in self._imperfect else _READY
            if fate is not _READY:
                self._end_unrun(step, fate, out)
            elif step in self._starved:
                self._table.end_unrun(step, StepStatus.FAILED)
                out.append(StepUnfed(step, self._starved[step], is_refused=True))
            else:
                self.make_ready(step)
                continue
            self._outcomes.mark_successors(step)
            pending.extend(self._ready_queue.done((step,)))

    def _end_unrun(self, step: int, fate: StepStatus, out: list[Instruction]) -> None:
        if fate is StepStatus.SKIPPED:
            self._table.end_unrun(step, fate)
            out.append(StepSkipped(step))
            out += self._retention.over((step,))
            if self._resumption is not None:
                self._resumption.mark_skipped(step)
            return
        culprits = self._outcomes.failed_sources(step)
        left_out = tuple(
            [culprit for culprit in culprits if self._status[culprit] is StepStatus.LEFT_OUT]
        )
        if left_out:
            self._table.end_unrun(step, StepStatus.FAILED)
            out.append(StepUnfed(step, left_out))
        else:
            self._table.end_unrun(step, fate)
            out.append(StepAbandoned(step, culprits))

    def expand(self, expansion: Expansion | None) -> None:
        """Count the plan's new steps, if any."""
        if expansion is None:
            return
        count = len(expansion.waiting)
        self._placement.add_steps(expansion.nodes)
        self._table.add(count)
        self._ready_queue.grow(expansion.waiting)
        for step, more in expansion.awaited.items():
            self._ready_queue.await_more(step, more)
        self._imperfect.update(expansion.imperfect)
        self._retention.grow(expansion.first)
        self._batcher.grow(expansion.first, count)

    def hand_on(self, step: int, records: Sequence[OutputRecord], out: list[Instruction]) -> None:
        """Start steps on values of dynamic outputs before their op is over, or after it failed."""
        expansion = self._outcomes.record_early(step, records)
        if expansion is not None:
            self.expand(expansion)
            released = [
                expansion.first + position
                for position, waiting in enumerate(expansion.waiting)
                if not waiting
            ]
            self.settle(released, out)

    def reconstruct(self, lost: Sequence[int], needed_by: int, out: list[Instruction]) -> bool:
        """Have steps with lost outputs run again; False if one of them must not run twice."""
        steps = self._reconstruction.needed(lost) if lost else []
        if steps is None or not all(self._plan.op_of(step).rerun_on_loss for step in steps):
            return False
        out += [StepTakenBack(step, needed_by) for step in steps]
        self._run_again(steps, out)
        return True

    def _run_again(self, steps: Sequence[int], out: list[Instruction]) -> None:
        if steps:
            self.taken_over.difference_update(steps)
            self._batcher.run_again(steps)
            self.settle(self._reconstruction.run_again(steps), out)

    def resume(self, out: list[Instruction]) -> None:
        """Settle the plan's new steps against the earlier run, if there is one.

        1. Steps outside of the selection are left out, before a batch can chain them.
        2. Steps without stored outputs run again, before a consumer does.
        3. The consumers are starved if such a step must not run twice.
        """
        resumption = self._resumption
        if resumption is None:
            return
        while new := resumption.new_steps():
            for step in new:
                if self._status[step] is _WAITING and resumption.is_left_out(step):
                    self._resume_step(step, resumption, out)
                    self.settle(self._ready_queue.done((step,)), out)
            again = resumption.unstored_sources(new)
            out += [
                StepTakenBack(step, needed_by, is_unkept=True) for step, needed_by in again.items()
            ]
            self._run_again(list(again), out)
            for step, sources in resumption.starved(new).items():
                self._starved[step] = sources
                self._imperfect.add(step)  # so that no batch chains it
                if self._status[step] is _READY:
                    self._ready_queue.withdraw([step], self._placement.class_of)
                    self._table.give_back(step)
                    self.settle([step], out)

    def _resume_step(self, step: int, resumption: Resumption, out: list[Instruction]) -> bool:
        """Restore a step from the earlier run, or leave it out; False if it has to run."""
        finished = resumption.finished(step)
        if finished is None:
            if not resumption.is_left_out(step):
                return False
            self._table.end_unrun(step, StepStatus.LEFT_OUT)
            self._outcomes.mark_successors(step)
            return True
        self._table.end_unrun(step, StepStatus.SUCCESS)
        out.append(RestoreOutputs(step, finished))
        resumption.mark_restored(step, finished)
        self.taken_over.add(step)
        self.expand(self._outcomes.record(step, finished.outputs))
        out += self._retention.over((step,))
        return True

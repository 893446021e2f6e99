"""Reconstruction of lost outputs, by another run of their steps and of the steps behind those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rayexec.plan.base import Plan
from rayexec.plan.model import FromStep
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.retention import Retention
from rayexec.scheduler.step_table import StepTable

__all__ = ["Reconstruction"]


class Reconstruction:
    """Has successful steps run again.

    ``streams`` are the templates with outputs for consumers before their steps are over.
    """

    def __init__(
        self,
        plan: Plan,
        table: StepTable,
        ready_queue: ReadyQueue,
        class_of: Sequence[int],
        retention: Retention,
        streams: frozenset[int],
    ) -> None:
        self._plan = plan
        self._table = table
        self._ready_queue = ready_queue
        self._class_of = class_of
        self._retention = retention
        self._streams = streams

    def needed(self, lost: Iterable[int]) -> list[int] | None:
        """Return the steps to run again for the outputs of ``lost``.

        The search goes upward as long as inputs are gone. The answer is None if it meets a failed
        step, which had handed values on before; a failed step does not run again.
        """
        status = self._table.status
        needed: dict[int, None] = {}
        pending = list(lost)
        while pending:
            step = pending.pop()
            if step in needed or status[step] is not StepStatus.SUCCESS:
                continue
            needed[step] = None
            for step_input in self._plan.steps[step].inputs:
                for source in step_input.sources:
                    if (
                        type(source) is not FromStep
                        or step_input.is_nothing
                        or not self._retention.is_gone(source)
                    ):
                        continue
                    if status[source.step] is StepStatus.FAILED:
                        return None
                    pending.append(source.step)
        return list(needed)

    def run_again(self, steps: Sequence[int]) -> list[int]:
        """Have ``steps`` run again; return the released ones.

        1. They wait, with no attempt counted, and rank before all others.
        2. Their open successors wait for them once more.
        3. They count their open predecessors.

        The work is linear in the steps and their edges, since a node may take thousands with it.
        """
        again = set(steps)
        table, queue, successors = self._table, self._ready_queue, self._plan.successors
        status = table.status
        table.run_again(steps)
        self._retention.run_again(again)
        queue.put_first(steps)
        waiters = self._make_streams_awaited(again)
        withdrawn = []
        for step in steps:
            for successor in successors[step]:
                if successor in again or status[successor] in OVER:
                    continue
                queue.await_more(successor, 1)
                if status[successor] is StepStatus.READY:
                    table.give_back(successor)
                    withdrawn.append(successor)
        if withdrawn:
            queue.withdraw(withdrawn, self._class_of)
        for step in steps:
            awaited = [
                before
                for before in set(self._plan.predecessors[step])
                if status[before] not in OVER and self._is_awaited(before, step, waiters)
            ]
            queue.waiting[step] = len(awaited)
        return [step for step in steps if queue.is_released(step)]

    def _make_streams_awaited(self, steps: set[int]) -> dict[int, set[int]]:
        """Have consumers of streaming steps wait until these are over, since their values are gone.

        Returns the successors of each streaming step.
        """
        waiters = {
            step: set(self._plan.successors[step])
            for step in steps
            if self._plan.template_of[step] in self._streams
        }
        if not waiters:
            return waiters
        added: dict[int, list[int]] = {step: [] for step in waiters}
        for step, predecessors in enumerate(self._plan.predecessors):
            for before in waiters.keys() & predecessors:
                if step not in waiters[before]:
                    waiters[before].add(step)
                    added[before].append(step)
        for step, more in added.items():
            if more:
                successors: Any = self._plan.successors  # a list, where plans grow
                successors[step] = [*successors[step], *more]
        return waiters

    def _is_awaited(self, before: int, step: int, waiters: dict[int, set[int]]) -> bool:
        """Return whether a step waits for a predecessor to be over, rather than for its values."""
        if self._plan.template_of[before] not in self._streams:
            return True
        if before not in waiters:
            waiters[before] = set(self._plan.successors[before])
        return step in waiters[before]

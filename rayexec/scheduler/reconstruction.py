"""Steps whose outputs were lost run again, and so do those above them whose outputs are not kept
any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rayexec.plan.base import Plan
from rayexec.plan.model import FromStep
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.retention import Retention

__all__ = ["Reconstruction"]


class Reconstruction:
    """Takes steps back that had succeeded.

    ``status``, ``attempts``, ``order`` and ``uses`` are the state machine's own.
    """

    def __init__(
        self,
        plan: Plan,
        status: list[StepStatus],
        attempts: list[int],
        order: ReadyQueue[int],
        class_ids: Sequence[int],
        uses: Retention,
        streams: frozenset[int],
    ) -> None:
        self._plan = plan
        self._status = status
        self._attempts = attempts
        self._ready_queue = order
        self._class_ids = class_ids
        self._retention = uses
        self._streams = streams

    def needed(self, lost: Iterable[int]) -> list[int] | None:
        """Return the steps that must run again to have the outputs of ``lost``: upward as far as
        nothing is kept.

        None where that takes what a step handed on before it failed, and nobody has any more.
        """
        found: dict[int, None] = {}
        pending = list(lost)
        while pending:
            step = pending.pop()
            if step in found or self._status[step] is not StepStatus.SUCCESS:
                continue
            found[step] = None
            for each in self._plan.steps[step].inputs:
                for source in each.sources:
                    if (
                        type(source) is not FromStep
                        or each.is_nothing
                        or not self._retention.is_gone(source)
                    ):
                        continue
                    if self._status[source.step] is StepStatus.FAILED:
                        return None
                    pending.append(source.step)
        return list(found)

    def _have_wait(self, steps: Collection[int]) -> None:
        """Make steps wait for those whose values they were handed before, when they did not have
        to.
        """
        streaming = {step for step in steps if self._plan.template_of[step] in self._streams}
        if not streaming:
            return
        for index, before in enumerate(self._plan.predecessors):
            for step in streaming.intersection(before):
                known = self._plan.successors[step]
                if index not in known:
                    self._plan.successors[step] = [*known, index]  # type: ignore[index]  # a list, where plans grow

    def _is_awaited(self, before: int, step: int) -> bool:
        """Whether a step waits for one that it takes from to be over: not where that hands its
        values on sooner.
        """
        return (
            self._plan.template_of[before] not in self._streams
            or step in self._plan.successors[before]
        )

    def take_back(self, steps: Collection[int]) -> list[int]:
        """Have ``steps``, which had succeeded, run again; return those of them that wait for
        nothing.
        """
        status, order, successors = self._status, self._ready_queue, self._plan.successors
        for step in steps:
            status[step] = StepStatus.WAITING
            self._attempts[step] = 0
        self._retention.again(steps)
        order.put_first(list(steps))
        self._have_wait(steps)
        for step in steps:
            for each in successors[step]:
                if status[each] in OVER or each in steps:
                    continue
                order.await_more(each, 1)
                if status[each] is StepStatus.READY:
                    order.withdraw(each, self._class_ids[each])
                    status[each] = StepStatus.WAITING
        for step in steps:
            before = [
                each for each in set(self._plan.predecessors[step]) if status[each] not in OVER
            ]
            order.waiting[step] = sum([self._is_awaited(each, step) for each in before])
        return [step for step in steps if order.is_released(step)]

"""The batches that are under way."""

from __future__ import annotations

from collections.abc import Mapping

from rayexec.plan.model import Call
from rayexec.run.spec import Batch
from rayexec.scheduler.wait_reasons import Under

__all__ = ["InFlight"]


class InFlight:
    """Batches between the engine and its answer: ``by_id`` has their lanes and outstanding calls."""

    def __init__(self) -> None:
        self.by_id: dict[int, tuple[int, dict[int, Call]]] = {}
        # Of batches that say when they begin: those that have.
        self._begun: set[int] = set()
        # When each was submitted.
        self._submitted: dict[int, float] = {}
        self._next = 0

    def take_off(self, class_id: int, calls: tuple[Call, ...], budget: float, now: float) -> Batch:
        """Return a new batch."""
        made = Batch(self._next, calls, budget)
        self._next += 1
        self.by_id[made.id] = (class_id, {call[0]: call for call in calls})
        self._submitted[made.id] = now
        return made

    def begin(self, batch_id: int) -> int | None:
        """Take in that a batch has begun; return its lane, None where that is known, or the batch
        is over.
        """
        if batch_id not in self.by_id or batch_id in self._begun:
            return None
        self._begun.add(batch_id)
        return self.by_id[batch_id][0]

    def has(self, batch_id: int, step: int) -> bool:
        """Whether a step is in a batch under way, and nothing was heard of it."""
        return batch_id in self.by_id and step in self.by_id[batch_id][1]

    def land(self, batch_id: int) -> tuple[int, dict[int, Call], bool]:
        """Take a batch out; return its lane, the calls that nothing was heard of, and whether it
        said that it began.
        """
        class_id, outstanding = self.by_id.pop(batch_id)
        has_begun = batch_id in self._begun
        self._begun.discard(batch_id)
        del self._submitted[batch_id]
        return class_id, outstanding, has_begun

    def under_way(self, now: float) -> list[Under]:
        """Return who is with the engine, in the order in which they were submitted; another thread
        may ask.
        """
        batches = []
        for batch_id, (class_id, calls) in list(self.by_id.items()):
            step = _first(calls)
            if step is not None:
                waited = now - self._submitted.get(batch_id, now)
                batches.append(Under(class_id, step, batch_id in self._begun, waited))
        return batches

    def check(self) -> set[int]:
        """Return the steps under way; raises AssertionError where one is twice, or a batch that is
        over is known.
        """
        steps = [step for _, calls in self.by_id.values() for step in calls]
        assert len(steps) == len(set(steps)), "a step is in two batches at once"
        assert self._begun <= self.by_id.keys() == self._submitted.keys(), (
            "a batch that is over is not forgotten"
        )
        return set(steps)


def _first(calls: Mapping[int, Call]) -> int | None:
    """Return the step of the first call, None where there is none, or where they change just now."""
    try:
        return next(iter(calls), None)
    except RuntimeError:
        return None

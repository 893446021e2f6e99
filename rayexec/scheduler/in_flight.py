"""The slices that are under way."""

from __future__ import annotations

from collections.abc import Mapping

from rayexec.plan.model import Call
from rayexec.run.spec import Slice
from rayexec.scheduler.wait_reasons import Under

__all__ = ["Flights"]


class Flights:
    """Slices between the engine and its answer: ``by_id`` has their lanes, and the calls of which nothing was heard."""

    def __init__(self) -> None:
        self.by_id: dict[int, tuple[int, dict[int, Call]]] = {}
        # Of slices that say when they begin: those that have.
        self._begun: set[int] = set()
        # When each was submitted.
        self._submitted: dict[int, float] = {}
        self._next = 0

    def take_off(self, lane: int, calls: tuple[Call, ...], budget: float, now: float) -> Slice:
        """Return a new slice."""
        made = Slice(self._next, calls, budget)
        self._next += 1
        self.by_id[made.id] = (lane, {call[0]: call for call in calls})
        self._submitted[made.id] = now
        return made

    def begin(self, slice_id: int) -> int | None:
        """Take in that a slice has begun; return its lane, None where that is known, or the slice is over."""
        if slice_id not in self.by_id or slice_id in self._begun:
            return None
        self._begun.add(slice_id)
        return self.by_id[slice_id][0]

    def has(self, slice_id: int, step: int) -> bool:
        """Whether a step is in a slice under way, and nothing was heard of it."""
        return slice_id in self.by_id and step in self.by_id[slice_id][1]

    def land(self, slice_id: int) -> tuple[int, dict[int, Call], bool]:
        """Take a slice out; return its lane, the calls that nothing was heard of, and whether it said that it began."""
        lane, outstanding = self.by_id.pop(slice_id)
        has_begun = slice_id in self._begun
        self._begun.discard(slice_id)
        del self._submitted[slice_id]
        return lane, outstanding, has_begun

    def under_way(self, now: float) -> list[Under]:
        """Return who is with the engine, in the order in which they were submitted; another thread may ask."""
        slices = []
        for slice_id, (lane, calls) in list(self.by_id.items()):
            step = _first(calls)
            if step is not None:
                waited = now - self._submitted.get(slice_id, now)
                slices.append(Under(lane, step, slice_id in self._begun, waited))
        return slices

    def check(self) -> set[int]:
        """Return the steps under way; raises AssertionError where one is twice, or a slice that is over is known."""
        steps = [step for _, calls in self.by_id.values() for step in calls]
        assert len(steps) == len(set(steps)), "a step is in two slices at once"
        assert self._begun <= self.by_id.keys() == self._submitted.keys(), "a slice that is over is not forgotten"
        return set(steps)


def _first(calls: Mapping[int, Call]) -> int | None:
    """Return the step of the first call, None where there is none, or where they change just now."""
    try:
        return next(iter(calls), None)
    except RuntimeError:
        return None

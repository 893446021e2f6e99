"""Which steps may start: readiness by counters, in the verbs of graphlib."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Hashable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

__all__ = ["ReadyQueue"]

# Ranks of steps that go before all others are less than those of the others by this.
_FIRST = 1 << 40
# Ranks of each priority are less than those of the next lower one by two to this power.
_BAND = 48
_HALF = 1 << (_BAND - 1)

ClassId = TypeVar("ClassId", bound=Hashable)


class ReadyQueue(Generic[ClassId]):
    """The steps whose predecessors are done, best first, in lanes of those that can share a batch.

    ``in_degrees[i]`` counts the distinct predecessors of i, ``successors[i]`` lists those that
    follow it, and ``order`` holds the steps in the order in which they start once they are ready;
    those of higher ``priorities`` start before all others, whenever they came. Each step costs a
    heap operation, each edge a decrement; nothing is scanned twice.
    """

    def __init__(
        self,
        in_degrees: Sequence[int],
        successors: Sequence[Iterable[int]],
        order: Sequence[int],
        priorities: Sequence[int] | None = None,
    ) -> None:
        self._priorities = priorities
        # For each step, how many of its predecessors are not over.
        self.waiting = list(in_degrees)
        self._successors = successors
        self._class_ids: dict[ClassId, list[int]] = {}  # heaps of ranks
        # For each step its place in the order.
        self.ranks: list[int] = [0] * len(self.waiting)
        self._by_rank: Sequence[int] = order
        # Steps that came later, the last first: their ranks are -1, -2 and so on.
        self._later: list[int] = []
        self.rank(order)

    def rank(self, order: Sequence[int]) -> None:
        """Start steps in another order from now on; ``order`` holds at least those that are not
        over.
        """
        ranks = self.ranks
        ready = {
            class_id: [self._step(rank) for rank in heap]
            for class_id, heap in self._class_ids.items()
        }
        for rank, step in enumerate(order):
            ranks[step] = rank
        self._raise_by_priority(order)
        for class_id, steps in ready.items():
            self._class_ids[class_id] = sorted([ranks[step] for step in steps])
        self._by_rank, self._later = order, []

    def grow(self, waiting: Sequence[int]) -> None:
        """Add steps behind those there are; ``waiting`` tells for how many predecessors each waits.

        They start before the others, each in its turn: what came last goes first, so that what was
        begun is ended.
        """
        first, count = len(self.waiting), len(waiting)
        self.waiting.extend(waiting)
        self.ranks.extend([0] * count)
        self.put_first(range(first, first + count))

    def put_first(self, steps: Sequence[int]) -> None:
        """Start steps, none of which is ready, before all others from now on."""
        lowest = -len(self._later) - len(steps)
        for place, step in enumerate(steps, start=lowest):
            self.ranks[step] = place
        self._raise_by_priority(steps)
        self._later.extend(reversed(steps))

    def _raise_by_priority(self, steps: Iterable[int]) -> None:
        if self._priorities is not None:
            for step in steps:
                self.ranks[step] -= self._priorities[step] << _BAND

    def await_more(self, step: int, count: int) -> None:
        """Have a step wait for more predecessors than it did."""
        self.waiting[step] += count

    def withdraw(self, step: int, class_id: ClassId) -> None:
        """Take a step back that was ready: it waits again."""
        left = [rank for rank in self._class_ids.get(class_id, ()) if self._step(rank) != step]
        if left:
            heapify(left)
            self._class_ids[class_id] = left
        else:
            self._class_ids.pop(class_id, None)

    def _step(self, rank: int) -> int:
        rank -= ((rank + _HALF) >> _BAND) << _BAND
        if rank < -_FIRST // 2:
            rank += _FIRST
        return self._by_rank[rank] if rank >= 0 else self._later[-1 - rank]

    def prepare(self) -> list[int]:
        """Return the steps that wait for nothing."""
        return [index for index, count in enumerate(self.waiting) if count == 0]

    def done(self, steps: Iterable[int]) -> list[int]:
        """Count ``steps`` as over; return the successors that now wait for nothing."""
        released = []
        waiting, successors = self.waiting, self._successors
        for step in steps:
            for successor in successors[step]:
                left = waiting[successor] - 1
                waiting[successor] = left
                if left == 0:
                    released.append(successor)
        return released

    def is_released(self, step: int) -> bool:
        """Whether ``step`` waits for nothing."""
        return self.waiting[step] == 0

    def add(self, step: int, class_id: ClassId, *, first: bool = False) -> None:
        """Make ``step`` ready in its lane, again or for the first time; ``first``, it goes before
        the others.
        """
        rank = self.ranks[step] - _FIRST if first else self.ranks[step]
        heap = self._class_ids.get(class_id)
        if heap is None:
            self._class_ids[class_id] = [rank]
        else:
            heappush(heap, rank)

    def heads(self, class_ids: Collection[ClassId]) -> list[tuple[int, ClassId]]:
        """Return a heap of (rank of its best ready step, lane) of those of ``class_ids`` that hold
        any.
        """
        heads = [
            (self._class_ids[class_id][0], class_id)
            for class_id in class_ids
            if class_id in self._class_ids
        ]
        heapify(heads)
        return heads

    def head(self, class_id: ClassId) -> int | None:
        """Return the rank of the best ready step of a lane, None where it holds none."""
        heap = self._class_ids.get(class_id)
        return heap[0] if heap else None

    def ready(self, most: int) -> dict[ClassId, tuple[int, list[int]]]:
        """Return for each lane how many of its steps are ready, and up to ``most`` of them, about
        the best first.

        Another thread than the one that adds and takes steps may ask.
        """
        found = {}
        for class_id, heap in list(self._class_ids.items()):
            with contextlib.suppress(IndexError):  # the order was just made anew
                found[class_id] = (len(heap), [self._step(rank) for rank in heap[:most]])
        return found

    def count(self, class_id: ClassId) -> int:
        """Return how many steps are ready in a lane."""
        return len(self._class_ids.get(class_id, ()))

    def get_ready(self, class_id: ClassId) -> int:
        """Take the best ready step of a lane; raises KeyError where it holds none."""
        heap = self._class_ids[class_id]
        rank = heappop(heap)
        if not heap:
            del self._class_ids[class_id]
        return self._by_rank[rank] if 0 <= rank < _FIRST else self._step(rank)

    def peek(self, class_id: ClassId) -> int:
        """Return the best ready step of a lane, -1 where it holds none."""
        heap = self._class_ids.get(class_id)
        if not heap:
            return -1
        rank = heap[0]
        return self._by_rank[rank] if 0 <= rank < _FIRST else self._step(rank)

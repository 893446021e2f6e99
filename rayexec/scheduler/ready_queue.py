"""Queue of ready steps: readiness by counters, in the verbs of graphlib."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from heapq import heapify, heappop, heappush

__all__ = ["ReadyQueue"]

# Ranks of steps that go before all others are lower than the other ranks by this.
_FIRST = 1 << 40
# Ranks of one priority are lower than those of the next lower priority by two to this power.
_BAND = 48
_HALF = 1 << (_BAND - 1)


class ReadyQueue:
    """Releases steps once their predecessors are over, and queues ready ones by scheduling class.

    Each step costs a heap operation and each edge a decrement; nothing is scanned twice.
    """

    def __init__(
        self,
        in_degrees: Sequence[int],
        successors: Sequence[Iterable[int]],
        order: Sequence[int],
        priorities: Sequence[int] | None = None,
    ) -> None:
        """Count distinct predecessors by ``in_degrees``, and start ready steps in ``order``.

        Steps of higher ``priorities`` start first, whenever they became ready.
        """
        self._priorities = priorities
        #: The number of predecessors of each step that are not over.
        self.waiting = list(in_degrees)
        self._successors = successors
        # The ranks of ready steps, as a heap for each scheduling class.
        self._heaps: dict[int, list[int]] = {}
        #: The rank of each step; the lowest starts first.
        self.ranks: list[int] = [0] * len(self.waiting)
        self._by_rank: Sequence[int] = order
        # Steps that came later, the last first: their ranks are -1, -2 and so on.
        self._later: list[int] = []
        self.rank(order)

    def rank(self, order: Sequence[int]) -> None:
        """Start steps in another order from now on; it holds all open steps."""
        ranks = self.ranks
        ready = {
            class_id: [self._step(rank) for rank in heap] for class_id, heap in self._heaps.items()
        }
        for rank, step in enumerate(order):
            ranks[step] = rank
        self._raise_by_priority(order)
        for class_id, steps in ready.items():
            self._heaps[class_id] = sorted([ranks[step] for step in steps])
        self._by_rank, self._later = order, []

    def grow(self, waiting: Sequence[int]) -> None:
        """Add steps behind the others; ``waiting`` counts the predecessors of each.

        The last ones start first, so the run finishes the branches that it began.
        """
        first, count = len(self.waiting), len(waiting)
        self.waiting.extend(waiting)
        self.ranks.extend([0] * count)
        self.put_first(range(first, first + count))

    def put_first(self, steps: Sequence[int]) -> None:
        """Start steps before all others from now on; none of them may be ready."""
        lowest = -len(self._later) - len(steps)
        for rank, step in enumerate(steps, start=lowest):
            self.ranks[step] = rank
        self._raise_by_priority(steps)
        self._later.extend(reversed(steps))

    def _raise_by_priority(self, steps: Iterable[int]) -> None:
        if self._priorities is not None:
            for step in steps:
                self.ranks[step] -= self._priorities[step] << _BAND

    def await_more(self, step: int, count: int) -> None:
        """Have a step wait for more predecessors than before."""
        self.waiting[step] += count

    def withdraw(self, steps: Iterable[int], class_of: Sequence[int]) -> None:
        """Remove ready steps; a scheduling class is scanned once, however many of its steps go."""
        by_class: dict[int, set[int]] = {}
        for step in steps:
            by_class.setdefault(class_of[step], set()).add(step)
        for class_id, gone in by_class.items():
            heap = self._heaps.pop(class_id, ())
            left = [rank for rank in heap if self._step(rank) not in gone]
            if left:
                heapify(left)
                self._heaps[class_id] = left

    def _step(self, rank: int) -> int:
        rank -= ((rank + _HALF) >> _BAND) << _BAND
        if rank < -_FIRST // 2:
            rank += _FIRST
        return self._by_rank[rank] if rank >= 0 else self._later[-1 - rank]

    def prepare(self) -> list[int]:
        """Return the steps without predecessors."""
        return [index for index, count in enumerate(self.waiting) if count == 0]

    def done(self, steps: Iterable[int]) -> list[int]:
        """Count steps as over; return the successors without any other."""
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
        """Return whether a step waits for nothing."""
        return self.waiting[step] == 0

    def add(self, step: int, class_id: int, *, first: bool = False) -> None:
        """Add a ready step to its scheduling class; with ``first``, before all other steps."""
        rank = self.ranks[step] - _FIRST if first else self.ranks[step]
        heap = self._heaps.get(class_id)
        if heap is None:
            self._heaps[class_id] = [rank]
        else:
            heappush(heap, rank)

    def heads(self, class_ids: Collection[int]) -> list[tuple[int, int]]:
        """Return a heap of (rank of the best ready step, scheduling class); others have none."""
        heads = [
            (self._heaps[class_id][0], class_id)
            for class_id in class_ids
            if class_id in self._heaps
        ]
        heapify(heads)
        return heads

    def head(self, class_id: int) -> int | None:
        """Return the rank of the best ready step of a scheduling class, None if none is ready."""
        heap = self._heaps.get(class_id)
        return heap[0] if heap else None

    def ready(self, most: int) -> dict[int, tuple[int, list[int]]]:
        """Return the count of ready steps by scheduling class, and up to ``most`` of them.

        They are roughly best first. Any thread may call it.
        """
        by_class = {}
        for class_id, heap in list(self._heaps.items()):
            # Another thread may have just replaced the order.
            with contextlib.suppress(IndexError):
                by_class[class_id] = (len(heap), [self._step(rank) for rank in heap[:most]])
        return by_class

    def count(self, class_id: int) -> int:
        """Return the number of ready steps of a scheduling class."""
        return len(self._heaps.get(class_id, ()))

    def get_ready(self, class_id: int) -> int:
        """Remove and return the best ready step of a scheduling class; raises KeyError for none."""
        heap = self._heaps[class_id]
        rank = heappop(heap)
        if not heap:
            del self._heaps[class_id]
        return self._by_rank[rank] if 0 <= rank < _FIRST else self._step(rank)

    def peek(self, class_id: int) -> int:
        """Return the best ready step of a scheduling class, -1 if none is ready."""
        heap = self._heaps.get(class_id)
        if not heap:
            return -1
        rank = heap[0]
        return self._by_rank[rank] if 0 <= rank < _FIRST else self._step(rank)

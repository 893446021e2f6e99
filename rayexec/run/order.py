"""Which steps may start: readiness by counters, in the verbs of graphlib."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

__all__ = ["Order"]

Lane = TypeVar("Lane", bound=Hashable)


class Order(Generic[Lane]):
    """The steps whose predecessors are done, best first, in lanes of those that can share a slice.

    ``in_degrees[i]`` counts the distinct predecessors of i, ``successors[i]`` lists those that follow it, and lower
    ``ranks[i]`` start earlier. Each step costs a heap operation, each edge a decrement; nothing is scanned twice.
    """

    def __init__(self, in_degrees: Sequence[int], successors: Sequence[Iterable[int]], ranks: Sequence[int]) -> None:
        self._waiting = list(in_degrees)
        self._successors = successors
        self._ranks = ranks
        self._lanes: dict[Lane, list[tuple[int, int]]] = {}

    def prepare(self) -> list[int]:
        """Return the steps that wait for nothing."""
        return [index for index, count in enumerate(self._waiting) if count == 0]

    def done(self, step: int) -> list[int]:
        """Count ``step`` as over; return the successors that now wait for nothing."""
        released = []
        waiting = self._waiting
        for successor in self._successors[step]:
            waiting[successor] -= 1
            if waiting[successor] == 0:
                released.append(successor)
        return released

    def is_released(self, step: int) -> bool:
        """Whether ``step`` waits for nothing."""
        return self._waiting[step] == 0

    def add(self, step: int, lane: Lane) -> None:
        """Make ``step`` ready in its lane, again or for the first time."""
        heap = self._lanes.get(lane)
        if heap is None:
            heap = self._lanes[lane] = []
        heapq.heappush(heap, (self._ranks[step], step))

    def best_first(self, lanes: Collection[Lane]) -> list[Lane]:
        """Return those of ``lanes`` that hold ready steps, that of the best step first."""
        held = [lane for lane in lanes if lane in self._lanes]
        return held if len(held) <= 1 else sorted(held, key=lambda lane: self._lanes[lane][0])

    def count(self, lane: Lane) -> int:
        """Return how many steps are ready in a lane."""
        return len(self._lanes.get(lane, ()))

    def get_ready(self, lane: Lane) -> int:
        """Take the best ready step of a lane; raises KeyError where it holds none."""
        heap = self._lanes[lane]
        step = heapq.heappop(heap)[1]
        if not heap:
            del self._lanes[lane]
        return step

    def peek(self, lane: Lane) -> int:
        """Return the best ready step of a lane; raises KeyError where it holds none."""
        return self._lanes[lane][0][1]

"""Bound of the distinct resource requests that wait at the engine.

Ray's raylet looks at each distinct request whenever a task ends, so that many of them cost more
than their count: with 2 CPUs, 800 steps of a request each took 30 s, and take 3.5 s in turns.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable

from rayexec.placement.limits import SchedulingClass
from rayexec.placement.resource_request import Request

__all__ = ["DistinctRequests"]

# Distinct requests of one kind at the engine: so many, or a multiple of the slots.
_MOST = 16
_MOST_A_SLOT = 3
# An autoscaler goes by the requests that it sees.
_MOST_FOR_AUTOSCALER = 200


class _Kind:
    """Requests for the same resources, which wait for each other rather than for others."""

    __slots__ = ("at_engine", "held_back", "is_full")

    def __init__(self) -> None:
        #: The number of distinct requests with batches at the engine.
        self.at_engine = 0
        #: Whether no request may join them.
        self.is_full = False
        #: The scheduling classes that wait.
        self.held_back: set[int] = set()


class _Request:
    """A distinct request."""

    __slots__ = ("batches", "kind")

    def __init__(self, kind: _Kind) -> None:
        self.kind = kind
        #: The number of its batches at the engine.
        self.batches = 0


class DistinctRequests:
    """Counts distinct requests with batches at the engine, and holds back more of a kind.

    A full kind opens again once a quarter of its requests is through, so that its classes need not
    be looked at for each batch. A request that is at the engine may always have more batches.
    """

    def __init__(
        self, classes: Iterable[SchedulingClass], slots: int, *, has_autoscaler: bool
    ) -> None:
        least = _MOST_FOR_AUTOSCALER if has_autoscaler else _MOST
        self._most = max(least, _MOST_A_SLOT * slots)
        self._requests: dict[Hashable, _Request] = {}
        self._kinds: dict[Hashable, _Kind] = {}
        # The request of each class.
        self._by_class: list[_Request] = []
        for scheduling_class in classes:
            self.add_class(scheduling_class)

    def add_class(self, scheduling_class: SchedulingClass) -> None:
        """Add a scheduling class behind the others."""
        request = scheduling_class.request
        key = repr(request)
        if key not in self._requests:
            kind = self._kinds.setdefault(_kind_of(request, scheduling_class.slots), _Kind())
            self._requests[key] = _Request(kind)
        self._by_class.append(self._requests[key])

    def holds_back(self, class_id: int) -> bool:
        """Return whether a class has to wait; ``end`` returns it then."""
        request = self._by_class[class_id]
        if request.batches or not request.kind.is_full:
            return False
        request.kind.held_back.add(class_id)
        return True

    def submit(self, class_id: int) -> None:
        """Count a batch on its way to the engine."""
        request = self._by_class[class_id]
        request.batches += 1
        if request.batches == 1:
            kind = request.kind
            kind.at_engine += 1
            kind.is_full = kind.is_full or kind.at_engine >= self._most

    def end(self, class_id: int) -> Collection[int]:
        """Count a batch as over; return the classes that need not wait any more."""
        request = self._by_class[class_id]
        request.batches -= 1
        if request.batches:
            return ()
        kind = request.kind
        kind.at_engine -= 1
        if not kind.is_full or 4 * kind.at_engine > 3 * self._most:
            return ()
        kind.is_full = False
        opened, kind.held_back = kind.held_back, set()
        return opened


def _kind_of(request: Request, slots: int) -> Hashable:
    """Return the resources that a request is for, about how many fit at once, and its labels.

    A scarce resource has few slots, so that requests for it do not hold back those for others.
    """
    return (
        frozenset(request.amounts()),
        frozenset(request.tokens),
        frozenset(request.label_selector.items()),
        slots.bit_length(),
    )

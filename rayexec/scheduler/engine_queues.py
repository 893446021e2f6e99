"""How many batches may be with the engine at a time, so that what waits there keeps nothing else
from running.

Three things would. Ray's raylet holds a class of tasks back whose share of the CPUs is used up
while others wait, though those may wait for a limit; it does so when more CPUs are asked for than
there are (https://github.com/ray-project/ray/pull/44733). A batch takes its places in limits that
the driver holds when it is submitted, and would hold them while it waits for a limit that Ray
holds. And what other runs hold of a limit of the cluster may not be free for long.
"""

from __future__ import annotations

from collections.abc import Mapping

from rayexec.placement.limits import MAX_CONCURRENT, LimitHolder, Placement, SchedulingClass

__all__ = ["EngineQueues"]


class EngineQueues:
    """Counts the batches with the engine by class, and by limits that it holds, of tags and pools.

    A class is limited where such a limit applies to it, or fewer of its steps than there are slots
    fit the nodes. Of a limited class few batches wait with the engine, and none where they hold
    places of the driver's meanwhile; then what other runs hold, as far as it is known, counts as
    taken. The other classes leave room for what waits.
    """

    def __init__(self, placement: Placement) -> None:
        limits = self._limits = placement.limits
        self._slots = placement.slots
        self._held = [
            limit.holder is not LimitHolder.DRIVER and limit.name != MAX_CONCURRENT
            for limit in limits
        ]
        self._counts_in: list[tuple[tuple[int, int], ...]] = []
        self._is_limited: list[bool] = []
        # Whether batches of a class hold places of the driver's while they wait.
        self._holds_places: list[bool] = []
        self._windows: list[int] = []
        self._most = [limit.most for limit in limits]
        self._is_shared = [limit.holder is LimitHolder.CLUSTER for limit in limits]
        # Classes for which it must be known what other runs hold.
        self._watched: set[int] = set()
        self._load: list[int] = []
        self._taken = [0] * len(limits)
        self._waiting = [0] * len(
            limits
        )  # of limits of the cluster: by batches that have not begun
        self._others = [0] * len(limits)
        self._limited = self._free = 0
        # Batches that may be waiting for a limit or a scarce resource, and how many of them there
        # may be.
        self._ahead = 0
        self._may_be_ahead = _look_ahead(placement.slots)
        self._room: list[int] = []
        for known in placement.classes:
            self.add_class(known)

    def add_class(self, known: SchedulingClass) -> None:
        """Take in a class of steps behind those there are."""
        counts_in = tuple([each for each in known.limits if self._held[each[0]]])
        holds = any(self._limits[place].holder is LimitHolder.DRIVER for place, _ in known.limits)
        if any(self._is_shared[place] for place, _ in known.limits):
            self._watched.add(len(self._room))
        self._counts_in.append(counts_in)
        self._is_limited.append(bool(counts_in) or known.slots < self._slots)
        self._holds_places.append(holds)
        self._windows.append(known.slots + (0 if holds else _look_ahead(known.slots)))
        self._load.append(0)
        self._room.append(known.slots)

    @property
    def watched(self) -> set[int]:
        """The classes for whose ready steps it matters what other runs hold."""
        return self._watched

    def take_others(self, held: Mapping[int, int]) -> None:
        """Take in how much of each limit, by its place, other runs hold."""
        for place, amount in held.items():
            self._others[place] = amount

    def has_room(self, number: int) -> bool:
        """Whether one more batch of a class may be with the engine."""
        if not self._is_limited[number]:
            running = self._limited - self._ahead
            return not self._limited or self._free < max(
                self._slots - running, 2 * self._slots - self._limited
            )
        load = self._load[number]
        if load >= self._windows[number]:
            return False
        counts_in = self._counts_in[number]
        if self._holds_places[number]:
            return all(
                self._taken[each] + weight <= self._most[each] - self._others[each]
                for each, weight in counts_in
            )
        is_full = self._ahead >= self._may_be_ahead
        if not counts_in:
            return load <= self._room[number] or not is_full
        for place, weight in counts_in:
            most, taken, waiting = self._most[place], self._taken[place], self._waiting[place]
            if self._is_shared[place]:
                # Each limit may have one waiting, or it would not be heard of when it is free
                # again.
                if waiting and (
                    is_full or waiting + weight > max(_look_ahead(most), most - self._others[place])
                ):
                    return False
            elif taken > most and is_full:
                return False
            if taken and taken + weight > most + _look_ahead(most):
                return False
        return True

    def submit(self, number: int) -> None:
        """Count a batch that goes to the engine."""
        self._count(number, 1, 1)

    def begun(self, number: int) -> None:
        """Count a batch as waiting no more."""
        self._count(number, 0, -1)

    def end(self, number: int, *, has_begun: bool) -> None:
        """Count a batch as over; ``has_begun`` is whether that was told."""
        self._count(number, -1, 0 if has_begun else -1)

    def _count(self, number: int, load: int, waiting: int) -> None:
        before = self._ahead_of(number)
        self._load[number] += load
        for place, weight in self._counts_in[number]:
            self._taken[place] += load * weight
            self._waiting[place] += waiting * weight
        if self._is_limited[number]:
            self._limited += load
            self._ahead += self._ahead_of(number) - before
        else:
            self._free += load

    def _ahead_of(self, number: int) -> int:
        """Return how much of what a class counts in is waited for, at most."""
        counts_in = self._counts_in[number]
        if not counts_in:
            return max(0, self._load[number] - self._room[number])
        return sum(
            [
                self._waiting[place]
                if self._is_shared[place]
                else max(0, self._taken[place] - self._most[place])
                for place, _ in counts_in
            ]
        )


def _look_ahead(room: int) -> int:
    """Return how many batches may wait for a limit that lets ``room`` run at once: successors for
    when those end.
    """
    return max(1, room // 2)

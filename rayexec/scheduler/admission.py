"""Limits that the driver holds: a batch is let through when every one of them that applies to its
steps has room.
"""

from __future__ import annotations

from rayexec.placement.limits import LimitHolder, Placement, SchedulingClass

__all__ = ["Admission"]


class Admission:
    """Counts the batches under way in those limits of a holding that are the driver's.

    The steps of a batch count in the same limits and run one at a time, so a batch takes one place
    in each, or its steps' weight.
    """

    def __init__(self, placement: Placement) -> None:
        self._room = [limit.most for limit in placement.limits]
        self._mine = {
            place
            for place, limit in enumerate(placement.limits)
            if limit.holder is LimitHolder.DRIVER
        }
        self._counts_in: list[tuple[tuple[int, int], ...]] = []
        for known in placement.classes:
            self.add_class(known)

    def add_class(self, known: SchedulingClass) -> None:
        """Take in a class of steps behind those there are."""
        self._counts_in.append(tuple([each for each in known.limits if each[0] in self._mine]))

    def blocked_by(self, number: int) -> int | None:
        """Return the place of a limit that has no room for a batch of class ``number``, or None."""
        room = self._room
        for place, weight in self._counts_in[number]:
            if room[place] < weight:
                return place
        return None

    def admit(self, number: int) -> None:
        """Take a class's places in its limits."""
        for place, weight in self._counts_in[number]:
            self._room[place] -= weight

    def release(self, number: int) -> tuple[tuple[int, int], ...]:
        """Give the places back; returns those limits."""
        counts_in = self._counts_in[number]
        for place, weight in counts_in:
            self._room[place] += weight
        return counts_in

"""Ledger of the limits of a run, and the admission of batches to the engine.

A batch holds its driver-held limits from its submission on. It may then wait at the engine, and
such a wait has three dangers:

- Ray's raylet holds back a scheduling class of tasks once its share of the CPUs is used up, even
  where these tasks wait for a limit (https://github.com/ray-project/ray/pull/44733).
- A batch that waits for a limit of Ray keeps its driver-held limits from others meanwhile.
- A limit of the cluster may stay with other runs for long.

So few batches with a limit of their own wait at the engine, and none while it holds driver-held
ones. The other scheduling classes leave room for the waiting ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from rayexec.placement.limits import (
    MAX_CONCURRENT,
    LimitHolder,
    LimitShare,
    Placement,
    SchedulingClass,
)

__all__ = ["LimitLedger"]


class _ClassEntry:
    """A scheduling class in the ledger."""

    __slots__ = ("at_engine", "by_driver", "by_engine", "is_limited", "limits", "slots", "window")

    def __init__(
        self,
        limits: tuple[LimitShare, ...],
        by_driver: tuple[LimitShare, ...],
        by_engine: tuple[LimitShare, ...],
        slots: int,
        all_slots: int,
    ) -> None:
        #: All limits that its batches count in.
        self.limits = limits
        #: The limits that the driver holds.
        self.by_driver = by_driver
        #: The limits of tags and pools that Ray holds.
        self.by_engine = by_engine
        #: The number of its batches that can run at once.
        self.slots = slots
        #: Whether it has a limit of its own, or does not fit all slots.
        self.is_limited = bool(by_engine) or slots < all_slots
        #: The number of its batches that may be at the engine, where it is limited.
        self.window = slots + (0 if by_driver else _look_ahead(slots))
        #: The number of its batches that are at the engine.
        self.at_engine = 0


class LimitLedger:
    """Counts the shares of batches in each limit, and admits more batches.

    A limit's key is its index in ``Placement.limits``; a batch counts in its limits with its weight
    from submission to its end, since its steps run one at a time.
    """

    def __init__(self, placement: Placement) -> None:
        limits = self._limits = placement.limits
        self._slots = placement.slots
        self._most = [limit.most for limit in limits]
        self._is_shared = [limit.holder is LimitHolder.CLUSTER for limit in limits]
        # By limit: the amounts of this run's batches, of those of them that have not begun, and of
        # other runs.
        self._taken = [0] * len(limits)
        self._waiting = [0] * len(limits)
        self._held_by_others = [0] * len(limits)
        self._classes: list[_ClassEntry] = []
        #: The classes that count in limits of the cluster.
        self.sharing_classes: set[int] = set()
        # Batches at the engine: of limited classes, and of the others.
        self._limited = self._unlimited = 0
        # Batches of limited classes that may have to wait at the engine, and their greatest number.
        self._ahead = 0
        self._most_ahead = _look_ahead(placement.slots)
        for scheduling_class in placement.classes:
            self.add_class(scheduling_class)

    def add_class(self, scheduling_class: SchedulingClass) -> None:
        """Add a scheduling class behind the others."""
        shares = scheduling_class.limits
        limits = self._limits
        by_driver = tuple([one for one in shares if limits[one.limit].holder is LimitHolder.DRIVER])
        by_engine = tuple(
            [
                one
                for one in shares
                if limits[one.limit].holder is not LimitHolder.DRIVER
                and limits[one.limit].name != MAX_CONCURRENT
            ]
        )
        if any(self._is_shared[share.limit] for share in shares):
            self.sharing_classes.add(len(self._classes))
        self._classes.append(
            _ClassEntry(shares, by_driver, by_engine, scheduling_class.slots, self._slots)
        )

    def set_held_by_others(self, held: Mapping[int, int]) -> None:
        """Set the amounts held by other runs, by limit."""
        for limit, amount in held.items():
            self._held_by_others[limit] = amount

    def in_flight(self, class_id: int) -> int:
        """Return the number of batches of a scheduling class at the engine."""
        return self._classes[class_id].at_engine

    def full_limit(self, class_id: int) -> int | None:
        """Return a driver-held limit without room for a batch of a scheduling class, if any."""
        for limit, weight in self._classes[class_id].by_driver:
            if self._taken[limit] + weight > self._most[limit]:
                return limit
        return None

    def has_engine_room(self, class_id: int) -> bool:
        """Return whether one more batch of a scheduling class may be at the engine."""
        entry = self._classes[class_id]
        if not entry.is_limited:
            running = self._limited - self._ahead
            return not self._limited or self._unlimited < max(
                self._slots - running, 2 * self._slots - self._limited
            )
        if entry.at_engine >= entry.window:
            return False
        if entry.by_driver:
            return all(
                self._taken[limit] + weight <= self._most[limit] - self._held_by_others[limit]
                for limit, weight in entry.by_engine
            )
        is_full = self._ahead >= self._most_ahead
        if not entry.by_engine:
            return entry.at_engine <= entry.slots or not is_full
        return all(self._has_limit_room(share, is_full=is_full) for share in entry.by_engine)

    def _has_limit_room(self, share: LimitShare, *, is_full: bool) -> bool:
        """Return whether one more batch may wait for a limit of Ray."""
        limit, weight = share
        most, taken, waiting = self._most[limit], self._taken[limit], self._waiting[limit]
        if self._is_shared[limit]:
            # One batch may always wait, since it reports that the limit is free again.
            others = self._held_by_others[limit]
            if waiting and (is_full or waiting + weight > max(_look_ahead(most), most - others)):
                return False
        elif taken > most and is_full:
            return False
        return not taken or taken + weight <= most + _look_ahead(most)

    def submit(self, class_id: int) -> None:
        """Count a batch on its way to the engine."""
        self._count(class_id, 1, 1)

    def begin(self, class_id: int) -> None:
        """Count a batch as running, by the engine's report."""
        self._count(class_id, 0, -1)

    def end(self, class_id: int, *, has_begun: bool) -> tuple[LimitShare, ...]:
        """Count a batch as over; return the driver-held limits with more room now."""
        self._count(class_id, -1, 0 if has_begun else -1)
        return self._classes[class_id].by_driver

    def _count(self, class_id: int, at_engine: int, waiting: int) -> None:
        entry = self._classes[class_id]
        before = self._ahead_of(entry) if entry.is_limited else 0
        entry.at_engine += at_engine
        for limit, weight in entry.limits:
            self._taken[limit] += at_engine * weight
            self._waiting[limit] += waiting * weight
        if entry.is_limited:
            self._limited += at_engine
            self._ahead += self._ahead_of(entry) - before
        else:
            self._unlimited += at_engine

    def _ahead_of(self, entry: _ClassEntry) -> int:
        """Return the most of its limits that waiting batches of a scheduling class may lack."""
        if not entry.by_engine:
            return max(0, entry.at_engine - entry.slots)
        return sum(
            [
                self._waiting[limit]
                if self._is_shared[limit]
                else max(0, self._taken[limit] - self._most[limit])
                for limit, _ in entry.by_engine
            ]
        )


def _look_ahead(room: int) -> int:
    """Return how many batches may wait for one of ``room`` to end."""
    return max(1, room // 2)

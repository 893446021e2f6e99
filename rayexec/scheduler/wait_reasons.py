"""What steps wait for while a run goes on, as far as the driver can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rayexec.placement.limits import MAX_CONCURRENT, Placement, SchedulingClass

__all__ = ["SHOWN", "Obstacle", "Queue", "Under", "Waiting", "obstacles", "who_waits"]

SHOWN = 8  # steps and holders that a queue names
_PATIENCE = 1.0  # seconds that a worker may take to start
_EXACTLY = 1e-6  # amounts are sums of fractions of 1e-4

# What is in the way of a step: a limit by its place, or a resource by its name.
Obstacle: TypeAlias = int | str


def obstacles(placement: Placement, known: SchedulingClass) -> list[tuple[Obstacle, float, float]]:
    """Return what may keep steps of a class waiting, as (obstacle, how much a step takes, how much
    there is).

    The most particular comes first: limits of tags and pools, then resources, then
    ``max_concurrent``.
    """
    limits = placement.limits
    found: list[tuple[Obstacle, float, float]] = [
        (place, weight, limits[place].most) for place, weight in reversed(known.limits)
    ]
    everywhere = [each for each in found if limits[int(each[0])].name == MAX_CONCURRENT]
    declared = {limit.resource for limit in limits}
    resources = [
        (name, amount, placement.resource_totals[name])
        for name, amount in known.request.amounts().items()
        if name in placement.resource_totals and name not in declared
    ]
    return [*(each for each in found if each not in everywhere), *resources, *everywhere]


class Under(NamedTuple):
    """A batch that the engine has: its class, its next step, and whether it said that it has begun.

    ``waited`` is how many seconds ago it was submitted.
    """

    number: int
    step: int
    has_begun: bool
    waited: float


class Queue(NamedTuple):
    """Steps that wait for the same: ``size`` of them, the first few in ``steps``.

    ``reason`` names a limit or a resource, of which this run has taken ``used`` of ``most`` by the
    steps ``holders`` (the first few); ``others`` is whether other runs must hold some as well.
    Other reasons have a ``most`` of 0.
    """

    reason: str
    size: int
    steps: tuple[int, ...]
    used: float = 0
    most: float = 0
    holders: tuple[int, ...] = ()
    others: bool = False


class Waiting(NamedTuple):
    """The steps that run, as far as is known, in the order in which they were submitted, and those
    that wait.
    """

    running: tuple[int, ...]
    queues: tuple[Queue, ...]


def who_waits(
    placement: Placement,
    in_the_way: Sequence[Sequence[tuple[Obstacle, float, float]]],
    batches: Iterable[Under],
    ready: Mapping[int, tuple[int, Sequence[int]]],
    blocked_by: Mapping[int, int],
    delayed: Sequence[int],
) -> Waiting:
    """Return who runs and who waits for what; ``in_the_way`` are the ``obstacles`` of each class.

    ``batches`` are with the engine, in the order in which they were submitted; Ray starts them in
    that order as far as limits and resources let it, so who runs is worked out by them. Batches
    that count in a limit of the cluster, which other runs may hold, say so when they begin.
    ``ready`` tells how many steps of a class are ready and a few of them; ``blocked_by`` is the
    driver's limit that keeps a class back; ``delayed`` steps wait for their next try.
    """
    count = _Count(placement, in_the_way)
    running = []
    waiting: dict[Obstacle, list[int]] = {}
    behind: dict[int, Obstacle] = {}  # by class: nothing of it overtakes what waits already
    for under in batches:
        obstacle = behind.get(under.number)
        if obstacle is None:
            obstacle = count.start(under)
        if obstacle is None:
            running.append(under.step)
        else:
            behind[under.number] = obstacle
            waiting.setdefault(obstacle, []).append(under.step)
    more: dict[Obstacle, int] = {}
    for number, (size, steps) in ready.items():
        obstacle = blocked_by.get(number, behind.get(number))
        if obstacle is None:
            obstacle = count.in_the_way_of(number)
        waiting.setdefault(obstacle, []).extend(steps)
        more[obstacle] = more.get(obstacle, 0) + size - len(steps)
    queues = [count.queue(each, steps, more.get(each, 0)) for each, steps in waiting.items()]
    if delayed:
        queues.append(Queue("the delay before the next try", len(delayed), tuple(delayed[:SHOWN])))
    return Waiting(tuple(running), tuple(queues))


class _Count:
    """Limits and resources, as they fill up."""

    def __init__(
        self, placement: Placement, in_the_way: Sequence[Sequence[tuple[Obstacle, float, float]]]
    ) -> None:
        self._placement = placement
        self._in_the_way = in_the_way
        self._used: dict[Obstacle, float] = {}
        self._holders: dict[Obstacle, list[int]] = {}
        self._held_by_others: set[Obstacle] = set()

    def start(self, under: Under) -> Obstacle | None:
        """Return what keeps a batch from running, or count it as running and return None."""
        if not under.has_begun:
            obstacle = self._full(under.number)
            if obstacle is None and under.waited > _PATIENCE:
                obstacle = self._shared(under.number)
            if obstacle is not None:
                return obstacle
        for each, amount, _ in self._in_the_way[under.number]:
            self._used[each] = self._used.get(each, 0) + amount
            self._holders.setdefault(each, []).append(under.step)
        return None

    def in_the_way_of(self, number: int) -> Obstacle:
        """Return what keeps ready steps of a class from being submitted where no limit of the
        driver's does.
        """
        obstacle = self._full(number)
        if obstacle is None:
            obstacle = self._shared(number)
        return "CPU" if obstacle is None else obstacle

    def _full(self, number: int) -> Obstacle | None:
        """Return the first obstacle of a class that is too full for another of its steps."""
        for obstacle, amount, most in self._in_the_way[number]:
            if self._used.get(obstacle, 0) + amount > most + _EXACTLY:
                return obstacle
        return None

    def _shared(self, number: int) -> Obstacle | None:
        """Return a limit of the cluster that a class counts in, which other runs must hold if
        nothing else is full.
        """
        place = self._placement.cluster_limit_of(number)
        if place is not None:
            self._held_by_others.add(place)
        return place

    def queue(self, obstacle: Obstacle, steps: Sequence[int], more: int) -> Queue:
        """Return the queue of those that wait for one thing."""
        placement = self._placement
        if isinstance(obstacle, int):
            name, most = placement.limits[obstacle].name, float(placement.limits[obstacle].most)
        else:
            name, most = obstacle, placement.resource_totals.get(obstacle, 0.0)
        holders = tuple(self._holders.get(obstacle, ())[:SHOWN])
        used = self._used.get(obstacle, 0.0)
        others = obstacle in self._held_by_others
        return Queue(name, len(steps) + more, tuple(steps[:SHOWN]), used, most, holders, others)

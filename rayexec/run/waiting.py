"""What steps wait for while a run goes on, as far as the driver can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rayexec.plan.holding import MAX_CONCURRENT, Holder, Holding, StepClass

__all__ = ["SHOWN", "Obstacle", "Queue", "Under", "Waiting", "obstacles", "who_waits"]

SHOWN = 8  # steps and holders that a queue names
_EXACTLY = 1e-6  # amounts are sums of fractions of 1e-4

# What is in the way of a step: a limit by its place, or a resource by its name.
Obstacle: TypeAlias = int | str


def obstacles(holding: Holding, known: StepClass) -> list[tuple[Obstacle, float, float]]:
    """Return what may keep steps of a class waiting, as (obstacle, how much a step takes, how much there is).

    The most particular comes first: limits of tags and pools, then resources, then ``max_concurrent``.
    """
    limits = holding.limits
    found: list[tuple[Obstacle, float, float]] = [
        (place, weight, limits[place].most) for place, weight in reversed(known.limits)
    ]
    everywhere = [each for each in found if limits[int(each[0])].name == MAX_CONCURRENT]
    declared = {limit.resource for limit in limits}
    resources = [
        (name, amount, holding.totals[name])
        for name, amount in known.request.amounts().items()
        if name in holding.totals and name not in declared
    ]
    return [*(each for each in found if each not in everywhere), *resources, *everywhere]


class Under(NamedTuple):
    """A slice that the engine has: its class, the step that is next in it, and whether it is known to have begun."""

    number: int
    step: int
    has_begun: bool


class Queue(NamedTuple):
    """Steps that wait for the same: ``size`` of them, the first few in ``steps``.

    ``reason`` names a limit or a resource, of which ``used`` of ``most`` are taken, by the steps ``holders`` (the first
    few) of this run or else by other runs; other reasons have a ``most`` of 0.
    """

    reason: str
    size: int
    steps: tuple[int, ...]
    used: float = 0
    most: float = 0
    holders: tuple[int, ...] = ()


class Waiting(NamedTuple):
    """The steps that run, as far as is known, in the order in which they were submitted, and those that wait."""

    running: tuple[int, ...]
    queues: tuple[Queue, ...]


def who_waits(
    holding: Holding,
    slices: Iterable[Under],
    ready: Mapping[int, tuple[int, Sequence[int]]],
    blocked_by: Mapping[int, int],
    delayed: Sequence[int],
) -> Waiting:
    """Return who runs and who waits for what.

    ``slices`` are with the engine, in the order in which they were submitted; Ray starts them in that order as far as
    limits and resources let it, so who runs is worked out by them. Only of slices that count in a limit of the cluster,
    which other runs may hold, is it known. ``ready`` tells how many steps of a class are ready and a few of them;
    ``blocked_by`` is the driver's limit that keeps a class back; ``delayed`` steps wait for their next try.
    """
    count = _Count(holding)
    running = []
    waiting: dict[Obstacle, list[int]] = {}
    behind: dict[int, Obstacle] = {}  # by class: nothing of it overtakes what waits already
    for under in slices:
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
        obstacle = blocked_by.get(number, behind.get(number, "CPU"))
        waiting.setdefault(obstacle, []).extend(steps)
        more[obstacle] = more.get(obstacle, 0) + size - len(steps)
    queues = [count.queue(each, steps, more.get(each, 0)) for each, steps in waiting.items()]
    if delayed:
        queues.append(Queue("the delay before the next try", len(delayed), tuple(delayed[:SHOWN])))
    return Waiting(tuple(running), tuple(queues))


class _Count:
    """Limits and resources, as they fill up."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._used: dict[Obstacle, float] = {}
        self._holders: dict[Obstacle, list[int]] = {}

    def start(self, under: Under) -> Obstacle | None:
        """Return what keeps a slice from running, or count it as running and return None."""
        holding = self._holding
        known = holding.classes[under.number]
        wanted = obstacles(holding, known)
        if not under.has_begun:
            for obstacle, amount, most in wanted:
                if self._used.get(obstacle, 0) + amount > most + _EXACTLY:
                    return obstacle
            shared = [place for place, _ in known.limits if holding.limits[place].holder is Holder.CLUSTER]
            if shared:  # it would have said so if it had begun
                return shared[0]
        for obstacle, amount, _ in wanted:
            self._used[obstacle] = self._used.get(obstacle, 0) + amount
            self._holders.setdefault(obstacle, []).append(under.step)
        return None

    def queue(self, obstacle: Obstacle, steps: Sequence[int], more: int) -> Queue:
        """Return the queue of those that wait for one thing."""
        holding = self._holding
        if isinstance(obstacle, int):
            name, most = holding.limits[obstacle].name, float(holding.limits[obstacle].most)
        else:
            name, most = obstacle, holding.totals.get(obstacle, 0.0)
        holders = tuple(self._holders.get(obstacle, ())[:SHOWN])
        used = self._used.get(obstacle, 0.0)
        return Queue(name, len(steps) + more, tuple(steps[:SHOWN]), used, most, holders)

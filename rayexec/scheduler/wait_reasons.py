"""Wait reasons of a run under way, as far as the driver can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rayexec.placement.limits import Demand, LimitKey, Placement
from rayexec.scheduler.messages import StepStatus

__all__ = ["SHOWN", "BatchProgress", "Queue", "Waiting", "WaitingRetry", "who_waits"]

# The steps and the holders that a queue names.
SHOWN = 8
# The time that a worker may take to start, in seconds.
_WORKER_START_S = 1.0
# Amounts are sums of fractions of 1e-4.
_TOLERANCE = 1e-6


class BatchProgress(NamedTuple):
    """A batch in flight."""

    #: The scheduling class of its steps.
    class_id: int
    #: Its first step without a report.
    step: int
    #: Whether the engine reported that a worker began it.
    has_begun: bool
    #: The seconds since its submission.
    age: float
    #: Whether the step is the first of the batch, so that it may run as long as the batch.
    is_first: bool = False


class Queue(NamedTuple):
    """Steps that wait for one thing."""

    #: The name of a limit or a resource, or another reason.
    reason: str
    #: The number of its steps.
    size: int
    #: The first few of its steps.
    steps: tuple[int, ...]
    #: The amount that steps of this run hold.
    used: float = 0
    #: The amount that there is; 0 for a reason that is neither limit nor resource.
    most: float = 0
    #: The first few of the steps that hold it.
    holders: tuple[int, ...] = ()
    #: Whether other runs must hold some as well.
    others: bool = False


class WaitingRetry(NamedTuple):
    """A step before its next try."""

    step: int
    #: The seconds until then.
    seconds: float


class Waiting(NamedTuple):
    """The running steps, in the order of their submission, and the waiting ones."""

    #: The steps that run, as far as the driver can tell.
    running: tuple[int, ...]
    #: The others, by what they wait for.
    queues: tuple[Queue, ...]
    #: The first few steps before a further try, the soonest first.
    retries: tuple[WaitingRetry, ...] = ()
    #: Seconds that running steps have had at most, of those that their batch began with.
    ages: Mapping[int, float] = {}
    #: The number of batches that can run at once.
    slots: int = 0
    #: The status of each step, as it changes.
    status: Sequence[StepStatus] = ()
    #: The numbers of steps that are over, and of failed ones among them.
    over: int = 0
    failed: int = 0


def who_waits(
    placement: Placement,
    demands: Sequence[Sequence[Demand]],
    batches: Iterable[BatchProgress],
    ready: Mapping[int, tuple[int, Sequence[int]]],
    blocked_by: Mapping[int, int],
    delayed: Sequence[int],
) -> Waiting:
    """Return the running steps, and the reasons of the others to wait.

    ``demands``, ``ready`` and ``blocked_by`` are by scheduling class. ``batches`` are in the order
    of their submission: Ray starts them in that order as far as limits and resources let it, so
    the first ones run. ``ready`` has the number of ready steps and a few of them, and
    ``blocked_by`` the full driver-held limit. ``delayed`` steps wait for a retry.
    """
    occupancy = _Occupancy(placement, demands)
    running = []
    waiting: dict[LimitKey, list[int]] = {}
    # By scheduling class: no batch overtakes an earlier one of its class.
    behind: dict[int, LimitKey] = {}
    for batch in batches:
        obstacle = behind.get(batch.class_id)
        if obstacle is None:
            obstacle = occupancy.start(batch)
        if obstacle is None:
            running.append(batch.step)
        else:
            behind[batch.class_id] = obstacle
            waiting.setdefault(obstacle, []).append(batch.step)
    unnamed: dict[LimitKey, int] = {}
    for class_id, (size, steps) in ready.items():
        obstacle = blocked_by.get(class_id, behind.get(class_id))
        if obstacle is None:
            obstacle = occupancy.obstacle_of(class_id)
        waiting.setdefault(obstacle, []).extend(steps)
        unnamed[obstacle] = unnamed.get(obstacle, 0) + size - len(steps)
    queues = [occupancy.queue(key, steps, unnamed.get(key, 0)) for key, steps in waiting.items()]
    if delayed:
        queues.append(Queue("the delay before the next try", len(delayed), tuple(delayed[:SHOWN])))
    return Waiting(tuple(running), tuple(queues))


class _Occupancy:
    """Limits and resources, as the running batches fill them.

    The ledger of limits counts batches from their submission. Here a batch counts only once it
    probably runs.
    """

    def __init__(self, placement: Placement, demands: Sequence[Sequence[Demand]]) -> None:
        self._placement = placement
        self._demands = demands
        self._used: dict[LimitKey, float] = {}
        self._holders: dict[LimitKey, list[int]] = {}
        self._held_by_others: set[LimitKey] = set()

    def start(self, batch: BatchProgress) -> LimitKey | None:
        """Count a batch as running, or return the full limit or resource in its way."""
        if not batch.has_begun:
            obstacle = self._first_full(batch.class_id)
            if obstacle is None and batch.age > _WORKER_START_S:
                obstacle = self._cluster_limit_of(batch.class_id)
            if obstacle is not None:
                return obstacle
        for demand in self._demands[batch.class_id]:
            key = demand.key
            self._used[key] = self._used.get(key, 0) + demand.amount
            self._holders.setdefault(key, []).append(batch.step)
        return None

    def obstacle_of(self, class_id: int) -> LimitKey:
        """Return the limit or resource that a scheduling class's ready steps wait for."""
        obstacle = self._first_full(class_id)
        if obstacle is None:
            obstacle = self._cluster_limit_of(class_id)
        return "CPU" if obstacle is None else obstacle

    def _first_full(self, class_id: int) -> LimitKey | None:
        for key, amount, most in self._demands[class_id]:
            if self._used.get(key, 0) + amount > most + _TOLERANCE:
                return key
        return None

    def _cluster_limit_of(self, class_id: int) -> int | None:
        """Return a limit of the cluster; other runs must hold it, since nothing else is full."""
        limit = self._placement.cluster_limit_of(class_id)
        if limit is not None:
            self._held_by_others.add(limit)
        return limit

    def queue(self, key: LimitKey, steps: Sequence[int], unnamed: int) -> Queue:
        """Return the queue of steps behind one limit or resource."""
        placement = self._placement
        if isinstance(key, int):
            name, most = placement.limits[key].name, float(placement.limits[key].most)
        else:
            name, most = key, placement.resource_totals.get(key, 0.0)
        holders = tuple(self._holders.get(key, ())[:SHOWN])
        used = self._used.get(key, 0.0)
        others = key in self._held_by_others
        return Queue(name, len(steps) + unnamed, tuple(steps[:SHOWN]), used, most, holders, others)

"""What a run on Ray and the runs beside it hold of the cluster's limits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from rayexec.engine.ray.driver.nested_runs import waits_for_own
from rayexec.engine.ray.driver.submitted_batch import SubmittedBatch
from rayexec.placement.limits import LimitHolder, Placement
from rayexec.plan.base import Plan
from rayexec.run.spec import Batch

__all__ = ["SharedLimits"]

_LAG = 0.5  # seconds after which Ray is taken to know what is free


class SharedLimits:
    """Tells what Ray knows of the limits that it holds; ``flights`` are the run's batches under
    way, as they change.
    """

    def __init__(
        self, plan: Plan, placement: Placement, flights: Mapping[int, SubmittedBatch]
    ) -> None:
        self._plan = plan
        self._placement = placement
        self._in_flight = flights
        # Of batches that say when they begin: those that have, and which ended lately: when, and of
        # which class.
        self._begun: set[int] = set()
        self._ended: deque[tuple[float, int]] = deque()
        # What was warned of.
        self._warned: set[tuple[int, str]] = set()

    def begun(self, batch_id: int) -> None:
        """Take in that a batch under way has begun."""
        self._begun.add(batch_id)

    def ended(self, work: Batch) -> None:
        """Take in that a batch is over."""
        if work.id in self._begun:
            self._begun.discard(work.id)
            self._ended.append((time.monotonic(), self._placement.class_of[work.calls[0].step]))

    def others(self) -> Mapping[int, int]:
        """Return how much other runs hold of the cluster's limits, by their places; as Ray knew it
        a moment ago.
        """
        import ray

        shared = [
            (place, limit)
            for place, limit in enumerate(self._placement.limits)
            if limit.holder is LimitHolder.CLUSTER
        ]
        if not shared:
            return {}
        # Ray hears of what ended only after a while, so that counts as held by this run for as
        # long.
        now = time.monotonic()
        while self._ended and now - self._ended[0][0] > _LAG:
            self._ended.popleft()
        classes = [
            self._placement.class_of[flight.work.calls[0].step]
            for flight in self._in_flight.values()
        ]
        own = self._placement.count_held([*classes, *(class_id for _, class_id in self._ended)])
        free = ray.available_resources()
        return {
            place: max(0, limit.most - int(free.get(str(limit.resource), 0)) - own.get(place, 0))
            for place, limit in shared
        }

    def warnings(self) -> list[str]:
        """Return which steps wait for Ray tasks of their own that wait for a limit which this run
        itself holds.
        """
        placement, plan = self._placement, self._plan
        parents = {}
        for batch_id in self._begun & self._in_flight.keys():
            flight = self._in_flight[batch_id]
            step = flight.step
            parents[flight.refs[0].task_id().hex()] = step
        held = placement.count_held([placement.class_of[step] for step in parents.values()])
        limits = [(placement.limits[place], used) for place, used in held.items()]
        shared = {
            str(limit.resource): (limit, used)
            for limit, used in limits
            if limit.holder is LimitHolder.CLUSTER
        }
        found = []
        for step, resource, amount in waits_for_own(parents, shared) if shared else ():
            limit, used = shared[resource]
            if limit.most - used < amount and (step, resource) not in self._warned:
                self._warned.add((step, resource))
                found.append(
                    f"step {plan.steps[step].key!r} started a Ray task that waits for {amount:g} "
                    f"{resource}, of which "
                    f"this run's own steps hold {used} of {limit.most}: if the step waits for "
                    f"that task, neither will "
                    "ever end."
                )
        return found

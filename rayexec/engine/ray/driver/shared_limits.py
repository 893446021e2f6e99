"""Shares of this run and of others in the limits of a cluster."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from rayexec.cluster import head_answers
from rayexec.engine.ray.driver.nested_runs import waits_for_own
from rayexec.engine.ray.driver.submitted_batch import SubmittedBatch
from rayexec.placement.limits import LimitHolder, Placement
from rayexec.plan.base import Plan
from rayexec.run.spec import Batch

__all__ = ["SharedLimits"]

_RAY_LAG_S = 0.5  # after the end of a task; Ray's free resources have it then


class SharedLimits:
    """Compares Ray's free resources with this run's own share.

    ``in_flight`` has the run's batches by id, and changes with them.
    """

    def __init__(
        self, plan: Plan, placement: Placement, in_flight: Mapping[int, SubmittedBatch]
    ) -> None:
        self._plan = plan
        self._placement = placement
        self._in_flight = in_flight
        # Batches with a report of their start. Those of a class with a shared limit send one.
        self._begun: set[int] = set()
        # Time of the end and scheduling class of such batches, lately.
        self._ended: deque[tuple[float, int]] = deque()
        # Steps and resources with a warning.
        self._warned: set[tuple[int, str]] = set()

    def begun(self, batch_id: int) -> None:
        """Note the start of a batch."""
        self._begun.add(batch_id)

    def ended(self, work: Batch) -> None:
        """Note the end of a batch."""
        if work.id in self._begun:
            self._begun.discard(work.id)
            self._ended.append((time.monotonic(), self._placement.class_of[work.calls[0].step]))

    def others(self) -> Mapping[int, int]:
        """Return the share of other runs in each limit of the cluster, by index; a moment old."""
        import ray

        shared = [
            (index, limit)
            for index, limit in enumerate(self._placement.limits)
            if limit.holder is LimitHolder.CLUSTER
        ]
        if not shared or not head_answers():
            return {}
        # Ray frees the resources of an ended task a while later; the run holds them that long.
        now = time.monotonic()
        while self._ended and now - self._ended[0][0] > _RAY_LAG_S:
            self._ended.popleft()
        classes = [
            self._placement.class_of[batch.work.calls[0].step] for batch in self._in_flight.values()
        ]
        own = self._placement.count_held([*classes, *(class_id for _, class_id in self._ended)])
        free = ray.available_resources()
        return {
            index: max(0, limit.most - int(free.get(str(limit.resource), 0)) - own.get(index, 0))
            for index, limit in shared
        }

    def warnings(self) -> list[str]:
        """Return a warning for each step with a Ray task that waits for a limit of this run."""
        placement, plan = self._placement, self._plan
        parents = {}
        for batch_id in self._begun & self._in_flight.keys():
            batch = self._in_flight[batch_id]
            parents[batch.refs[0].task_id().hex()] = batch.step
        held = placement.count_held([placement.class_of[step] for step in parents.values()])
        limits = [(placement.limits[index], used) for index, used in held.items()]
        shared = {
            str(limit.resource): (limit, used)
            for limit, used in limits
            if limit.holder is LimitHolder.CLUSTER
        }
        warnings = []
        for step, resource, amount in waits_for_own(parents, shared) if shared else ():
            limit, used = shared[resource]
            if limit.most - used < amount and (step, resource) not in self._warned:
                self._warned.add((step, resource))
                warnings.append(
                    f"step {plan.steps[step].key!r} started a Ray task that waits for {amount:g} "
                    f"{resource}, of which this run's own steps hold {used} of {limit.most}: if "
                    "the step waits for that task, neither will ever end."
                )
        return warnings

"""Order of ready steps: by priority, then by long remaining paths, then depth-first.

Depth-first keeps few values alive, and finishes branches rather than levels. But it may start a
long path late, and no later step makes up for that. So paths count by their length relative to the
remaining work of a slot. Two paths within the same eighth of it are equal; near the end, with
little work left, every difference counts (list scheduling by the longest path: Graham, 1969; Hu,
1961).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from rayexec.plan.base import Plan
from rayexec.scheduler.batch_size import DurationEstimate
from rayexec.scheduler.messages import OVER, StepStatus

__all__ = ["Ranking", "rank_steps", "remaining_paths", "starting_order"]

# The parts of a slot's remaining work within which paths are equal.
_PARTS = 8
# The time between two rankings, for each open step. Ranking a step costs about 1.5 µs, so it takes
# a thirtieth of the run's time.
_RANKING_INTERVAL_S = 50e-6
# The least duration of a step in a ranking, since no order makes shorter ones faster.
_LEAST_S = 1e-3


def remaining_paths(plan: Plan, steps: Sequence[int], weights: Sequence[float]) -> dict[int, float]:
    """Return the length of the longest path from each of ``steps`` to an end of the plan.

    ``steps`` are in the order of the plan and include their open successors; ``weights`` are by
    template. Steps of future dynamic outputs count for nothing.
    """
    paths: dict[int, float] = {}
    successors, template_of = plan.successors, plan.template_of
    if plan.mapped_nodes:  # steps that came later are behind their collecting steps
        steps = _successors_last(plan, steps)
    for step in reversed(steps):
        following = successors[step]
        longest = 0.0
        for successor in following:
            # A successor may be over already, where a lost input of it runs again.
            path = paths.get(successor, 0.0)
            if path > longest:
                longest = path
        paths[step] = longest + weights[template_of[step]]
    return paths


def _successors_last(plan: Plan, steps: Sequence[int]) -> list[int]:
    """Return ``steps`` in a topological order."""
    waiting = dict.fromkeys(steps, 0)
    for step in steps:
        for successor in plan.successors[step]:
            if successor in waiting:
                waiting[successor] += 1
    order = [step for step, count in waiting.items() if count == 0]
    for step in order:  # the list grows meanwhile
        for successor in plan.successors[step]:
            if successor in waiting:
                waiting[successor] -= 1
                if waiting[successor] == 0:
                    order.append(successor)
    return order


def rank_steps(plan: Plan, steps: Sequence[int], weights: Sequence[float], slots: int) -> list[int]:
    """Return open ``steps`` in the order of their start, for ``slots`` that run at once.

    ``weights`` are the durations of each template's steps, in any unit.
    """
    template_of, depth, priorities = plan.template_of, plan.depth_order, plan.priorities
    paths = remaining_paths(plan, steps, weights)
    share = sum([weights[template_of[step]] for step in steps]) / (max(1, slots) * _PARTS) or 1.0
    urgency = {step: -int(path / share) for step, path in paths.items()}
    if priorities is None:
        return sorted(steps, key=lambda step: (urgency[step], depth[step]))
    return sorted(steps, key=lambda step: (-priorities[step], urgency[step], depth[step]))


def starting_order(plan: Plan, slots: int) -> list[int]:
    """Return all steps in the order of their start before any duration is known."""
    order = plan.starting_orders.get(slots)
    if order is None:
        order = rank_steps(plan, range(len(plan.steps)), [1.0] * len(plan.templates), slots)
        plan.starting_orders[slots] = order
    return order


class Ranking:
    """Decides when a new order is worth its cost, and makes it."""

    def __init__(self, plan: Plan, slots: int) -> None:
        self._plan = plan
        self._slots = slots
        self._weights: list[float] = [1.0] * len(plan.templates)
        # The steps that may be open, in the order of the plan; later ones and repeated ones behind.
        self._steps = dict.fromkeys(range(len(plan.steps)))
        self._ranked_at: float | None = None

    def add(self, steps: Sequence[int]) -> None:
        """Rank new steps of the plan, too."""
        self._steps.update(dict.fromkeys(steps))

    def run_again(self, steps: Collection[int]) -> None:
        """Rank steps once more after they were over; the cost depends on these steps alone."""
        for step in sorted(steps):
            self._steps.pop(step, None)
            self._steps[step] = None

    def anew(
        self,
        now: float,
        estimates: Sequence[DurationEstimate],
        status: Sequence[StepStatus],
        still_open: int,
    ) -> list[int] | None:
        """Return the open steps in a new order, None to keep the present one.

        A new order comes once half of the steps are over, or durations differ from the estimates of
        the last order.
        """
        if self._ranked_at is None:
            self._ranked_at = now
        if now - self._ranked_at < _RANKING_INTERVAL_S * still_open:
            return None
        self._ranked_at = now
        weights = _weights(estimates)
        if weights == self._weights and still_open > len(self._steps) // 2:
            return None
        self._weights = weights
        steps = [step for step in self._steps if status[step] not in OVER]
        self._steps = dict.fromkeys(steps)
        return rank_steps(self._plan, steps, weights, self._slots)


def _weights(estimates: Sequence[DurationEstimate]) -> list[float]:
    """Return the duration of each op's steps, the mean of all for an unknown one.

    Durations are powers of two, so small changes do not count.
    """
    observed = [max(_LEAST_S, estimate.seconds) for estimate in estimates if estimate.count]
    usual = sum(observed) / len(observed) if observed else _LEAST_S
    times = [max(_LEAST_S, estimate.seconds) if estimate.count else usual for estimate in estimates]
    return [2.0 ** round(math.log2(seconds)) for seconds in times]

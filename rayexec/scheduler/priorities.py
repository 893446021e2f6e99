"""In which order ready steps start: priority, then long remaining paths, then depth-first.

Depth-first keeps few values alive and ends what was begun, so that fan-outs do not run level by
level. It may start a long path late, which no later step can make up for. So a remaining path
counts for as much as it is long beside what each slot still has to do: paths within the same eighth
of that are equal, and at the end, when little is left, every difference counts (list scheduling by
the longest path: Graham, 1969; Hu, 1961).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from rayexec.plan.base import Plan
from rayexec.scheduler.batch_size import DurationEstimate
from rayexec.scheduler.messages import OVER, StepStatus

__all__ = ["Ranking", "rank_steps", "remaining_paths", "starting_order"]

_SHARE = 8
# Ranking a step costs about 1.5 µs; it may take a thirtieth of the run's time.
_COST = 50e-6
_LEAST = (
    1e-3  # seconds; steps shorter than that count as that long, since no order makes them faster
)


def remaining_paths(plan: Plan, steps: Sequence[int], weights: Sequence[float]) -> dict[int, float]:
    """Return the longest path from each of ``steps`` to an end of the plan, itself included.

    ``steps`` are in the order of the plan and hold all that follows any of them and is not over;
    ``weights`` are by template. What dynamic outputs are still to bring is not counted.
    """
    paths: dict[int, float] = {}
    successors, template_of = plan.successors, plan.template_of
    if plan.mapped_nodes:  # steps that came later stand behind what collects them
        steps = _successors_last(plan, steps)
    for step in reversed(steps):
        following = successors[step]
        longest = 0.0
        for each in following:
            path = paths.get(each, 0.0)  # one that is over while what it took is made again
            if path > longest:
                longest = path
        paths[step] = longest + weights[template_of[step]]
    return paths


def _successors_last(plan: Plan, steps: Sequence[int]) -> list[int]:
    """Return ``steps`` in an order in which each stands before those that follow it."""
    waiting = dict.fromkeys(steps, 0)
    for step in steps:
        for each in plan.successors[step]:
            if each in waiting:
                waiting[each] += 1
    order = [step for step, count in waiting.items() if count == 0]
    for step in order:  # it grows meanwhile
        for each in plan.successors[step]:
            if each in waiting:
                waiting[each] -= 1
                if waiting[each] == 0:
                    order.append(each)
    return order


def rank_steps(plan: Plan, steps: Sequence[int], weights: Sequence[float], slots: int) -> list[int]:
    """Return ``steps``, which are not over, in the order in which they start once they are ready.

    ``weights`` are what a step of each template takes, in any unit; ``slots`` is how many run at
    once.
    """
    template_of, depth, priorities = plan.template_of, plan.depth_order, plan.priorities
    paths = remaining_paths(plan, steps, weights)
    share = sum([weights[template_of[step]] for step in steps]) / (max(1, slots) * _SHARE) or 1.0
    urgency = {step: -int(path / share) for step, path in paths.items()}
    if priorities is None:
        return sorted(steps, key=lambda step: (urgency[step], depth[step]))
    return sorted(steps, key=lambda step: (-priorities[step], urgency[step], depth[step]))


def starting_order(plan: Plan, slots: int) -> list[int]:
    """Return all steps in the order in which they start while nothing is known of how long they
    take.
    """
    order = plan.starting_orders.get(slots)
    if order is None:
        order = rank_steps(plan, range(len(plan.steps)), [1.0] * len(plan.templates), slots)
        plan.starting_orders[slots] = order
    return order


class Ranking:
    """Decides when the order of a run is worth making anew, and makes it."""

    def __init__(self, plan: Plan, slots: int) -> None:
        self._plan = plan
        self._slots = slots
        self._weights: list[float] = [1.0] * len(plan.templates)
        # The steps that may be open, in the order of the plan; later ones and repeated ones behind.
        self._steps = dict.fromkeys(range(len(plan.steps)))
        self._ranked_at: float | None = None

    def add(self, steps: Sequence[int]) -> None:
        """Rank steps, too, that the plan grew by."""
        self._steps.update(dict.fromkeys(steps))

    def run_again(self, steps: Collection[int]) -> None:
        """Rank steps once more that were over; the cost does not depend on the other steps."""
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
        """Return the open steps in the order in which they shall start from now on, None where it
        stays as it is.

        It changes where half of the steps are over, or ops turned out to take other times than was
        thought.
        """
        if self._ranked_at is None:
            self._ranked_at = now
        if now - self._ranked_at < _COST * still_open:
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
    """Return what each op takes, as powers of two, so that small changes count for nothing; the
    mean where not seen.
    """
    seen = [max(_LEAST, estimate.seconds) for estimate in estimates if estimate.count]
    usual = sum(seen) / len(seen) if seen else _LEAST
    times = [max(_LEAST, estimate.seconds) if estimate.count else usual for estimate in estimates]
    return [2.0 ** round(math.log2(each)) for each in times]

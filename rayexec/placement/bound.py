"""Lower bounds of a run's makespan: by its longest path, its limits and its resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan

__all__ = ["Bound", "bounds", "longest_path"]


class Bound(NamedTuple):
    """A lower bound of a makespan."""

    #: The least time of any run, in seconds.
    seconds: float
    #: The cause, in words.
    reason: str


def longest_path(plan: Plan, seconds: Sequence[float] | None = None) -> list[int]:
    """Return the steps of the longest path, by ``seconds`` of each step or else by their number."""
    if not plan.steps:
        return []
    ahead = [0.0] * len(plan.steps)
    following = [-1] * len(plan.steps)
    for step in range(len(plan.steps) - 1, -1, -1):
        for successor in plan.successors[step]:
            if following[step] < 0 or ahead[successor] > ahead[following[step]]:
                following[step] = successor
        own = 1.0 if seconds is None else seconds[step]
        ahead[step] = own + (ahead[following[step]] if following[step] >= 0 else 0.0)
    step = max(range(len(ahead)), key=ahead.__getitem__)
    path = []
    while step >= 0:
        path.append(step)
        step = following[step]
    return path


def bounds(plan: Plan, placement: Placement, seconds: Sequence[float]) -> list[Bound]:
    """Return lower bounds of the makespan, the highest first; ``seconds`` are those of each step.

    They are the longest path; for each limit, the weighted seconds of its steps over the limit; and
    likewise for each resource (Graham, 1969).
    """
    longest = sum(seconds[step] for step in longest_path(plan, seconds))
    lower_bounds = [Bound(longest, "the longest path")]
    by_class = [0.0] * len(placement.classes)
    for class_id, duration in zip(placement.class_of, seconds, strict=True):
        by_class[class_id] += duration
    for index, limit in enumerate(placement.limits):
        work = sum(
            share.weight * duration
            for one, duration in zip(placement.classes, by_class, strict=True)
            for share in one.limits
            if share.limit == index
        )
        lower_bounds.append(Bound(work / limit.most, f"{limit.name} {limit.most}"))
    declared = {limit.resource for limit in placement.limits}
    for name, total in placement.resource_totals.items():
        work = sum(
            one.request.amounts().get(name, 0) * duration
            for one, duration in zip(placement.classes, by_class, strict=True)
        )
        if total and name not in declared:
            lower_bounds.append(Bound(work / total, f"{total:g} {name}"))
    return sorted(lower_bounds, reverse=True)

"""How long a run must take at least: its longest path, and what its limits and resources let
through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan

__all__ = ["Bound", "bounds", "longest_path"]


class Bound(NamedTuple):
    """No run takes less than ``seconds``, because of ``reason``."""

    seconds: float
    reason: str


def longest_path(plan: Plan, seconds: Sequence[float] | None = None) -> list[int]:
    """Return the steps of the path that takes longest, or without ``seconds`` (by step) has the
    most steps.
    """
    if not plan.steps:
        return []
    ahead = [0.0] * len(plan.steps)
    following = [-1] * len(plan.steps)
    for step in range(len(plan.steps) - 1, -1, -1):
        for each in plan.successors[step]:
            if following[step] < 0 or ahead[each] > ahead[following[step]]:
                following[step] = each
        own = 1.0 if seconds is None else seconds[step]
        ahead[step] = own + (ahead[following[step]] if following[step] >= 0 else 0.0)
    step = max(range(len(ahead)), key=ahead.__getitem__)
    path = []
    while step >= 0:
        path.append(step)
        step = following[step]
    return path


def bounds(plan: Plan, placement: Placement, seconds: Sequence[float]) -> list[Bound]:
    """Return what the makespan cannot be less than where each step takes ``seconds``, the strictest
    first.

    Each is a lower bound by itself: the longest path; for a limit the seconds of the steps that
    count in it, by weight, over the limit; for a resource likewise (Graham, 1969).
    """
    found = [Bound(sum(seconds[step] for step in longest_path(plan, seconds)), "the longest path")]
    by_class = [0.0] * len(placement.classes)
    for number, each in zip(placement.class_of, seconds, strict=True):
        by_class[number] += each
    for place, limit in enumerate(placement.limits):
        taken = sum(
            weight * by_class[number]
            for number, known in enumerate(placement.classes)
            for counted, weight in known.limits
            if counted == place
        )
        found.append(Bound(taken / limit.most, f"{limit.name} {limit.most}"))
    declared = {limit.resource for limit in placement.limits}
    for name, total in placement.resource_totals.items():
        taken = sum(
            known.request.amounts().get(name, 0) * by_class[number]
            for number, known in enumerate(placement.classes)
        )
        if total and name not in declared:
            found.append(Bound(taken / total, f"{total:g} {name}"))
    return sorted(found, reverse=True)

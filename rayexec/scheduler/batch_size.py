"""How many steps go into a batch, and how long it may take, decided by what this run has seen of
each op.

An op that has not been seen gets batches of one step, one whose steps are long likewise, or a few
while there are plenty; in between a batch holds what fills the budget, but never more than its
share of what is ready, so that every slot has work and the last batches of a fan-out end together
(guided self-scheduling: Polychronopoulos and Kuck, 1987).
"""

from __future__ import annotations

import math

from rayexec.run.spec import BATCH_BUDGET_S

__all__ = ["MAX_CALLS", "WORTH", "DurationEstimate", "batch_budget", "batch_size", "window_size"]

MAX_CALLS = 4096

# A step that cannot be told from nothing still costs its worker about this much (seconds).
_FLOOR = 10e-6
# What a batch costs on its way to a worker and back (seconds).
WORTH = 2e-3
# Steps of up to this many seconds go in groups while there are plenty: beside longer ones that cost
# is nothing.
_LONG = 1.0
_PLENTY = 4  # ready steps for each slot
_GROUP = 4  # steps
_DEMAND = 128  # batches that an autoscaler gets to see waiting
_UNSEEN = 16  # of them, while nobody knows how long the steps are
_SOON = 2.0  # seconds of work for each slot that are done before an autoscaler has looked
# What a group may take beside what its steps but the last are expected to, before the others go to
# another worker.
_PATIENCE = 1.5


class DurationEstimate:
    """The time that the steps of one op take in this run, in seconds: the mean, leaning to the
    recent.
    """

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def observe(self, seconds: float, count: int = 1) -> None:
        """Take in that ``count`` steps took ``seconds`` together."""
        self.count += count
        self.seconds += (max(0.0, seconds) / count - self.seconds) * min(
            1.0, count / min(self.count, 64)
        )


def batch_size(
    estimate: DurationEstimate, ready: int, slots: int, budget: float = BATCH_BUDGET_S
) -> int:
    """Return how many of ``ready`` steps of one op to put into the next batch for one of ``slots``
    slots.
    """
    slots = max(1, slots)
    if estimate.count == 0:
        return 1
    if estimate.seconds >= budget:
        # Each step but the first saves its worker a wait; while others are ready, nobody misses
        # them.
        return (
            min(_GROUP, ready // (2 * slots))
            if estimate.seconds < _LONG and ready >= _PLENTY * slots
            else 1
        )
    seconds = max(estimate.seconds, _FLOOR)
    # A batch of less than it costs itself would spread the work thinner than is worth it.
    share = max(math.ceil(ready / slots), int(WORTH / seconds))
    # What little is known should not decide about many: grow with what has been seen.
    return max(1, min(ready, int(budget / seconds), share, 8 * estimate.count, MAX_CALLS))


def window_size(
    estimate: DurationEstimate, slots: int, *, grows: bool, scales: bool = False, ready: int = 0
) -> int:
    """Return how many batches of one lane to have with the engine at a time, where its steps are of
    this pace.

    Twice the slots, so that the successor of each running batch is at hand when that ends. Where
    the cluster may grow, long steps are let queue further. Where an autoscaler ``scales`` it, which
    goes by what waits, so are short ones of which enough are ``ready``, and a few of an op that has
    not been seen.
    """
    slots = max(1, slots)
    if grows and (
        estimate.seconds >= BATCH_BUDGET_S or (scales and ready * estimate.seconds >= _SOON * slots)
    ):
        return slots + max(slots, _DEMAND)
    return max(2 * slots, _UNSEEN) if grows and scales and estimate.count == 0 else 2 * slots


def batch_budget(estimate: DurationEstimate, calls: int) -> float:
    """Return the seconds that a batch of so many calls may take whose first step is of this pace."""
    return (
        BATCH_BUDGET_S
        if estimate.seconds < BATCH_BUDGET_S
        else max(BATCH_BUDGET_S, _PATIENCE * estimate.seconds * (calls - 1))
    )

"""Size and time budget of batches, by the observed durations of each op.

An op of unknown duration gets batches of one step. So does one with long steps, or of a few steps
while plenty are ready. In between a batch fills the budget, but takes no more than its share of the
ready steps: then every slot has work, and the last batches of a fan-out end together (guided
self-scheduling: Polychronopoulos and Kuck, 1987).
"""

from __future__ import annotations

import math

from rayexec.run.spec import BATCH_BUDGET_S

__all__ = [
    "BATCH_COST_S",
    "MAX_CALLS",
    "DurationEstimate",
    "batch_budget",
    "batch_size",
    "window_size",
]

MAX_CALLS = 4096

# The least duration of a step; faster ones still cost their worker about as much.
_FLOOR_S = 10e-6
# The cost of a batch, there and back.
BATCH_COST_S = 2e-3
# The duration of steps from which they go alone. Shorter ones go in groups while there are plenty:
# a longer wait for the rest of the group costs little beside them.
_LONG_S = 1.0
# The ready steps for each slot that are plenty.
_PLENTY = 4
# The steps of a group.
_GROUP = 4
# The waiting batches that an autoscaler gets to see.
_DEMAND = 128
# The same while the duration of the steps is unknown.
_UNKNOWN_DEMAND = 16
# The work for each slot that is over before an autoscaler has looked, in seconds.
_AUTOSCALER_DELAY_S = 2.0
# The factor on the expected time of a group's steps but the last, after which the others go to
# another worker.
_SLACK = 1.5


class DurationEstimate:
    """The mean duration of an op's steps in this run, with more weight on recent ones."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        #: The number of observed steps.
        self.count = 0
        #: The mean, in seconds.
        self.seconds = 0.0

    def observe(self, seconds: float, count: int = 1) -> None:
        """Count the total duration of ``count`` steps."""
        self.count += count
        self.seconds += (max(0.0, seconds) / count - self.seconds) * min(
            1.0, count / min(self.count, 64)
        )


def batch_size(
    estimate: DurationEstimate, ready: int, slots: int, budget: float = BATCH_BUDGET_S
) -> int:
    """Return how many of the ``ready`` steps of an op the next batch for one of ``slots`` takes."""
    slots = max(1, slots)
    if estimate.count == 0:
        return 1
    if estimate.seconds >= budget:
        # Each step but the first saves its worker a wait, and others keep the other slots busy.
        return (
            min(_GROUP, ready // (2 * slots))
            if estimate.seconds < _LONG_S and ready >= _PLENTY * slots
            else 1
        )
    seconds = max(estimate.seconds, _FLOOR_S)
    # A batch shorter than its own cost would spread the work too thin.
    share = max(math.ceil(ready / slots), int(BATCH_COST_S / seconds))
    # Few observations must not decide about many steps.
    return max(1, min(ready, int(budget / seconds), share, 8 * estimate.count, MAX_CALLS))


def window_size(
    estimate: DurationEstimate, slots: int, *, grows: bool, scales: bool = False, ready: int = 0
) -> int:
    """Return the most batches of a scheduling class at the engine, by the duration of its steps.

    Usually two for each slot: a batch that runs, and its successor. More long steps may queue if
    the cluster ``grows``. An autoscaler ``scales`` it by its queue, so more short steps may queue
    if enough are ``ready``, and a few steps of unknown duration.
    """
    slots = max(1, slots)
    if grows and (
        estimate.seconds >= BATCH_BUDGET_S
        or (scales and ready * estimate.seconds >= _AUTOSCALER_DELAY_S * slots)
    ):
        return slots + max(slots, _DEMAND)
    return (
        max(2 * slots, _UNKNOWN_DEMAND) if grows and scales and estimate.count == 0 else 2 * slots
    )


def batch_budget(estimate: DurationEstimate, calls: int) -> float:
    """Return the time budget of a batch in seconds, given the duration of its first step."""
    return (
        BATCH_BUDGET_S
        if estimate.seconds < BATCH_BUDGET_S
        else max(BATCH_BUDGET_S, _SLACK * estimate.seconds * (calls - 1))
    )

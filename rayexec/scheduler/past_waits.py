"""Wait reasons of past attempts, from the records of their run.

An attempt is ready once its last predecessor is over, or its retry delay. Its reason to
wait is the limit or the resource with the longest full time from then on. While workers start,
nothing is full, so a wait may have two reasons; the limit or resource counts, with its own seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from rayexec.events import RETRY, Attempt
from rayexec.placement.limits import MAX_CONCURRENT, Demand, LimitKey, Placement
from rayexec.plan.base import Plan
from rayexec.plan.model import Call

__all__ = ["BATCH", "ENGINE", "OTHER_RUNS", "WORKER", "Wait", "explain_waits"]

WORKER = "worker start"
BATCH = "steps before it in its batch"
ENGINE = "the engine"
OTHER_RUNS = "other runs"

# Shorter waits are the cost of a batch.
_BATCH_COST_S = 0.005
# A full resource counts as full between two steps that are this close to each other.
_GAP_S = 0.01
# Longer waits without a cause in this run are for other runs, where these share a limit. The first
# bound is for attempts that had a worker start before them.
_WORKER_START_S = 2.0
_NOTICEABLE_S = 0.1
# The part of a wait for which a limit or a resource must be full to be its reason.
_LEAST_PART = 0.2
# The factor by which a later candidate must exceed an earlier, more particular one.
_CLEARLY_LONGER = 1.05
_TOLERANCE = 1e-6
# The holders that a wait names.
_HOLDERS = 8


class Wait(NamedTuple):
    """The time from readiness to the start of an attempt; moments are seconds since 1970."""

    #: The step.
    step: int
    #: The number of the attempt, 0 for the first.
    attempt_number: int
    #: The moment when only limits and resources were left to wait for.
    ready: float
    #: The moment of submission; before ``ready`` for a step in one batch with its predecessors.
    submitted: float
    #: The start of the attempt.
    started: float
    #: The last predecessor to end, -1 for none.
    after: int = -1
    #: A limit's or resource's name, or a constant of this module; None for a negligible wait.
    reason: str | None = None
    #: Whether ``reason`` is a limit.
    is_limit: bool = False
    #: The seconds of the wait for ``reason``.
    seconds: float = 0.0
    #: The steps of the run that held ``reason`` half-way through these seconds.
    held_by: tuple[int, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether a limit of tags or pools is the reason; all steps wait for max_concurrent."""
        return self.is_limit and self.reason != MAX_CONCURRENT


def explain_waits(
    plan: Plan,
    placement: Placement,
    began: float,
    submissions: Sequence[tuple[float, Sequence[Call]]],
    rows: Iterable[Attempt],
) -> list[Wait]:
    """Return the wait of each attempt in ``rows``, by start.

    ``began`` is the start of the run; ``submissions`` are (moment, calls of the batch).
    """
    attempts = sorted(rows, key=lambda row: (row.started, row.step))
    waits = _without_reasons(plan, began, submissions, attempts)
    causes = _Causes(placement, attempts)
    first_of_worker = _first_of_each_worker(attempts)
    # No worker was there before the first step. In this process there is no worker to wait for.
    first_start = attempts[0].started if attempts and attempts[0].pid else began
    heads = {(calls[0].step, calls[0].attempt) for _, calls in submissions if calls}
    reasons: dict[int, LimitKey] = {}
    for index, wait in enumerate(waits):
        waited = wait.started - wait.ready
        if waited < _BATCH_COST_S:
            continue
        cause, shared = causes.cause_of(wait), causes.cluster_limit_of(wait.step)
        # The cause of the longer part of a wait may be in another run.
        is_for_others = cause is not None and waited - cause[1].seconds > max(
            cause[1].seconds, _WORKER_START_S
        )
        if cause is not None and not (shared is not None and is_for_others):
            reasons[index], waits[index] = cause
            continue
        reason = ENGINE
        is_head = (wait.step, wait.attempt_number) in heads
        if not is_head:
            reason = BATCH
        elif index in first_of_worker or first_start - wait.ready > waited / 2:
            reason = WORKER
        usual = _WORKER_START_S if reason == WORKER else _NOTICEABLE_S
        if shared is None or not is_head or waited < usual:
            shared = None
        else:
            reason = f"{shared}, held by {OTHER_RUNS}"
        waits[index] = wait._replace(reason=reason, is_limit=shared is not None, seconds=waited)
    causes.add_holders(waits, reasons)
    return waits


def _first_of_each_worker(attempts: Sequence[Attempt]) -> set[int]:
    """Return the indices of the first attempt of each worker process."""
    first: dict[int, int] = {}
    for index, row in enumerate(attempts):
        if row.pid:
            first.setdefault(row.pid, index)
    return set(first.values())


def _without_reasons(
    plan: Plan,
    began: float,
    submissions: Sequence[tuple[float, Sequence[Call]]],
    attempts: Sequence[Attempt],
) -> list[Wait]:
    submitted: dict[tuple[int, int], list[float]] = {}
    for moment, calls in submissions:
        for call in calls:
            submitted.setdefault((call.step, call.attempt), []).append(moment)
    over: dict[int, float] = {}
    tried_again: dict[tuple[int, int], float] = {}
    for row in attempts:
        if row.outcome == RETRY:
            tried_again[row.step, row.attempt_number + 1] = row.ended + row.delay
        else:
            over[row.step] = row.ended
    waits = []
    for row in attempts:
        moments = submitted.get((row.step, row.attempt_number), [row.started])
        # An attempt that lost its worker before its start was submitted several times.
        moment = max([one for one in moments if one <= row.started], default=moments[0])
        after, ready = -1, began
        if row.attempt_number:
            ready = tried_again.get((row.step, row.attempt_number), began)
        else:
            for before in plan.predecessors[row.step]:
                if over.get(before, began) > ready:
                    after, ready = before, over[before]
        waits.append(
            Wait(row.step, row.attempt_number, min(ready, row.started), moment, row.started, after)
        )
    return waits


class _Causes:
    """The times when each limit and resource was full, and its holders."""

    def __init__(self, placement: Placement, attempts: Sequence[Attempt]) -> None:
        self._placement = placement
        self._demands = [placement.demands_of(one) for one in placement.classes]
        # The changes of each limit and resource: (moment, amount more or less, step), by moment.
        self._changes: dict[LimitKey, list[tuple[float, float, int]]] = {}
        for row in attempts:
            for key, amount, _ in self._demands[placement.class_of[row.step]]:
                changes = self._changes.setdefault(key, [])
                changes.append((row.started, amount, row.step))
                changes.append((row.ended, -amount, row.step))
        for changes in self._changes.values():
            changes.sort(key=lambda change: (change[0], change[1]))
        self._full: dict[Demand, _Spans] = {}

    def cause_of(self, wait: Wait) -> tuple[LimitKey, Wait] | None:
        """Return the cause of a wait, and the wait with its reason; None without any."""
        best, longest = None, 0.0
        for demand in self._demands[self._placement.class_of[wait.step]]:
            key, amount, most = demand
            spans = self._full.get(demand)
            if spans is None:
                changes = self._changes.get(key, ())
                spans = self._full[demand] = _Spans(changes, most - amount)
            seconds = spans.within(wait.ready, wait.started)
            # The more particular one comes first, and wins among equals.
            if seconds > longest * _CLEARLY_LONGER:
                best, longest = key, seconds
        if best is None or longest < _LEAST_PART * (wait.started - wait.ready):
            return None
        name = best if isinstance(best, str) else self._placement.limits[best].name
        return best, wait._replace(reason=name, is_limit=isinstance(best, int), seconds=longest)

    def cluster_limit_of(self, step: int) -> str | None:
        """Return the name of a cluster's limit that a step counts in, None for no such limit."""
        limit = self._placement.cluster_limit_of(self._placement.class_of[step])
        return None if limit is None else self._placement.limits[limit].name

    def add_holders(self, waits: list[Wait], reasons: Mapping[int, LimitKey]) -> None:
        """Put the holders half-way through its seconds into each wait with a reason, by index."""
        indices_of: dict[LimitKey, list[int]] = {}
        for index, key in reasons.items():
            indices_of.setdefault(key, []).append(index)
        for key, indices in indices_of.items():
            changes = self._changes[key]
            active: dict[int, None] = {}
            following = 0
            middles = {index: waits[index].started - waits[index].seconds / 2 for index in indices}
            for index, moment in sorted(middles.items(), key=lambda item: item[1]):
                while following < len(changes) and changes[following][0] <= moment:
                    _, amount, step = changes[following]
                    if amount > 0:
                        active[step] = None
                    else:
                        active.pop(step, None)
                    following += 1
                holders = (step for step in active if step != waits[index].step)
                waits[index] = waits[index]._replace(held_by=tuple(islice(holders, _HOLDERS)))


class _Spans:
    """The spans of time with a sum of changes above ``most``."""

    def __init__(self, changes: Sequence[tuple[float, float, int]], most: float) -> None:
        spans: list[list[float]] = []
        used = 0.0
        since: float | None = None
        for moment, amount, _ in changes:
            used += amount
            if used > most + _TOLERANCE:
                if since is None:
                    since = moment
            elif since is not None:
                if spans and since - spans[-1][1] < _GAP_S:
                    spans[-1][1] = moment
                else:
                    spans.append([since, moment])
                since = None
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [0.0]
        for start, end in spans:
            self._before.append(self._before[-1] + end - start)

    def within(self, start: float, end: float) -> float:
        """Return the seconds of the spans between two moments."""
        return self._until(end) - self._until(start)

    def _until(self, moment: float) -> float:
        index = bisect_right(self._starts, moment) - 1
        if index < 0:
            return 0.0
        return self._before[index] + min(moment, self._ends[index]) - self._starts[index]

"""Why each attempt of a run started when it did, and no sooner: worked out when somebody asks.

All it takes is what a run records anyway: when batches were submitted, and when attempts started
and ended. An attempt is ready when the last step that it takes from is over, or its delay is. What
kept it from then on is whatever was full for the longest part of its wait: a limit, or CPUs, GPUs
and other resources. While workers start nothing is full, so a wait may be for both; a limit or a
resource is the reason that is told, with its own seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from rayexec.events import RETRY, Attempt
from rayexec.placement.limits import MAX_CONCURRENT, LimitKey, Placement
from rayexec.plan.base import Plan
from rayexec.plan.model import Call

__all__ = ["BATCH", "ENGINE", "OTHER_RUNS", "WORKER", "Wait", "explain_waits"]

WORKER = "worker start"
BATCH = "steps before it in its batch"
ENGINE = "the engine"
OTHER_RUNS = "other runs"

# Shorter waits (seconds) are what a batch costs on its way.
_SHORT = 0.005
# Between two steps that follow each other on a full resource it counts as full; one is taken up
# that soon (seconds).
_GAP = 0.01
# Waits that are longer than that and that nothing of the run explains are for other runs, where
# they can be (seconds): beside a worker that had to start, and otherwise.
_STARTS = 2.0
_NOTICEABLE = 0.1
# The part of a wait for which a limit or a resource must have been full to be its reason.
_SHARE = 0.2
_EXACTLY = 1e-6
_HOLDERS = 8


class Wait(NamedTuple):
    """How an attempt came to start: times are seconds since 1970.

    ``ready`` is when nothing but limits and resources was left to wait for, ``after`` the step that
    it waited for last until then (-1 for none). ``submitted`` is when the engine got it, which may
    be sooner, in a batch with what it takes from. ``reason`` is what it waited for from then on,
    None where that was no time to speak of, else a limit's or a resource's name or one of this
    module's words; ``seconds`` is for how long, ``held_by`` are steps of the run that held it
    half-way.
    """

    step: int
    attempt_number: int
    ready: float
    submitted: float
    started: float
    after: int = -1
    reason: str | None = None
    is_limit: bool = False
    seconds: float = 0.0
    held_by: tuple[int, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether a limit of tags or pools kept it; ``max_concurrent`` is what all wait for in
        turn.
        """
        return self.is_limit and self.reason != MAX_CONCURRENT


def explain_waits(
    plan: Plan,
    placement: Placement,
    began: float,
    submissions: Sequence[tuple[float, Sequence[Call]]],
    rows: Iterable[Attempt],
) -> list[Wait]:
    """Return the wait of each attempt in ``rows``, in the order in which they started.

    ``began`` is when the run did; ``submissions`` are (when, calls of the batch).
    """
    attempts = sorted(rows, key=lambda row: (row.started, row.step))
    waits = _bare(plan, began, submissions, attempts)
    causes = _Causes(placement, attempts)
    first_of_worker: set[int] = set()
    seen: set[int] = set()
    for place, row in enumerate(attempts):
        if row.pid and row.pid not in seen:
            seen.add(row.pid)
            first_of_worker.add(place)
    # Before the first step nothing ran, for want of a worker; in this process there is none to wait
    # for.
    first_start = attempts[0].started if attempts and attempts[0].pid else began
    heads = {(calls[0].step, calls[0].attempt) for _, calls in submissions if calls}
    reasons: dict[int, LimitKey] = {}
    for place, wait in enumerate(waits):
        waited = wait.started - wait.ready
        if waited < _SHORT:
            continue
        found, shared = causes.of(wait), causes.shared(wait.step)
        # Where the longer part of a wait has no cause in this run, its cause may be another.
        is_for_others = found is not None and waited - found[1].seconds > max(
            found[1].seconds, _STARTS
        )
        if found is not None and not (shared is not None and is_for_others):
            reasons[place], waits[place] = found
            continue
        reason = ENGINE
        is_head = (wait.step, wait.attempt_number) in heads
        if not is_head:
            reason = BATCH
        elif place in first_of_worker or first_start - wait.ready > waited / 2:
            reason = WORKER
        # A worker takes about a second to start, a batch some milliseconds to arrive.
        if shared is None or not is_head or waited < (_STARTS if reason == WORKER else _NOTICEABLE):
            shared = None
        else:
            reason = f"{shared}, held by {OTHER_RUNS}"
        waits[place] = wait._replace(reason=reason, is_limit=shared is not None, seconds=waited)
    causes.find_holders(waits, reasons)
    return waits


def _bare(
    plan: Plan,
    began: float,
    submissions: Sequence[tuple[float, Sequence[Call]]],
    attempts: Sequence[Attempt],
) -> list[Wait]:
    """Return the waits without their reasons."""
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
        handed = submitted.get((row.step, row.attempt_number), [row.started])
        moment = max(
            [each for each in handed if each <= row.started], default=handed[0]
        )  # the last of several tries
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
    """When each limit and resource was too full for another step, and who held it."""

    def __init__(self, placement: Placement, attempts: Sequence[Attempt]) -> None:
        self._placement = placement
        self._of_class = [placement.demands_of(one) for one in placement.classes]
        # By obstacle: (when, step, how much more or less of it is taken from then on), in order of
        # time.
        self._changes: dict[LimitKey, list[tuple[float, float, int]]] = {}
        for row in attempts:
            for obstacle, amount, _ in self._of_class[placement.class_of[row.step]]:
                changes = self._changes.setdefault(obstacle, [])
                changes.append((row.started, amount, row.step))
                changes.append((row.ended, -amount, row.step))
        for changes in self._changes.values():
            changes.sort(key=lambda change: (change[0], change[1]))
        self._full: dict[tuple[LimitKey, float, float], _Spans] = {}

    def of(self, wait: Wait) -> tuple[LimitKey, Wait] | None:
        """Return what a wait was for, and the wait with that as its reason; None where nothing was
        full for long.
        """
        best, longest = None, 0.0
        for obstacle, amount, most in self._of_class[self._placement.class_of[wait.step]]:
            spans = self._full.get((obstacle, amount, most))
            if spans is None:
                spans = self._full[obstacle, amount, most] = _Spans(
                    self._changes.get(obstacle, ()), most - amount
                )
            seconds = spans.within(wait.ready, wait.started)
            if seconds > longest * 1.05:  # of equals the more particular, which comes first
                best, longest = obstacle, seconds
        if best is None or longest < _SHARE * (wait.started - wait.ready):
            return None
        name = best if isinstance(best, str) else self._placement.limits[best].name
        return best, wait._replace(reason=name, is_limit=isinstance(best, int), seconds=longest)

    def shared(self, step: int) -> str | None:
        """Return the limit of the cluster that a step counts in, None where it counts in none."""
        place = self._placement.cluster_limit_of(self._placement.class_of[step])
        return None if place is None else self._placement.limits[place].name

    def find_holders(self, waits: list[Wait], reasons: Mapping[int, LimitKey]) -> None:
        """Put into each wait for something, by its place in ``waits``, who held it half-way through
        its seconds.
        """
        asked: dict[LimitKey, list[int]] = {}
        for place, obstacle in reasons.items():
            asked.setdefault(obstacle, []).append(place)
        for obstacle, places in asked.items():
            changes = self._changes[obstacle]
            active: dict[int, None] = {}
            following = 0
            middles = {place: waits[place].started - waits[place].seconds / 2 for place in places}
            for place, moment in sorted(middles.items(), key=lambda item: item[1]):
                while following < len(changes) and changes[following][0] <= moment:
                    _, amount, step = changes[following]
                    if amount > 0:
                        active[step] = None
                    else:
                        active.pop(step, None)
                    following += 1
                held_by = tuple(
                    islice((step for step in active if step != waits[place].step), _HOLDERS)
                )
                waits[place] = waits[place]._replace(held_by=held_by)


class _Spans:
    """The stretches of time in which more than ``most`` is taken of something."""

    def __init__(self, changes: Sequence[tuple[float, float, int]], most: float) -> None:
        spans: list[list[float]] = []
        used = 0.0
        since: float | None = None
        for moment, amount, _ in changes:
            used += amount
            if used > most + _EXACTLY:
                if since is None:
                    since = moment
            elif since is not None:
                if spans and since - spans[-1][1] < _GAP:
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
        """Return how many of the seconds from ``start`` to ``end`` lie in the stretches."""
        return self._until(end) - self._until(start)

    def _until(self, moment: float) -> float:
        place = bisect_right(self._starts, moment)
        if not place:
            return 0.0
        return (
            self._before[place - 1] + min(moment, self._ends[place - 1]) - self._starts[place - 1]
        )

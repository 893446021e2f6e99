"""Critical path of a run: the attempts that determined its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from rayexec.events import Attempt, BatchFacts
from rayexec.views.history import RunHistory

__all__ = ["Link", "Timed", "Trail", "critical_path", "walk_back"]


class Link(NamedTuple):
    """One attempt on the path, by its index, and its wait (seconds).

    The wait begins with the end of the attempt before it, or with the run.
    """

    attempt: int
    waited: float
    #: A limit without room for it, or the fact of an earlier try.
    why: str = ""
    #: The part of the wait until the driver handed the batch to Ray.
    free: float = 0.0
    #: The part until the batch began on a worker.
    queued: float = 0.0
    #: The part behind other calls of the batch.
    behind: float = 0.0


class Timed(Protocol):
    """Attempt, as far as a path needs it."""

    @property
    def step(self) -> int:
        """The step."""

    @property
    def attempt_number(self) -> int:
        """0 for the first attempt of the step."""

    @property
    def started(self) -> float:
        """Seconds since 1970."""

    @property
    def ended(self) -> float:
        """Seconds since 1970."""

    @property
    def batch(self) -> int:
        """The id of the batch."""


class Trail(NamedTuple):
    """All that a path is made from; attempts are indices."""

    attempt_at: Callable[[int], Timed]
    #: The attempts of a step, in order.
    attempts_of: Callable[[int], Sequence[int]]
    predecessors_of: Callable[[int], Sequence[int]]
    #: The name of the limit that an attempt waited for, by step and attempt number; or nothing.
    limit_of: Callable[[int, int], str]
    batches: Mapping[int, BatchFacts]
    #: The attempt with the latest end, None without any.
    last: int | None
    began: float


def critical_path(
    history: RunHistory, attempts: Sequence[Attempt], began: float
) -> list[Link] | None:
    """Return the path, first attempt first; None for a log without the order of its steps.

    It starts at the attempt with the latest end and goes back, each time to the latest end among
    the attempts that this one followed: attempts of the steps before, and earlier ones of its own
    step. Of a step that handed its outputs on while it ran, the time up to then counts.
    """
    predecessors = history.predecessors
    if predecessors is None:
        return None
    of_step: dict[int, list[int]] = {}
    for index, attempt in enumerate(attempts):
        of_step.setdefault(attempt.step, []).append(index)
    blocked = history.blocked

    def limit_of(step: int, attempt_number: int) -> str:
        wait = blocked.get((step, attempt_number))
        return "" if wait is None else wait.limit

    return walk_back(
        Trail(
            attempts.__getitem__,
            lambda step: of_step.get(step, ()),
            predecessors.__getitem__,
            limit_of,
            history.batches,
            max(range(len(attempts)), key=lambda index: attempts[index].ended, default=None),
            began,
        )
    )


def walk_back(trail: Trail) -> list[Link]:
    """Return the path that ``critical_path`` describes."""
    path: list[Link] = []
    seen: set[int] = set()
    current = trail.last
    while current is not None:
        seen.add(current)
        here = trail.attempt_at(current)
        latest: int | None = None
        is_retry, ended = False, trail.began
        for step in (*trail.predecessors_of(here.step), here.step):
            for other in trail.attempts_of(step):
                there = trail.attempt_at(other)
                if (
                    other in seen
                    or there.started > here.started
                    or (step == here.step and there.ended > here.started)
                ):
                    continue
                until = min(there.ended, here.started)
                if latest is None or until > ended:
                    latest, ended, is_retry = other, until, step == here.step
        path.append(_link(trail, current, here, ended, is_retry=is_retry))
        current = latest
    return path[::-1]


def _link(trail: Trail, index: int, attempt: Timed, ended: float, *, is_retry: bool) -> Link:
    """Return the link of an attempt that waited since ``ended``."""
    why = trail.limit_of(attempt.step, attempt.attempt_number)
    if is_retry:
        why = "tried again"
    waited = max(0.0, attempt.started - ended)
    facts = trail.batches.get(attempt.batch)
    if facts is None or facts.queued is None:
        return Link(index, waited, why)
    # Clocks of two hosts may differ, so the moments of the batch are cut to those of the wait.
    submitted, begun = (
        min(max(moment, ended), attempt.started) for moment in (facts.submitted, facts.began)
    )
    parts = (submitted - ended, begun - submitted, attempt.started - begun)
    return Link(index, waited, why, *(max(0.0, part) for part in parts))

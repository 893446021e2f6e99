"""Critical path of a run: the attempts that determined its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rayexec.events import Attempt
from rayexec.views.history import RunHistory

__all__ = ["Link", "critical_path"]


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
    path: list[Link] = []
    seen: set[int] = set()
    current = max(range(len(attempts)), key=lambda index: attempts[index].ended, default=None)
    while current is not None:
        seen.add(current)
        here = attempts[current]
        latest: int | None = None
        ended = began
        for step in (*predecessors[here.step], here.step):
            for other in of_step.get(step, ()):
                there = attempts[other]
                if (
                    other in seen
                    or there.started > here.started
                    or (step == here.step and there.ended > here.started)
                ):
                    continue
                until = min(there.ended, here.started)
                if latest is None or until > ended:
                    latest, ended = other, until
        is_retry = latest is not None and attempts[latest].step == here.step
        path.append(_link(history, current, here, ended, is_retry=is_retry))
        current = latest
    return path[::-1]


def _link(
    history: RunHistory, index: int, attempt: Attempt, ended: float, *, is_retry: bool
) -> Link:
    """Return the link of an attempt that waited since ``ended``."""
    blocked = history.blocked.get((attempt.step, attempt.attempt_number))
    why = "" if blocked is None else blocked.limit
    if is_retry:
        why = "tried again"
    waited = max(0.0, attempt.started - ended)
    facts = history.batches.get(attempt.batch)
    if facts is None or facts.queued is None:
        return Link(index, waited, why)
    # Clocks of two hosts may differ, so the moments of the batch are cut to those of the wait.
    submitted, begun = (
        min(max(moment, ended), attempt.started) for moment in (facts.submitted, facts.began)
    )
    parts = (submitted - ended, begun - submitted, attempt.started - begun)
    return Link(index, waited, why, *(max(0.0, part) for part in parts))

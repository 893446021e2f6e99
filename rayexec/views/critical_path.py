"""The critical path of a recorded run: the attempts that determined when it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rayexec.events import Attempt
from rayexec.store.reading import StoredLog

__all__ = ["Link", "critical_path"]


class Link(NamedTuple):
    """An attempt on the path: its place among the attempts, and for how long it waited (seconds).

    It waited since what it follows was over, or since the beginning of the run. ``why`` names a
    limit that had no room for it, or says that it was tried again; ``free``, ``queued`` and
    ``behind`` are of its wait, where they are known: until the driver handed its batch to Ray,
    until that began on a worker, and behind other calls of the batch.
    """

    place: int
    waited: float
    why: str = ""
    free: float = 0.0
    queued: float = 0.0
    behind: float = 0.0


def critical_path(log: StoredLog, attempts: Sequence[Attempt], began: float) -> list[Link] | None:
    """Return the path, first attempt first; None where the log does not tell which steps follow
    which.

    From the attempt that ended last it goes back, each time to what was over last of the attempts
    that this one followed: those of steps that it takes from, and earlier ones of its own step. Of
    a step whose values were handed on while it ran, what counts is the time up to then.
    """
    before = log.predecessors
    if before is None:
        return None
    of_step: dict[int, list[int]] = {}
    for index, each in enumerate(attempts):
        of_step.setdefault(each.step, []).append(index)
    path: list[Link] = []
    seen: set[int] = set()
    place: int | None = max(
        range(len(attempts)), key=lambda index: attempts[index].ended, default=None
    )
    while place is not None:
        seen.add(place)
        here = attempts[place]
        latest: int | None = None
        ended = began
        for step in (*before[here.step], here.step):
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
        blocked = log.blocked.get((here.step, here.number))
        why = "" if blocked is None else blocked.limit
        if latest is not None and attempts[latest].step == here.step:
            why = "tried again"
        waited = max(0.0, here.started - ended)
        facts = log.batches.get(here.batch)
        parts = (0.0, 0.0, 0.0)
        if facts is not None and facts.queued is not None:
            marks = [
                ended,
                *(min(max(each, ended), here.started) for each in (facts.submitted, facts.began)),
                here.started,
            ]
            parts = (marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2])
        path.append(Link(place, waited, why, *(max(0.0, each) for each in parts)))
        place = latest
    return path[::-1]

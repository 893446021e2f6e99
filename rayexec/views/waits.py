"""Waits of attempts, added up by limit and by reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rayexec.execute.result import StepWait
from rayexec.views.history import RunHistory

__all__ = ["LimitWaits", "seconds_by_reason", "waits_by_limit"]


@dataclass(frozen=True, slots=True)
class LimitWaits:
    """Waits for one limit of tags or pools (seconds), and the step of the longest."""

    limit: str
    attempts: int
    mean: float
    longest: float
    step_key: str


def waits_by_limit(history: RunHistory) -> list[LimitWaits]:
    """Return the waits for each limit, the limit with the longest wait first."""
    keys = history.keys
    by_limit: dict[str, list[tuple[float, str]]] = {}
    for (step, _), blocked in history.blocked.items():
        by_limit.setdefault(blocked.limit, []).append((blocked.seconds, keys[step]))
    rows = []
    for limit, waits in by_limit.items():
        longest, key = max(waits)
        mean = sum(seconds for seconds, _ in waits) / len(waits)
        rows.append(LimitWaits(limit, len(waits), mean, longest, key))
    return sorted(rows, key=lambda row: -row.longest)


def seconds_by_reason(waits: Iterable[StepWait]) -> dict[str, float]:
    """Return the seconds of all waits together by reason, the most seconds first."""
    totals: dict[str, float] = {}
    for wait in waits:
        if wait.reason is not None:
            totals[wait.reason] = round(totals.get(wait.reason, 0.0) + wait.seconds, 6)
    return dict(sorted(totals.items(), key=lambda item: -item[1]))

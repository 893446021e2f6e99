"""Waits of attempts, added up by limit and by reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rayexec.execute.result import StepWait
from rayexec.views.history import RunHistory
from rayexec.views.read_columns import ReadColumns

__all__ = ["LimitWaits", "seconds_by_reason", "waits_by_limit", "waits_of_columns"]


@dataclass(frozen=True, slots=True)
class LimitWaits:
    """Waits for one limit of tags or pools (seconds), and the step of the longest."""

    limit: str
    attempts: int
    seconds: float
    longest: float
    step_key: str

    @property
    def mean(self) -> float:
        """Seconds of one wait."""
        return self.seconds / self.attempts


def waits_by_limit(history: RunHistory) -> list[LimitWaits]:
    """Return the waits for each limit, the limit with the longest wait first."""
    waits = ((wait.limit, wait.seconds, step) for (step, _), wait in history.blocked.items())
    return _by_limit(waits, history.keys.__getitem__)


def waits_of_columns(columns: ReadColumns) -> list[LimitWaits]:
    """Return the same of the columns of a run."""
    names = columns.limits
    waits = ((names[wait.limit], wait.seconds, step) for (step, _), wait in columns.blocked.items())
    return _by_limit(waits, columns.key)


def _by_limit(
    waits: Iterable[tuple[str, float, int]], key_of: Callable[[int], str]
) -> list[LimitWaits]:
    """Return the waits for each limit; a wait has its limit, its seconds and its step."""
    by_limit: dict[str, list[tuple[float, int]]] = {}
    for limit, seconds, step in waits:
        by_limit.setdefault(limit, []).append((seconds, step))
    rows = []
    for limit, of_limit in by_limit.items():
        longest, step = max(of_limit)
        total = sum(seconds for seconds, _ in of_limit)
        rows.append(LimitWaits(limit, len(of_limit), total, longest, key_of(step)))
    return sorted(rows, key=lambda row: -row.longest)


def seconds_by_reason(waits: Iterable[StepWait]) -> dict[str, float]:
    """Return the seconds of all waits together by reason, the most seconds first."""
    totals: dict[str, float] = {}
    for wait in waits:
        if wait.reason is not None:
            totals[wait.reason] = round(totals.get(wait.reason, 0.0) + wait.seconds, 6)
    return dict(sorted(totals.items(), key=lambda item: -item[1]))

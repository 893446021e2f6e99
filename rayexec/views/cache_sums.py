"""Cached outputs of a store: rows, sums by op, and their removal."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rayexec.store import CacheRecord, StepCache

__all__ = ["UNREADABLE", "OpSum", "cached_row", "chosen_entries", "remove_entries", "sums_by_op"]

#: Stands for the op of entries that cannot be read; no op has such a name.
UNREADABLE = "(unreadable)"
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class OpSum:
    """Cached outputs of an op."""

    op: str
    count: int
    size: int
    #: The number of steps that reused one; None where nothing counts them.
    hits: int | None
    #: Times of the newest and oldest entry, None for unreadable ones.
    newest: float | None
    oldest: float | None


def chosen_entries(
    cache: StepCache,
    *,
    op: str | None = None,
    older_than_days: float | None = None,
) -> list[CacheRecord]:
    """Return the entries of an op and of an age, the newest first.

    Entries that cannot be read have no age, and UNREADABLE as their op.
    """
    before = None if older_than_days is None else time.time() - older_than_days * _DAY_S

    def is_chosen(entry: CacheRecord) -> bool:
        origin = entry.origin
        if origin is None:
            return op in (None, UNREADABLE) and before is None
        return op in (None, origin.op) and (before is None or origin.created < before)

    return [entry for entry in cache.list() if is_chosen(entry)]


def remove_entries(cache: StepCache, entries: Iterable[CacheRecord]) -> None:
    """Remove entries, and the rest of earlier writers that died."""
    for entry in entries:
        cache.delete(entry.key)
    cache.sweep()


def cached_row(entry: CacheRecord) -> dict[str, Any]:
    """Return an entry as JSON-able data."""
    origin = entry.origin
    row: dict[str, Any] = {"key": entry.key, "size": entry.size, "hits": entry.hits}
    if origin is None:
        return row | {"note": entry.note}
    moment = datetime.datetime.fromtimestamp(origin.created, datetime.timezone.utc)
    return row | origin._asdict() | {"created": moment.isoformat(timespec="seconds")}


def sums_by_op(entries: Iterable[CacheRecord]) -> list[OpSum]:
    """Return the sums of entries by op, the largest first."""
    by_op: dict[str, list[CacheRecord]] = {}
    for entry in entries:
        op = UNREADABLE if entry.origin is None else entry.origin.op
        by_op.setdefault(op, []).append(entry)
    sums = [_sum(op, of_op) for op, of_op in by_op.items()]
    return sorted(sums, key=lambda one: (-one.size, one.op))


def _sum(op: str, entries: list[CacheRecord]) -> OpSum:
    times = [entry.origin.created for entry in entries if entry.origin is not None]
    newest, oldest = (max(times), min(times)) if times else (None, None)
    counted = [entry.hits for entry in entries if entry.hits is not None]
    hits = sum(counted) if counted else None
    return OpSum(op, len(entries), sum(entry.size for entry in entries), hits, newest, oldest)

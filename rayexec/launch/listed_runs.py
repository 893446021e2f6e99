"""List of runs as every door shows it: those of a store, and those launched from here."""

from __future__ import annotations

from rayexec.launch.monitor import add_launched_runs
from rayexec.store import RunRecord, RunStore, settled

__all__ = ["listed_runs"]


def listed_runs(store: RunStore, *, is_default: bool, limit: int | None = None) -> list[RunRecord]:
    """Return runs, the newest first; with ``is_default``, also those launched into other stores.

    Of launched runs, the newest ``limit`` are looked at. A run without its driver has failed.
    """
    records = list(store.list())
    if is_default:
        records = add_launched_runs(records, limit)
        records.sort(key=lambda record: record.start_time, reverse=True)
    return [settled(record) for record in records]

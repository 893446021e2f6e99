"""``rayexec cache``: table and removal of cached outputs."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import Any

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.render.tables import cached_outputs_table, decimal_size, results_console
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.store import CacheRecord, StepCache, default_store, store_at

__all__ = ["delete_entries", "list_entries"]

_DAY_S = 86_400.0


@with_exit_code
def list_entries(location: str | None, *, op: str | None, as_json: bool) -> int:
    """Print the cached outputs of a store."""
    with results_on_stdout() as results:
        cache = _cache(location)
        entries = [
            entry
            for entry in cache.list()
            if op is None or (entry.origin is not None and entry.origin.op == op)
        ]
        if as_json:
            write_json(results, [_row(entry) for entry in entries])
        elif entries:
            results_console(results).print(cached_outputs_table(entries))
            results.write(f"\n{_sum_of(entries)}\n")
        else:
            of_op = f" of op {op!r}" if op is not None else ""
            results.write(f"Nothing{of_op} is cached in {getattr(cache, 'root', 'memory')}.\n")
    return SUCCEEDED


@with_exit_code
def delete_entries(
    location: str | None,
    *,
    op: str | None,
    older_than: float | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Remove the cached outputs that the options choose."""
    if not everything and op is None and older_than is None:
        complain("say what to remove: --op NAME, --older-than DAYS, both of them, or --all.")
        return USAGE
    if everything and (op is not None or older_than is not None):
        complain("--all removes everything: leave it out, or the other options.")
        return USAGE
    before = None if older_than is None else time.time() - older_than * _DAY_S

    def is_chosen(entry: CacheRecord) -> bool:
        origin = entry.origin
        if everything or origin is None:
            return everything
        return op in (None, origin.op) and (before is None or origin.created < before)

    with results_on_stdout() as results:
        cache = _cache(location)
        entries = [entry for entry in cache.list() if is_chosen(entry)]
        for entry in entries:
            cache.delete(entry.key)
        cache.sweep()
        if as_json:
            size = sum(entry.size for entry in entries)
            write_json(results, {"deleted": [entry.key for entry in entries], "size": size})
        elif entries:
            results.write(f"Removed {_sum_of(entries)}.\n")
        else:
            results.write("Nothing of that kind is cached.\n")
    return SUCCEEDED


def _cache(location: str | None) -> StepCache:
    return (default_store() if location is None else store_at(location)).cache()


def _row(entry: CacheRecord) -> dict[str, Any]:
    origin = entry.origin
    row: dict[str, Any] = {"key": entry.key, "size": entry.size}
    if origin is None:
        return row | {"note": entry.note}
    moment = datetime.datetime.fromtimestamp(origin.created, datetime.timezone.utc)
    return row | origin._asdict() | {"created": moment.isoformat(timespec="seconds")}


def _sum_of(entries: Sequence[CacheRecord]) -> str:
    count, size = len(entries), sum(entry.size for entry in entries)
    return f"{count:,} {'entry' if count == 1 else 'entries'}, {decimal_size(size)}"

"""``rayexec cache``: table and removal of cached outputs."""

from __future__ import annotations

from collections.abc import Sequence

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.render.tables import cached_outputs_table, results_console
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.store import CacheRecord, StepCache, default_store, store_at
from rayexec.views.cache_sums import cached_row, chosen_entries, remove_entries
from rayexec.views.quantities import bytes_in_words

__all__ = ["delete_entries", "list_entries"]


@with_exit_code
def list_entries(location: str | None, *, op: str | None, as_json: bool) -> int:
    """Print the cached outputs of a store."""
    with results_on_stdout() as results:
        cache = _cache(location)
        entries = chosen_entries(cache, op=op)
        if as_json:
            write_json(results, [cached_row(entry) for entry in entries])
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
    with results_on_stdout() as results:
        cache = _cache(location)
        entries = chosen_entries(cache, op=op, older_than_days=older_than)
        remove_entries(cache, entries)
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


def _sum_of(entries: Sequence[CacheRecord]) -> str:
    count, size = len(entries), sum(entry.size for entry in entries)
    return f"{count:,} {'entry' if count == 1 else 'entries'}, {bytes_in_words(size)}"

"""``rayexec cache``: what cached ops yielded, listed and removed."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.streams import results_on_stdout
from rayexec.store import CacheRecord, StepCache, default_store, store_at

__all__ = ["delete_entries", "list_entries"]

_DAY = 86_400.0
_UNITS = ("B", "kB", "MB", "GB", "TB")
_SHORT = 12  # digits of a key that are shown


def _cache(place: str | None) -> StepCache:
    return (default_store() if place is None else store_at(place)).cache()


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


def _row(record: CacheRecord) -> dict[str, Any]:
    origin = record.origin
    row: dict[str, Any] = {"key": record.key, "size": record.size}
    if origin is None:
        return row | {"note": record.note}
    moment = datetime.datetime.fromtimestamp(origin.created, datetime.timezone.utc)
    return row | origin._asdict() | {"created": moment.isoformat(timespec="seconds")}


@with_exit_code
def list_entries(place: str | None, *, op: str | None, as_json: bool) -> int:
    """Print what is kept of cached ops."""
    with results_on_stdout() as results:
        cache = _cache(place)
        found = [
            each
            for each in cache.list()
            if op is None or (each.origin is not None and each.origin.op == op)
        ]
        if as_json:
            results.write(f"{json.dumps([_row(each) for each in found], indent=2)}\n")
        elif found:
            console = Console(
                file=results, highlight=False, width=None if results.isatty() else 10_000
            )
            console.print(_table(found))
            results.write(f"\n{_summed_up(found)}\n")
        else:
            of_op = f" of op {op!r}" if op is not None else ""
            results.write(f"Nothing{of_op} is cached in {getattr(cache, 'root', 'memory')}.\n")
    return SUCCEEDED


def _table(records: Sequence[CacheRecord]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("key", "op", "version", "size", "kept", "run", "step"):
        table.add_column(name, justify="right" if name == "size" else "left", no_wrap=True)
    for each in records:
        origin = each.origin
        if origin is None:
            table.add_row(
                each.key[:_SHORT], Text(f"? ({each.note})", style="red"), "", _size(each.size)
            )
            continue
        kept = datetime.datetime.fromtimestamp(origin.created, datetime.timezone.utc).strftime(
            "%Y-%m-%d %H:%M:%S UTC"
        )
        words = (
            origin.op,
            origin.code_version,
            _size(each.size),
            kept,
            origin.run_id,
            origin.step_key,
        )
        table.add_row(each.key[:_SHORT], *map(Text, words))
    return table


def _summed_up(records: Sequence[CacheRecord]) -> str:
    count = len(records)
    return f"{count:,} {'entry' if count == 1 else 'entries'}, {_size(sum(each.size for each in records))}"


@with_exit_code
def delete_entries(
    place: str | None, *, op: str | None, older_than: float | None, everything: bool, as_json: bool
) -> int:
    """Remove what is kept of cached ops, as far as the options say."""
    if not everything and op is None and older_than is None:
        complain("say what to remove: --op NAME, --older-than DAYS, both of them, or --all.")
        return USAGE
    if everything and (op is not None or older_than is not None):
        complain("--all removes everything: leave it out, or the other options.")
        return USAGE
    before = None if older_than is None else time.time() - older_than * _DAY

    def is_meant(record: CacheRecord) -> bool:
        origin = record.origin
        if everything or origin is None:
            return everything
        return op in (None, origin.op) and (before is None or origin.created < before)

    with results_on_stdout() as results:
        cache = _cache(place)
        found = [each for each in cache.list() if is_meant(each)]
        for each in found:
            cache.delete(each.key)
        cache.sweep()
        if as_json:
            size = sum(each.size for each in found)
            results.write(
                f"{json.dumps({'deleted': [each.key for each in found], 'size': size}, indent=2)}\n"
            )
        else:
            results.write(
                f"Removed {_summed_up(found)}.\n" if found else "Nothing of that kind is cached.\n"
            )
    return SUCCEEDED

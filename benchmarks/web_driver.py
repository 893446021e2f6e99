"""Costs of the browser door to drivers, and its read models: printed, never asserted.

Run it from the repository: ``python -m benchmarks.web_driver``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ray

import rayexec
from benchmarks.jobs import make_job
from benchmarks.measure import median, print_machine, print_table, seconds
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.views.log_search import LineFilter, log_page
from rayexec.views.run_columns import RunColumns

__all__ = ["drivers", "reading"]

STEPS = 50_000
IN_PROCESS: Mapping[str, Any] = {"execution": {"config": {"in_process": {}}}}
TURNS = 12


class _Watched(DirectoryRunStore):
    """Store with a reader that watches each run from its first moment."""

    def create(self, record: RunRecord) -> Any:
        writer = super().create(record)
        self.watch(record.run_id)
        return writer


class _Unwatchable(DirectoryRunStore):
    """Store whose drivers do not look for readers, as they were before there was a browser."""

    def create(self, record: RunRecord) -> Any:
        writer: Any = super().create(record)
        del writer.is_watched
        return writer


STORES: Mapping[str, Callable[[str], DirectoryRunStore]] = {
    "cannot be watched": _Unwatchable,
    "not watched": DirectoryRunStore,
    "watched": _Watched,
}


def drivers(base: str, steps: int = STEPS, turns: int = TURNS) -> None:
    """Time runs of no-ops that somebody watches, that nobody watches, and that nobody could.

    Processor time of the whole driver process, since other programs take less from it than from
    the wall clock. Each turn has one run of each, in an order that changes.
    """
    rows = []
    made = make_job(rayexec, "layered", steps)
    for name, config in (("in this process", IN_PROCESS), ("on Ray", {})):
        spent: dict[str, list[float]] = {way: [] for way in STORES}
        took: dict[str, list[float]] = {way: [] for way in STORES}
        for turn in range(turns + 1):
            for way in _order(turn):
                store = STORES[way](base)
                run = partial(made.execute, config, keep_outputs="none", store=store)
                before = time.process_time()
                wall = seconds(run)
                if turn:  # The first one warms up.
                    spent[way].append(time.process_time() - before)
                    took[way].append(wall)
        plain, *others = STORES
        for way in others:
            micro = [f"{median(spent[each]) / steps * 1e6:,.2f}" for each in (plain, way)]
            ratios = [_ratio(figures[way], figures[plain]) for figures in (spent, took)]
            least = min(spent[way]) / min(spent[plain])
            rows.append(
                [f"{steps:,} no-ops {name}, {way}", *micro, ratios[0], f"{least:.4f}", ratios[1]]
            )
    print_table(
        f"Watched runs, {turns} turns: processor microseconds a step",
        ["run", "cannot be watched", "this", "ratio", "of the least", "of the seconds"],
        rows,
    )


def _order(turn: int) -> list[str]:
    """Return the ways in an order that has each one in each place as often."""
    ways = list(STORES)
    first = turn % len(ways)
    ways = ways[first:] + ways[:first]
    return ways if turn // len(ways) % 2 else ways[::-1]


def _ratio(these: list[float], others: list[float]) -> str:
    """Return the median of the ratios of the turns."""
    return f"{median([one / other for one, other in zip(these, others, strict=True)]):.4f}"


def reading(store: DirectoryRunStore, run_id: str) -> None:
    """Time the read models of one recorded run, and print them."""
    opened = seconds(lambda: RunColumns(store.open(run_id)))
    columns = RunColumns(store.open(run_id))
    looks: Mapping[str, Callable[[], object]] = {
        "all attempts as bytes": columns.rows,
        "summary": columns.summary,
        "steps by seconds": lambda: columns.steps_page(sort="seconds", desc=True),
        "critical path": columns.critical_path,
        "text that no line has": lambda: log_page(columns, LineFilter(text="no such"), seconds=60),
        "a look without news": columns.read_on,
    }
    rows = [["open", f"{opened:.3f}"]]
    rows += [
        [name, f"{median([seconds(look) for _ in range(3)]):.4f}"] for name, look in looks.items()
    ]
    print_table(f"A run of {len(columns.steps):,} steps: seconds", ["look", "seconds"], rows)


def main() -> None:
    """Print all tables."""
    print_machine("rayexec", "ray", "pyarrow")
    with tempfile.TemporaryDirectory() as base:
        drivers(base)
        store = DirectoryRunStore(base)
        result = make_job(rayexec, "layered", 100_000).execute(
            IN_PROCESS, keep_outputs="none", store=store, run_id="large"
        )
        reading(store, result.run_id)
    ray.shutdown()


if __name__ == "__main__":
    main()

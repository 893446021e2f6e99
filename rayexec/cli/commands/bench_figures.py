"""Figures of ``rayexec bench`` as tables and as JSON."""

from __future__ import annotations

import importlib.metadata
import platform
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rayexec._version import __version__
from rayexec.cli.commands.bench_measure import (
    MB,
    HopFigures,
    MakespanFigures,
    StepFigures,
    TransferFigures,
)
from rayexec.placement.capacity import Capacity

__all__ = ["Figures", "Machine", "describe_machine", "figures_as_json", "tables"]


_WIDTH_COLUMNS = 80


@dataclass(frozen=True, slots=True)
class Machine:
    """Machine or cluster behind the figures; ``address`` is None for a Ray started for them."""

    rayexec: str
    ray: str
    python: str
    platform: str
    nodes: int
    cpus: float
    address: str | None

    def __str__(self) -> str:
        where = "a Ray of its own" if self.address is None else f"the Ray at {self.address}"
        versions = f"rayexec {self.rayexec}, Ray {self.ray}, Python {self.python}"
        return f"{versions}, {self.platform}\n{self.size}, {where}"

    @property
    def size(self) -> str:
        """The number of CPUs and nodes, as text."""
        cpus, nodes = "" if self.cpus == 1 else "s", "" if self.nodes == 1 else "s"
        return f"{self.cpus:g} CPU{cpus} on {self.nodes} node{nodes}"


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one ``rayexec bench``."""

    machine: Machine
    steps: tuple[StepFigures, ...]
    hops: HopFigures
    transfer: TransferFigures
    makespans: MakespanFigures


def describe_machine(capacity: Capacity, address: str | None) -> Machine:
    """Return the size of a Ray, its platform, and the versions in use."""
    return Machine(
        rayexec=__version__,
        ray=importlib.metadata.version("ray"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        nodes=len(capacity.nodes),
        cpus=capacity.cpus,
        address=None if address == "local" else address,
    )


def tables(figures: Figures) -> Iterator[RenderableType]:
    """Yield tables for a terminal of 80 columns, with a note on the meaning of each."""
    yield from _steps(figures.steps)
    yield from _hops(figures.hops)
    yield from _transfer(figures.transfer)
    yield from _makespans(figures.makespans)


def _table(title: str, *columns: str) -> Table:
    # As in the summary of a run: names on the left, figures on the right.
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column(title, no_wrap=True, min_width=16)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _with_note(table: Table, note: str) -> Sequence[RenderableType]:
    return table, Text(textwrap.fill(note, _WIDTH_COLUMNS), style="dim"), Text()


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}" if seconds < 0.1 else f"{seconds * 1e3:,.0f}"


def _steps(rows: Sequence[StepFigures]) -> Sequence[RenderableType]:
    table = _table("no-op steps", "steps", "steps/s", "µs a step", "first run, µs a step")
    for row in rows:
        per_second, micros = row.steps / row.seconds, row.seconds / row.steps * 1e6
        first_micros = row.first / row.steps * 1e6
        table.add_row(
            row.shape,
            f"{row.steps:,}",
            f"{per_second:,.0f}",
            f"{micros:,.1f}",
            f"{first_micros:,.1f}",
        )
    return _with_note(
        table,
        f"Medians of {len(rows[0].runs)} runs after a first, in which the job is also compiled. "
        "fan-out: one step, all others behind it, and a join of those. chain: one step after "
        "another.",
    )


def _hops(row: HopFigures) -> Sequence[RenderableType]:
    table = _table("latency, ms", "hops", "median", "95 % below")
    table.add_row(
        "a hop", f"{len(row.hops):,}", f"{row.median * 1e3:,.2f}", f"{row.slow * 1e3:,.2f}"
    )
    return _with_note(
        table,
        "From the end of a step to the start of the next, each a Ray task of its own (batches: "
        "false); in a batch, as in the chain above, a step costs no hop.",
    )


def _transfer(row: TransferFigures) -> Sequence[RenderableType]:
    table = _table("object store", "MB", "MB/s", "ms", "least-most, ms")
    for name, seconds, runs in (("store", row.store, row.stores), ("read", row.read, row.reads)):
        spread = f"{_milliseconds(min(runs))}-{_milliseconds(max(runs))}"
        table.add_row(
            name,
            f"{row.size / MB:,.0f}",
            f"{row.size / MB / seconds:,.0f}",
            _milliseconds(seconds),
            spread,
        )
    return _with_note(
        table,
        f"Medians of {len(row.stores)} runs after two to warm up. store: from the end of the op "
        "that made an Arrow buffer until it is stored. read: from there until the next step has "
        "read each byte, where it lies or from another node. Each has a hop in it.",
    )


def _makespans(rows: MakespanFigures) -> Sequence[RenderableType]:
    table = _table("max_concurrent", "makespan, s", "ideal, s", "to ideal", "speed-up")
    for row in rows.limits:
        speed_up = rows.naps * rows.nap / row.seconds
        table.add_row(
            str(row.max_concurrent),
            f"{row.seconds:.3f}",
            f"{row.ideal:.3f}",
            f"{row.seconds / row.ideal:.2f}",
            f"{speed_up:.1f}",
        )
    return _with_note(
        table,
        f"{rows.naps:,} naps of {rows.nap * 1e3:g} ms each. ideal: no schedule is faster. "
        "speed-up: the time of all naps together to the makespan.",
    )


def figures_as_json(figures: Figures) -> dict[str, Any]:
    """Return all figures as JSON-able data; times are in seconds, sizes in bytes."""
    machine, hops, transfer, makespans = (
        figures.machine,
        figures.hops,
        figures.transfer,
        figures.makespans,
    )
    return {
        "machine": {
            "rayexec": machine.rayexec,
            "ray": machine.ray,
            "python": machine.python,
            "platform": machine.platform,
            "nodes": machine.nodes,
            "cpus": machine.cpus,
            "address": machine.address,
        },
        "no_op_steps": [
            {
                "shape": row.shape,
                "steps": row.steps,
                "steps_per_second": row.steps / row.seconds,
                "seconds_per_step": row.seconds / row.steps,
                "seconds": row.seconds,
                "first_seconds": row.first,
                "runs": list(row.runs),
            }
            for row in figures.steps
        ],
        "hop": {"hops": len(hops.hops), "median_seconds": hops.median, "p95_seconds": hops.slow},
        "object_store": {
            "bytes": transfer.size,
            "store_bytes_per_second": transfer.size / transfer.store,
            "read_bytes_per_second": transfer.size / transfer.read,
            "store_runs": list(transfer.stores),
            "read_runs": list(transfer.reads),
        },
        "makespan": {
            "naps": makespans.naps,
            "nap_seconds": makespans.nap,
            "limits": [
                {
                    "max_concurrent": row.max_concurrent,
                    "seconds": row.seconds,
                    "ideal_seconds": row.ideal,
                    "to_ideal": row.seconds / row.ideal,
                    "speed_up": makespans.naps * makespans.nap / row.seconds,
                    "runs": list(row.runs),
                }
                for row in makespans.limits
            ],
        },
    }

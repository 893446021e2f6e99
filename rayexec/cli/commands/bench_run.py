"""Body of ``bench``: measurements, their figures, and a plot."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console

from rayexec.cli.commands.bench_figures import (
    Figures,
    Machine,
    describe_machine,
    figures_as_json,
    tables,
)
from rayexec.cli.commands.bench_measure import (
    MB,
    default_limits,
    measure_hops,
    measure_makespans,
    measure_steps,
    measure_transfer,
    warm_up,
)
from rayexec.cli.commands.bench_plot import check_plot, draw_makespans
from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.cluster import connect, releasing
from rayexec.errors import LoadError
from rayexec.placement.capacity import Capacity

__all__ = ["bench_from_shell"]

_HOPS = 50
_LEAST_WIDTH_COLUMNS = 80  # of tables on an output that is no terminal


@dataclass(frozen=True, slots=True)
class _Thoroughness:
    """Extent of a measurement: ``steps`` of a job, ``megabytes`` of a value, and repeats."""

    steps: int
    megabytes: int
    repeats: int
    repeats_of_naps: int


_FULL = _Thoroughness(steps=10_000, megabytes=256, repeats=5, repeats_of_naps=3)
_QUICK = _Thoroughness(steps=2_000, megabytes=64, repeats=3, repeats_of_naps=1)


@with_exit_code
def bench_from_shell(
    *,
    address: str | None,
    limits: tuple[int, ...],
    steps: int | None,
    megabytes: int | None,
    quick: bool,
    plot: Path | None,
    as_json: bool,
) -> int:
    """Measure on a cluster, or on a Ray started for it, and return the exit code.

    ``limits`` are the values of ``max_concurrent`` to try. Empty or None stands for a default.
    """
    if plot is not None:
        check_plot(plot)
    extent = _QUICK if quick else _FULL
    release = releasing()
    with results_on_stdout() as results, EndingSignals() as signals:
        try:
            _say(
                "starting Ray"
                if address in (None, "local")
                else f"attaching to the Ray at {address}"
            )
            capacity = connect(address)
            signals.install()
            figures = _measure(
                capacity,
                describe_machine(capacity, address),
                extent,
                tuple(sorted(set(limits))) or default_limits(capacity),
                steps or extent.steps,
                MB * _megabytes(megabytes, extent, capacity),
            )
            _print(figures, results, as_json=as_json)
            return SUCCEEDED if plot is None else _plot(figures, plot)
        except (KeyboardInterrupt, SystemExit) as error:
            # Ray exits so at its start, if SIGTERM comes then.
            if isinstance(error, SystemExit) and error.code != signal.SIGTERM:
                raise
            complain("Interrupted.")
            return FAILED
        finally:
            signals.ignore()  # the stop of Ray must not end half-way
            release()


def _megabytes(requested: int | None, extent: _Thoroughness, capacity: Capacity) -> int:
    """Return the size of the value to store.

    Raises LoadError if the object store of a node is too small for the requested one.
    """
    rooms = [
        node["object_store_memory"] for node in capacity.nodes if node.get("object_store_memory")
    ]
    room = int(min(rooms) / MB) if rooms else None
    if requested is None:
        # A value lives until Python collects its run, so that several must fit.
        return extent.megabytes if room is None else max(1, min(extent.megabytes, room // 4))
    if room is not None and requested > room // 2:
        raise LoadError(
            f"--size {requested}: the object store of a node has {room:,} MB, and values of one "
            f"run stay while the next begins; give at most {room // 2}."
        )
    return requested


def _measure(
    capacity: Capacity,
    machine: Machine,
    extent: _Thoroughness,
    limits: tuple[int, ...],
    steps: int,
    size: int,
) -> Figures:
    """Take all measurements, one after another, with a line on standard error for each."""
    _say("starting workers")
    warm_up(capacity, max(1, int(capacity.cpus)))
    _say(f"jobs of {steps:,} no-op steps")
    shapes = tuple(measure_steps(shape, steps, extent.repeats) for shape in ("fan-out", "chain"))
    _say("latency a hop")
    hops = measure_hops(_HOPS, extent.repeats)
    _say(f"a value of {size / MB:,.0f} MB through the object store")
    transfer = measure_transfer(size, extent.repeats)
    _say(f"naps with max_concurrent {', '.join(map(str, limits))}")
    return Figures(
        machine, shapes, hops, transfer, measure_makespans(capacity, limits, extent.repeats_of_naps)
    )


def _say(line: str) -> None:
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()


def _print(figures: Figures, results: TextIO, *, as_json: bool) -> None:
    if as_json:
        write_json(results, figures_as_json(figures))
        return
    sys.stderr.write("\n")
    sys.stderr.flush()
    console = Console(file=results, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _LEAST_WIDTH_COLUMNS)
    console.print(f"{figures.machine}\n", soft_wrap=True)
    for table in tables(figures):
        console.print(table)
    results.flush()


def _plot(figures: Figures, path: Path) -> int:
    try:
        draw_makespans(figures.makespans, figures.machine, path)
    except OSError as error:
        complain(f"the plot cannot be written to {path}: {error.strerror or error}.")
        return FAILED
    _say(f"the plot is in {path}")
    return SUCCEEDED

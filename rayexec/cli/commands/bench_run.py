"""``bench``: measure, and print what was measured."""

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
_LEAST_WIDTH = 80  # columns of the tables where standard output is no terminal


@dataclass(frozen=True, slots=True)
class _Thoroughness:
    """How much is measured: ``steps`` of a job, ``megabytes`` of a value, and how often each."""

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

    ``limits`` are the ``max_concurrent`` to try; what is empty or None is chosen here.
    """
    if plot is not None:
        check_plot(plot)
    wanted = _QUICK if quick else _FULL
    release = releasing()
    with results_on_stdout() as results, EndingSignals() as signals:
        try:
            _tell(
                "starting Ray"
                if address in (None, "local")
                else f"attaching to the Ray at {address}"
            )
            capacity = connect(address)
            signals.take()
            figures = _measure(
                capacity,
                describe_machine(capacity, address),
                wanted,
                tuple(sorted(set(limits))) or default_limits(capacity),
                steps or wanted.steps,
                MB * _megabytes(megabytes, wanted, capacity),
            )
            _print(figures, results, as_json=as_json)
            return SUCCEEDED if plot is None else _plot(figures, plot)
        except (KeyboardInterrupt, SystemExit) as error:
            if (
                isinstance(error, SystemExit) and error.code != signal.SIGTERM
            ):  # Ray's, for one while it starts
                raise
            complain("Interrupted.")
            return FAILED
        finally:
            signals.ignore()  # Ray is being stopped, which must not stop half-way
            release()


def _megabytes(asked: int | None, wanted: _Thoroughness, capacity: Capacity) -> int:
    """Return how large a value to store; raises LoadError where the object store of a node is too
    small for it.
    """
    rooms = [
        node["object_store_memory"] for node in capacity.nodes if node.get("object_store_memory")
    ]
    room = int(min(rooms) / MB) if rooms else None
    if asked is None:
        # A value lives on until its run is forgotten, so several must fit.
        return wanted.megabytes if room is None else max(1, min(wanted.megabytes, room // 4))
    if room is not None and asked > room // 2:
        raise LoadError(
            f"--size {asked}: the object store of a node has {room:,} MB, and values of one run "
            f"stay while the next "
            f"begins; give at most {room // 2}."
        )
    return asked


def _measure(
    capacity: Capacity,
    machine: Machine,
    wanted: _Thoroughness,
    limits: tuple[int, ...],
    steps: int,
    size: int,
) -> Figures:
    """Measure all of it, one after another, saying on standard error what is being measured."""
    _tell("starting workers")
    warm_up(capacity, max(1, int(capacity.cpus)))
    _tell(f"jobs of {steps:,} no-op steps")
    shapes = tuple(measure_steps(shape, steps, wanted.repeats) for shape in ("fan-out", "chain"))
    _tell("latency a hop")
    hops = measure_hops(_HOPS, wanted.repeats)
    _tell(f"a value of {size / MB:,.0f} MB through the object store")
    transfer = measure_transfer(size, wanted.repeats)
    _tell(f"naps with max_concurrent {', '.join(map(str, limits))}")
    return Figures(
        machine, shapes, hops, transfer, measure_makespans(capacity, limits, wanted.repeats_of_naps)
    )


def _tell(what: str) -> None:
    sys.stderr.write(f"bench: {what}\n")
    sys.stderr.flush()


def _print(figures: Figures, results: TextIO, *, as_json: bool) -> None:
    if as_json:
        write_json(results, figures_as_json(figures))
        return
    sys.stderr.write("\n")
    sys.stderr.flush()
    console = Console(file=results, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _LEAST_WIDTH)
    console.print(f"{figures.machine}\n", soft_wrap=True)
    for each in tables(figures):
        console.print(each)
    results.flush()


def _plot(figures: Figures, path: Path) -> int:
    try:
        draw_makespans(figures.makespans, figures.machine, path)
    except OSError as error:
        complain(f"the plot cannot be written to {path}: {error.strerror or error}.")
        return FAILED
    _tell(f"the plot is in {path}")
    return SUCCEEDED

"""Surface of ``rayexec bench``: its options and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rayexec.cli.lazy import load
from rayexec.cli.shared_options import JsonOption

__all__ = ["BENCH_EPILOG", "bench"]

BENCH_EPILOG = (
    "Example: rayexec bench --plot makespan.png\n\n"
    "Exit code: 0 all was measured; 1 a run failed or was interrupted; 2 a mistake in what was "
    "given."
)


def bench(
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster to measure, such as 10.0.0.5:6379 or auto. Without it, a Ray is "
            "started on this machine.",
        ),
    ] = None,
    max_concurrent: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Measure the makespan with N steps at once. May be repeated; not given: 1, 2, 4 "
            "and so on up to twice the CPUs of a machine, or up to the CPUs of a cluster.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=3,
            metavar="N",
            help="Steps of the no-op jobs; not given: 10,000, or 2,000 with --quick.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="MB",
            help="The value that passes through the object store, in MB; not given: 256, or 64 "
            "with --quick, and no more than a quarter of the store.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Less of everything: a first look in about 15 seconds.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the makespan over max_concurrent to FILE, a .png or .svg. Needs "
            "matplotlib, which the extra named plot installs.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what steps, hops and large values cost on this machine or on a cluster."""
    raise typer.Exit(
        load("rayexec.cli.commands.bench_run", "bench_from_shell")(
            address=address,
            limits=tuple(max_concurrent or ()),
            steps=steps,
            megabytes=size,
            quick=quick,
            plot=plot,
            as_json=as_json,
        )
    )

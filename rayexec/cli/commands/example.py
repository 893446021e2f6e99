"""Surface of ``rayexec example``: its options and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rayexec.cli.lazy import load

__all__ = ["EXAMPLE_EPILOG", "example"]

EXAMPLE_EPILOG = (
    "Example: rayexec example flights --to flights\n\n"
    "Exit code: 0 it was written, or listed; 1 it cannot be written there; 2 a mistake in what was "
    "given, or a file of it is there already."
)


def example(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The example; not given: list all of them."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory for its files; not given: one of the example's name, here.",
        ),
    ] = None,
) -> None:
    """Write out an example of a job, with its data, and print the commands that run it."""
    raise typer.Exit(load("rayexec.cli.commands.example_files", "write_example")(name, to))

"""Commands of ``rayexec migrate`` with their help; each loads its body when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rayexec.cli.lazy import load
from rayexec.cli.shared_options import JsonOption

__all__ = ["migrate_app"]

migrate_app = typer.Typer(
    help="Look at files that import Dagster: what runs here as it stands.",
    no_args_is_help=True,
)


# A group with one command would be the command itself.
@migrate_app.callback()
def _group() -> None:
    pass


@migrate_app.command(
    epilog="Example: rayexec migrate check my_project/. It reads files without running them. Exit "
    "code 0: all names work as they stand. 1: some differ or are not here. 2: a file or directory "
    "could not be read.",
)
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Python files, and directories with some."),
    ],
    only_problems: Annotated[
        bool, typer.Option("--problems", help="Leave out the lines that work as they stand.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell line by line what works here as it stands, what differs, and what is not here."""
    raise typer.Exit(
        load("rayexec.cli.commands.migrate_check", "check")(
            paths, only_problems=only_problems, as_json=as_json
        )
    )

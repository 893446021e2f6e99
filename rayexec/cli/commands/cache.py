"""The surface of ``rayexec cache``: its commands, options and their help; as in ``main``, bodies
are loaded late.
"""

from __future__ import annotations

from typing import Annotated

import typer

from rayexec.cli.commands.run import JsonOption, StoreOption
from rayexec.cli.lazy import load

__all__ = ["cache_app"]

cache_app = typer.Typer(
    help="Look at what ops with cache=True yielded, or remove it.",
    no_args_is_help=True,
    epilog="It is kept beside the runs, in the directory (or at the URI) of RAYEXEC_HOME; not "
    "set, in ~/.rayexec.",
)

OpOption = Annotated[str | None, typer.Option("--op", metavar="NAME", help="Only of this op.")]


@cache_app.command("list", epilog="Example: rayexec cache list --op features")
def list_(op: OpOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List what is kept, the newest first: of which op, whose outputs, how large."""
    raise typer.Exit(
        load("rayexec.cli.commands.cache_entries", "list_entries")(store, op=op, as_json=as_json)
    )


@cache_app.command(epilog="Example: rayexec cache delete --older-than 30")
def delete(
    op: OpOption = None,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Only what was kept before that."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of it, also what cannot be read.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove what is kept; steps that would have reused it run again."""
    raise typer.Exit(
        load("rayexec.cli.commands.cache_entries", "delete_entries")(
            store, op=op, older_than=older_than, everything=everything, as_json=as_json
        )
    )

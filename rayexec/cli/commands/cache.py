"""Commands of ``rayexec cache`` with their options and help; each loads its body when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from rayexec.cli.commands.run import JsonOption, StoreOption
from rayexec.cli.lazy import load
from rayexec.cli.shared_options import no_nan

__all__ = ["cache_app"]

cache_app = typer.Typer(
    help="Look at cached outputs (of ops with cache=True), or remove them.",
    no_args_is_help=True,
    epilog="They are stored beside the runs, in the directory (or at the URI) of RAYEXEC_HOME; "
    "not set, in ~/.rayexec.",
)

OpOption = Annotated[str | None, typer.Option("--op", metavar="NAME", help="Only of this op.")]


@cache_app.command("list", epilog="Example: rayexec cache list --op features")
def list_(op: OpOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List cached outputs, the newest first."""
    raise typer.Exit(
        load("rayexec.cli.commands.cache_entries", "list_entries")(store, op=op, as_json=as_json)
    )


@cache_app.command(epilog="Example: rayexec cache delete --older-than 30")
def delete(
    op: OpOption = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than", min=0, callback=no_nan, metavar="DAYS", help="Only older ones."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of them, unreadable ones too.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove cached outputs; steps that would have reused them run again."""
    raise typer.Exit(
        load("rayexec.cli.commands.cache_entries", "delete_entries")(
            store, op=op, older_than=older_than, everything=everything, as_json=as_json
        )
    )

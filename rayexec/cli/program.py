"""Commands of the ``rayexec`` program: their table, and a function that adds one.

A command is a function (or a group of them, a ``typer.Typer``) with its options and their help. It
loads its body when it runs, by ``rayexec.cli.lazy.load``, so that ``--help`` imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from rayexec._version import __version__
from rayexec.cli.commands.bench import BENCH_EPILOG, bench
from rayexec.cli.commands.cache import cache_app
from rayexec.cli.commands.cluster import cluster_app
from rayexec.cli.commands.dev import DEV_EPILOG, dev
from rayexec.cli.commands.example import EXAMPLE_EPILOG, example
from rayexec.cli.commands.file_definitions import definitions_app
from rayexec.cli.commands.job import job_app
from rayexec.cli.commands.migrate import migrate_app
from rayexec.cli.commands.run import run_app
from rayexec.errors import DefinitionError
from rayexec.names import nearest

__all__ = ["COMMANDS", "Command", "app", "register_command"]


@dataclass(frozen=True, slots=True)
class Command:
    """An entry of the table of commands.

    ``surface`` is a function or a group; ``epilog`` is the text below the help of a function.
    """

    name: str
    surface: Callable[..., None] | typer.Typer
    epilog: str | None = None


#: Commands of the program, in the order of its help.
COMMANDS = (
    Command("dev", dev, DEV_EPILOG),
    Command("job", job_app),
    Command("run", run_app),
    Command("cache", cache_app),
    Command("cluster", cluster_app),
    Command("definitions", definitions_app),
    Command("migrate", migrate_app),
    Command("bench", bench, BENCH_EPILOG),
    Command("example", example, EXAMPLE_EPILOG),
)

app = typer.Typer(
    name="rayexec",
    help="Run jobs made of ops, in parallel, on Ray.",
    epilog="Example: rayexec job execute -f my_job.py",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register_command(
    surface: Callable[..., None] | typer.Typer,
    name: str,
    *,
    group: str | None = None,
    epilog: str | None = None,
) -> None:
    """Add a command to the program, or to one of its groups such as ``"job"``.

    ``surface`` is a function with typer's annotations, or a ``typer.Typer`` with several. Raises
    DefinitionError for an unknown group, and for a name in use.
    """
    parent: Any = app
    if group is not None:
        groups = {entry.name: entry.typer_instance for entry in app.registered_groups}
        if group not in groups:
            raise DefinitionError(
                f"the command line has no group {group!r}.{nearest(group, map(str, groups))}"
            )
        parent = groups[group]
    if name in _names(parent):
        raise DefinitionError(f"the command line has a command {name!r} already.")
    if isinstance(surface, typer.Typer):
        parent.add_typer(surface, name=name)
    else:
        parent.command(name, epilog=epilog)(surface)


def _names(parent: typer.Typer) -> set[str | None]:
    """Return the names of the commands and groups of a group."""
    commands = {
        entry.name or getattr(entry.callback, "__name__", None)
        for entry in parent.registered_commands
    }
    return commands | {entry.name for entry in parent.registered_groups}


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"rayexec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


for _command in COMMANDS:
    register_command(_command.surface, _command.name, epilog=_command.epilog)

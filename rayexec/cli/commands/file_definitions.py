"""Commands of ``rayexec definitions`` with their options and help."""

from __future__ import annotations

import typer

from rayexec.cli.lazy import load
from rayexec.cli.shared_options import AttributeOption, FileOption, JsonOption, ModuleOption

__all__ = ["definitions_app"]

definitions_app = typer.Typer(
    help="Look at all that a file defines, or check it.",
    no_args_is_help=True,
    epilog="A file has a Definitions, a repository, a function with @definitions, or jobs alone.",
)


@definitions_app.command("list", epilog="Example: rayexec definitions list -f definitions.py")
def list_(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs with their resources, executor and loggers, and what rayexec leaves aside."""
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute)
    raise typer.Exit(
        load("rayexec.cli.commands.definitions_show", "list_definitions")(source, as_json=as_json)
    )


@definitions_app.command(
    epilog="Example: rayexec definitions validate -f definitions.py\n\n"
    "Exit code: 0 all jobs can run, as far as their definitions go; 1 some cannot; 2 a mistake in "
    "the arguments.",
)
def validate(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load a file, compile each job with its resources, and print all problems at once."""
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute)
    raise typer.Exit(
        load("rayexec.cli.commands.definitions_show", "validate_definitions")(
            source, as_json=as_json
        )
    )

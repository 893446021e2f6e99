"""The command line's surface: commands, options and their help.

Only what ``--help`` needs is imported here; the body of each command loads what it runs.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from rayexec._version import __version__
from rayexec.cli.commands.cache import cache_app
from rayexec.cli.commands.cluster import cluster_app
from rayexec.cli.commands.launch import LAUNCH_ENDING, launch
from rayexec.cli.commands.run import run_app
from rayexec.cli.lazy import load
from rayexec.cli.parsing import Wanted
from rayexec.cli.shared_options import (
    PANEL_RUN,
    AttributeOption,
    ConfigOption,
    DurableOption,
    FileOption,
    JobOption,
    JsonOption,
    MaxConcurrentOption,
    ModuleOption,
    NoCacheOption,
    RunIdOption,
    SelectionOption,
    TagsOption,
)
from rayexec.cli.streams import survive_closed_pipes

__all__ = ["app", "main"]

app = typer.Typer(
    name="rayexec",
    help="Run jobs made of ops, in parallel, on Ray.",
    epilog="Example: rayexec job execute -f my_job.py",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
job_app = typer.Typer(
    help="Run a job, or look at it.",
    no_args_is_help=True,
    epilog="Example: rayexec job plan -f my_job.py",
)
app.add_typer(job_app, name="job")
app.add_typer(run_app, name="run")
app.add_typer(cache_app, name="cache")
app.add_typer(cluster_app, name="cluster")


def _print_version(wanted: bool) -> None:
    if wanted:
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


@job_app.command(
    epilog="Example: rayexec job execute -f jobs.py -j report -c run.yaml -o '*summary' "
    "--max-concurrent 4\n\n"
    "Ctrl-C asks the steps to end; after cancel_grace (5 s), or a second Ctrl-C, they are ended "
    "by force. From another "
    "shell or host it is: rayexec run cancel\n\n"
    "Exit code: 0 the run succeeded; 1 it failed or was interrupted; 2 it could not begin, for a "
    "mistake in what was "
    "given.",
)
def execute(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    config: ConfigOption = None,
    op_selection: SelectionOption = None,
    tags: TagsOption = None,
    max_concurrent: MaxConcurrentOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster to run on, such as 10.0.0.5:6379; or auto: the one that "
            "'rayexec cluster up' "
            "started, else what Ray finds. Without it, a Ray is started on this machine for the "
            "run.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = None,
    durable: DurableOption = False,
    no_cache: NoCacheOption = False,
    run_id: RunIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a job and wait for it; what ops print goes to standard output, progress to standard
    error.
    """
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    cache = False if no_cache else None
    wanted = Wanted(
        tuple(config or ()),
        tuple(op_selection or ()),
        tags,
        max_concurrent,
        address,
        durable,
        cache,
        run_id,
    )
    raise typer.Exit(
        load("rayexec.cli.commands.job_execute", "execute_from_shell")(
            source, wanted, as_json=as_json
        )
    )


job_app.command(epilog=LAUNCH_ENDING)(launch)


@job_app.command("list", epilog="Example: rayexec job list -f jobs.py")
def list_(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the jobs of a file, each with its ops."""
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute)
    raise typer.Exit(load("rayexec.cli.commands.job_show", "list_jobs")(source, as_json=as_json))


@job_app.command("print", epilog="Example: rayexec job print -f jobs.py -j report")
def print_(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    op_selection: SelectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a job as a tree: its ops and graphs, their outputs, and where each input comes from."""
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    raise typer.Exit(
        load("rayexec.cli.commands.job_show", "print_job")(
            source, tuple(op_selection or ()), as_json=as_json
        )
    )


@job_app.command(
    "scaffold-config", epilog="Example: rayexec job scaffold-config -f my_job.py > run.yaml"
)
def scaffold_config(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    op_selection: SelectionOption = None,
    only_required: Annotated[
        bool, typer.Option("--only-required", help="Only what has to be given for the job to run.")
    ] = False,
) -> None:
    """Print run config for a job as YAML, with a default or a placeholder wherever a value can be
    given.
    """
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    raise typer.Exit(
        load("rayexec.cli.commands.job_scaffold", "scaffold")(
            source, tuple(op_selection or ()), only_required=only_required
        )
    )


@job_app.command(epilog="Example: rayexec job plan -f my_job.py -c run.yaml")
def plan(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    config: ConfigOption = None,
    op_selection: SelectionOption = None,
    max_concurrent: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="As for execute.", rich_help_panel=PANEL_RUN),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ask this Ray cluster what it has; without it, no Ray is started.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = None,
    timings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What job execute --json printed of a run: how long its ops took, for a bound on "
            "the time of the "
            "next. By default the last recorded run that succeeded.",
            exists=True,
            dir_okay=False,
            readable=True,
            rich_help_panel=PANEL_RUN,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a run would do: what each step asks of Ray, the limits and who holds them, the
    longest path.
    """
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    wanted = Wanted(tuple(config or ()), tuple(op_selection or ()), None, max_concurrent, address)
    raise typer.Exit(
        load("rayexec.cli.commands.job_plan", "print_plan")(
            source, wanted, timings=timings, as_json=as_json
        )
    )


@app.command(
    epilog="Example: rayexec bench --plot makespan.png\n\n"
    "Exit code: 0 all was measured; 1 a run failed or was interrupted; 2 a mistake in what was "
    "given.",
)
def bench(
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster to measure, such as 10.0.0.5:6379 or auto. Without it, a Ray is "
            "started on this "
            "machine.",
        ),
    ] = None,
    max_concurrent: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Measure the makespan with N steps at once. May be repeated; not given: 1, 2, 4 "
            "and so on up to twice "
            "the CPUs of a machine, or up to the CPUs of a cluster.",
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
            "with --quick, and no "
            "more than a quarter of the store.",
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
            "matplotlib, which the extra "
            "named plot installs.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what steps, hops and large values cost on this machine or on a cluster."""
    raise typer.Exit(
        load("rayexec.cli.commands.bench.command", "bench_from_shell")(
            address=address,
            limits=tuple(max_concurrent or ()),
            steps=steps,
            megabytes=size,
            quick=quick,
            plot=plot,
            as_json=as_json,
        )
    )


def main() -> None:
    """Run the command line; the entry point of the ``rayexec`` script."""
    survive_closed_pipes()
    try:
        app()
    finally:
        # what is left goes with the process: Python would look through all of Ray's modules first
        gc.freeze()

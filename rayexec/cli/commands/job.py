"""Surface of ``rayexec job``: its commands, options and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rayexec.cli.execution_options import ExecutionOverrides, execution_options
from rayexec.cli.lazy import load
from rayexec.cli.parsing import RunOptions
from rayexec.cli.shared_options import (
    PANEL_RUN,
    AttributeOption,
    ConfigOption,
    FileOption,
    JobOption,
    JsonOption,
    ModuleOption,
    RunIdOption,
    SelectionOption,
    TagsOption,
)

__all__ = ["job_app"]

PANEL_CLUSTER = "The cluster"

job_app = typer.Typer(
    help="Run a job, or look at it.",
    no_args_is_help=True,
    epilog="Example: rayexec job plan -f my_job.py",
)


@job_app.command(
    epilog="Example: rayexec job execute -f jobs.py -j report -c run.yaml -o '*summary' "
    "--max-concurrent 4\n\n"
    "Ctrl-C asks the steps to end; after cancel_grace (5 s), or a second Ctrl-C, they are ended "
    "by force. From another shell or host it is: rayexec run cancel\n\n"
    "Exit code: 0 the run succeeded; 1 it failed or was interrupted; 2 it could not begin, for a "
    "mistake in what was given.",
)
@execution_options()
def execute(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    config: ConfigOption = None,
    op_selection: SelectionOption = None,
    tags: TagsOption = None,
    *,
    execution: ExecutionOverrides,
    run_id: RunIdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a job and wait for it; what ops print goes to standard output, progress to standard
    error.
    """
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    options = RunOptions(
        tuple(config or ()),
        tuple(op_selection or ()),
        tags,
        execution,
        run_id,
    )
    raise typer.Exit(
        load("rayexec.cli.commands.job_execute", "execute_from_shell")(
            source, options, as_json=as_json
        )
    )


@job_app.command(
    epilog="Example: rayexec job launch -f my_job.py --address http://head:8265 --pip "
    "pandas==2.2\n\n"
    "Exit code: 0 the run was launched or, with --wait, succeeded; 1 it could not be, or failed; "
    "2 a mistake in what was given; 130 --wait was ended by Ctrl-C, and the run continues.",
)
@execution_options(without={"address"})
def launch(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    config: ConfigOption = None,
    op_selection: SelectionOption = None,
    tags: TagsOption = None,
    *,
    execution: ExecutionOverrides,
    run_id: RunIdOption = None,
    home: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the run is recorded: a URI, or a directory, which the cluster and this "
            "machine reach by the same name. Not given: RAYEXEC_HOME where that is a URI, else "
            "where the cluster does.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Show what the run prints, and end as it does. Ctrl-C asks whether to cancel it "
            "or to leave it alone.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The dashboard of the cluster's head, such as http://10.0.0.5:8265. Without it, "
            "the run continues in the background on this machine.",
            rich_help_panel=PANEL_CLUSTER,
        ),
    ] = None,
    attach: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The Ray for the steps of a run that continues on this machine; auto is the one "
            "of cluster up.",
            rich_help_panel=PANEL_CLUSTER,
        ),
    ] = None,
    working_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory that is sent to the cluster; not given: that of the file, or this "
            "one for a module.",
            exists=True,
            file_okay=False,
            rich_help_panel=PANEL_CLUSTER,
        ),
    ] = None,
    pip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PACKAGE",
            help="A package to install for the run, as pip names it, such as pandas==2.2. May be "
            "repeated.",
            rich_help_panel=PANEL_CLUSTER,
        ),
    ] = None,
    runtime_env: Annotated[
        str | None,
        typer.Option(
            metavar="YAML",
            help="The run's Ray runtime environment: a YAML file, or a JSON object.",
            rich_help_panel=PANEL_CLUSTER,
        ),
    ] = None,
    send_rayexec: Annotated[
        bool,
        typer.Option(
            "--send-rayexec",
            help="Send this rayexec too, as a wheel that pip installs for the run; the cluster "
            "then needs none, and its own version does not count.",
            rich_help_panel=PANEL_CLUSTER,
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a run that outlives this command, on a cluster or on this machine, and print its id."""
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    options = RunOptions(
        tuple(config or ()),
        tuple(op_selection or ()),
        tags,
        execution,
        run_id,
    )
    cluster = load("rayexec.cli.commands.job_launch", "ClusterOptions")(
        address, working_dir, tuple(pip or ()), runtime_env, send_rayexec, attach
    )
    raise typer.Exit(
        load("rayexec.cli.commands.job_launch", "launch_from_shell")(
            source, options, cluster, store=home, wait=wait, as_json=as_json
        )
    )


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
            "the time of the next. By default the last recorded run that succeeded.",
            exists=True,
            dir_okay=False,
            readable=True,
            rich_help_panel=PANEL_RUN,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the plan of a run: each step's request to Ray, the limits and their holders, and the
    longest path.
    """
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    execution = {"max_concurrent": max_concurrent, "address": address}
    options = RunOptions(tuple(config or ()), tuple(op_selection or ()), None, execution)
    raise typer.Exit(
        load("rayexec.cli.commands.job_plan", "print_plan")(
            source, options, timings=timings, as_json=as_json
        )
    )

"""Commands of ``rayexec run`` with their options and help; each loads its body when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rayexec.cli.execution_options import ExecutionOverrides, execution_options
from rayexec.cli.lazy import load
from rayexec.cli.parsing import RunOptions
from rayexec.cli.shared_options import no_nan

__all__ = ["run_app"]

run_app = typer.Typer(
    help="Look at recorded runs, while they last and after.",
    no_args_is_help=True,
    epilog="Runs are recorded in the directory (or at the URI) of RAYEXEC_HOME; not set, in "
    "~/.rayexec.",
)

RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The run's id, or a unique beginning of it."),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="LOCATION",
        help="The directory or URI of the run store; not given: RAYEXEC_HOME.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output, for programs.")
]
LinesOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object a line on standard output, for programs."),
]
StepOption = Annotated[
    str | None,
    typer.Option(
        "--step", metavar="KEY", help="Only of this op, graph or step, such as load or load[2001]."
    ),
]
FollowOption = Annotated[
    bool,
    typer.Option("--follow", help="Add new lines as they come, until the run is over or Ctrl-C."),
]


@run_app.command("list", epilog="Example: rayexec run list --status FAILURE")
def list_(
    job: Annotated[
        str | None, typer.Option("--job", "-j", metavar="JOB", help="Only runs of this job.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="Only runs of this status: STARTED, SUCCESS, FAILURE or CANCELED.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the N newest.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List runs, the newest first."""
    raise typer.Exit(
        load("rayexec.cli.commands.run_list", "list_runs")(
            store, job=job, status=status, limit=limit, as_json=as_json
        )
    )


@run_app.command(epilog="Example: rayexec run show 3f2a")
def show(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Print a report on a run: its facts, its ops, and its failures."""
    raise typer.Exit(load("rayexec.cli.commands.run_show", "show_run")(store, run, as_json=as_json))


@run_app.command(epilog="Example: rayexec run events 3f2a --type STEP_FAILURE")
def events(
    run: RunArgument,
    step: StepOption = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Only events of this type, such as STEP_FAILURE. May be repeated.",
        ),
    ] = None,
    follow: FollowOption = False,
    store: StoreOption = None,
    as_json: LinesOption = False,
) -> None:
    """Print the events of a run in the order of the log, one a line."""
    raise typer.Exit(
        load("rayexec.cli.commands.run_events", "print_events")(
            store, run, step=step, kinds=tuple(kinds or ()), follow=follow, as_json=as_json
        )
    )


@run_app.command(epilog="Example: rayexec run logs 3f2a --step load --follow")
def logs(
    run: RunArgument,
    step: StepOption = None,
    follow: FollowOption = False,
    store: StoreOption = None,
    as_json: LinesOption = False,
) -> None:
    """Print the log lines of a run's ops, and their output on workers."""
    raise typer.Exit(
        load("rayexec.cli.commands.run_events", "print_logs")(
            store, run, step=step, follow=follow, as_json=as_json
        )
    )


@run_app.command(
    epilog="Example: rayexec run wait 3f2a --timeout 600\n\n"
    "Exit code: 0 the run succeeded; 1 it did not, or is not over after the timeout; 2 there is "
    "no such run.",
)
def wait(
    run: RunArgument,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0,
            callback=no_nan,
            metavar="SECONDS",
            help="How long to wait at most; not given: for ever.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until a run is over, and print its end."""
    raise typer.Exit(
        load("rayexec.cli.commands.run_wait", "wait_for")(
            store, run, timeout=timeout, as_json=as_json
        )
    )


@run_app.command(
    epilog="Example: rayexec run resume 3f2a\n\n"
    "Exit code: 0 the run succeeded; 1 it failed or was interrupted; 2 it could not begin, for a "
    "mistake in the options.",
)
@execution_options(is_resume=True)
def resume(
    run: RunArgument,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--step-selection",
            "-s",
            metavar="SELECTION",
            help="Run just these steps, done or not, with '*' or '+' for their neighbours, such as "
            "'load*', 'check[2001]*' or 'check[?]'. Separated by commas, or repeated.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="The file of the job, if it was moved.",
            dir_okay=False,
        ),
    ] = None,
    module: Annotated[
        str | None,
        typer.Option("--module", "-m", metavar="MODULE", help="The module of the job instead."),
    ] = None,
    attribute: Annotated[
        str | None,
        typer.Option("--attribute", "-a", metavar="ATTR", help="The attribute that is the job."),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", metavar="YAML", help="Run config, instead of the run's."),
    ] = None,
    *,
    execution: ExecutionOverrides,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also a run with the status STARTED, whose driver is gone with its host, or one "
            "that another run resumes or has resumed.",
        ),
    ] = False,
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="The id of the new run.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Continue a run that failed or was canceled, in a new run that reuses its outputs.

    A run that was launched on a cluster continues there, unless --address names another one.
    """
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute)
    wanted = RunOptions(tuple(config or ()), execution=execution, run_id=run_id)
    resume_from_shell = load("rayexec.cli.commands.run_resume", "resume_from_shell")
    raise typer.Exit(
        resume_from_shell(
            store, run, source, wanted, steps=tuple(steps or ()), force=force, as_json=as_json
        )
    )


@run_app.command(
    epilog="Example: rayexec run cancel 3f2a --timeout 60\n\n"
    "Exit code: 0 all runs are canceled (or asked, with --no-wait); 1 one ended otherwise, or is "
    "not over after the timeout; 2 there is no such run.",
)
def cancel(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their beginnings.")
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="End the steps at once, rather than after the run's cancel_grace (5 s)."
        ),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the runs are over.")
    ] = True,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0,
            callback=no_nan,
            metavar="SECONDS",
            help="How long to wait at most; not given: for ever.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """End runs, also on another host: ask their steps to end, and kill them after a while."""
    command = load("rayexec.cli.commands.run_cancel", "cancel_runs")
    raise typer.Exit(
        command(store, tuple(runs), force=force, wait=wait, timeout=timeout, as_json=as_json)
    )


@run_app.command(
    epilog="Example: rayexec run delete 3f2a 77b0\n\n"
    "Example: rayexec run delete --job daily --status FAILURE --older-than 30 --keep 10\n\n"
    "By --job, --status, --older-than and --keep, a run goes that has all the given properties "
    "and is over. Runs stay that a running one was resumed from. On a terminal the command shows "
    "them and asks before it removes them.",
)
def delete(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Ids of runs, or their beginnings."),
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", "-j", metavar="JOB", help="All runs of this job.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="All runs of this status: SUCCESS, FAILURE, CANCELED or UNREADABLE.",
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than",
            min=0,
            callback=no_nan,
            metavar="DAYS",
            help="All runs that ended before so many days.",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="All but the N newest runs, of the job and status if they are given.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the runs that would go.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also a run that is not over, by its id.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the records of runs, by their ids or by job, status and age."""
    retention = load("rayexec.views.run_retention", "Retention")(job, status, older_than, keep)
    delete_runs = load("rayexec.cli.commands.run_delete", "delete_runs")
    raise typer.Exit(
        delete_runs(
            store,
            tuple(runs or ()),
            retention,
            force=force,
            dry_run=dry_run,
            yes=yes,
            as_json=as_json,
        )
    )


@run_app.command(
    epilog="Example: rayexec run export 3f2a --html run.html --parquet run.parquet --chrome-trace "
    "run.json\n\n"
    "A page has a chart of all attempts by worker, the critical path, and the logs; it needs no "
    "other file. A Parquet file has a row for each attempt. A trace opens in "
    "https://ui.perfetto.dev or chrome://tracing.",
)
def export(
    run: RunArgument,
    parquet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a table of all attempts.", dir_okay=False),
    ] = None,
    chrome_trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a trace of all attempts.", dir_okay=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page for a browser.", dir_okay=False),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write a run as a page, or into files for other tools."""
    raise typer.Exit(
        load("rayexec.cli.commands.run_export", "export_run")(
            store, run, parquet=parquet, chrome_trace=chrome_trace, html=html
        )
    )

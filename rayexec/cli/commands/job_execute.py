"""``job execute``: a run from the shell, watched, reported, and turned into an exit code."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from typing import TextIO

from rich.console import Console

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection, parse_tags
from rayexec.cli.render.lines import EventLines
from rayexec.cli.render.live import LiveView
from rayexec.cli.render.run_lines import closing_line
from rayexec.cli.render.tables import summary_table
from rayexec.cli.render.watch import Watch
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import descriptor_of, results_on_stdout, say
from rayexec.cluster import releasing
from rayexec.config.files import read_run_config
from rayexec.events import RunStatus
from rayexec.execute import ReexecutionOptions, RunResult, execute_job
from rayexec.launch.job_file import JobSource, load_job
from rayexec.launch.launcher_versions import compare_with_launcher
from rayexec.views.failures import failure_text
from rayexec.views.run_report import outcome
from rayexec.views.run_summary import steps_in_order, summarise

__all__ = ["execute_from_shell", "run_from_shell"]


@with_exit_code
def execute_from_shell(source: JobSource, wanted: RunOptions, *, as_json: bool) -> int:
    """Run a job, show how it goes, and return the exit code."""
    return run_from_shell(source, wanted, as_json=as_json)


def run_from_shell(
    source: JobSource,
    wanted: RunOptions,
    *,
    as_json: bool,
    options: ReexecutionOptions | None = None,
    store: str | None = None,
) -> int:
    """Run a job, by ``options`` from where another run ended, show how it goes, and return the exit
    code.
    """
    if (warning := compare_with_launcher()) is not None:
        say(warning)
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(results_on_stdout()) if as_json else None
        release = releasing()
        tags = parse_tags(wanted.tags)
        selection = parse_selection(wanted.op_selection)
        config = (
            None if options is not None and not wanted.config else read_run_config(wanted.config)
        )
        job = load_job(source)
        on_terminal = _is_terminal(sys.stderr)
        signals = stack.enter_context(EndingSignals())
        watch = LiveView(job.name, signals) if on_terminal else EventLines(signals)
        _silence_logger()
        try:
            with watch:
                result = execute_job(
                    job,
                    config,
                    op_selection=selection,
                    tags=tags,
                    address=wanted.address,
                    run_id=wanted.run_id,
                    max_concurrent=wanted.max_concurrent,
                    keep_outputs="none",  # nobody reads them once the command is over
                    observer=watch,
                    durable=wanted.durable or None,
                    cache=wanted.cache,
                    store=store,
                    origin=_origin(source, wanted, job.name),
                    reexecution_options=options,
                )
            _report(result, watch, results, on_terminal=on_terminal)
        except (KeyboardInterrupt, SystemExit) as error:
            if (
                isinstance(error, SystemExit) and error.code != signal.SIGTERM
            ):  # Ray's, for one while it starts
                raise
            complain(
                "Interrupted before the run began."
                if watch.spec is None
                else "Interrupted; the run was cut off."
            )
            return FAILED
        finally:
            signals.ignore()  # Ray is being stopped, which must not stop half-way
            release()
        return SUCCEEDED if result.success else FAILED


def _is_terminal(stream: TextIO) -> bool:
    """Whether a live view can be drawn on a stream."""
    descriptor = descriptor_of(stream)
    return (
        descriptor == 2
        and os.isatty(descriptor)
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    )


def _silence_logger() -> None:
    # The lines that ops log are shown as events; Python's own handlers would show them a second
    # time.
    logger = logging.getLogger("rayexec")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def _report(result: RunResult, watch: Watch, results: TextIO | None, *, on_terminal: bool) -> None:
    """Print the result, and where the run failed end on why."""
    sys.stdout.flush()
    if results is not None:
        results.write(f"{json.dumps(outcome(result), indent=2)}\n")
    elif on_terminal:
        _print_summary(result, watch)
    if result.status == RunStatus.FAILURE or (
        result.status == RunStatus.CANCELED and not (on_terminal and results is None)
    ):
        if result.is_recorded:  # before why it failed, so that this stands last
            sys.stderr.write(f"To look at it again: rayexec run show {result.run_id}\n")
            sys.stderr.write(f"To go on from there: rayexec run resume {result.run_id}\n")
        complain(failure_text(result))


def _origin(source: JobSource, wanted: RunOptions, job: str) -> dict[str, str]:
    """Return where a job came from, and what a run that goes on from this one has to know of how it
    was wanted.
    """
    file = source.file
    known = {
        "file": str(file.absolute()) if file is not None else None,
        "module": source.module,
        "attribute": source.attribute,
        "job": job,
        "max_concurrent": None if wanted.max_concurrent is None else str(wanted.max_concurrent),
        "address": wanted.address,
        "durable": "true" if wanted.durable else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _print_summary(result: RunResult, watch: Watch) -> None:
    console = Console(stderr=True, highlight=False)
    if watch.spec is not None and watch.log is not None:
        console.print()
        console.print(summary_table(steps_in_order(summarise(watch.log), watch.spec.plan)))
        console.print()
    style = {RunStatus.SUCCESS: "green", RunStatus.FAILURE: "red"}.get(result.status, "yellow")
    console.print(closing_line(result), style=style, soft_wrap=True)

"""Body of ``job execute``, and of ``run resume`` on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from typing import TextIO

from rich.console import Console

from rayexec.cli.execution_options import inherited_origin
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
from rayexec.config.yaml_files import read_run_config
from rayexec.events import RunStatus
from rayexec.execute import ReexecutionOptions, RunResult, execute_job
from rayexec.launch.job_file import JobSource, load_job
from rayexec.launch.launcher_versions import compare_with_launcher
from rayexec.strict_json import json_text
from rayexec.views.failures import failure_text
from rayexec.views.run_report import outcome
from rayexec.views.run_summary import steps_in_order, summarise

__all__ = ["execute_from_shell", "run_from_shell"]


@with_exit_code
def execute_from_shell(source: JobSource, options: RunOptions, *, as_json: bool) -> int:
    """Run a job, show its progress, and return the exit code."""
    return run_from_shell(source, options, as_json=as_json)


def run_from_shell(
    source: JobSource,
    options: RunOptions,
    *,
    as_json: bool,
    reexecution: ReexecutionOptions | None = None,
    store: str | None = None,
) -> int:
    """Run a job, or resume a run, with its progress on the terminal; return the exit code."""
    if (warning := compare_with_launcher()) is not None:
        say(warning)
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(results_on_stdout()) if as_json else None
        release = releasing()
        tags = parse_tags(options.tags)
        selection = parse_selection(options.op_selection)
        config = (
            None
            if reexecution is not None and not options.config
            else read_run_config(options.config)
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
                    run_id=options.run_id,
                    observer=watch,
                    store=store,
                    origin=_origin(source, options, job.name),
                    reexecution_options=reexecution,
                    # Nobody reads the outputs once the command is over.
                    **{"keep_outputs": "none", **options.execution},
                )
            _report(result, watch, results, on_terminal=on_terminal)
        except (KeyboardInterrupt, SystemExit) as error:
            # Ray exits so at its start, if SIGTERM comes then.
            if isinstance(error, SystemExit) and error.code != signal.SIGTERM:
                raise
            complain(
                "Interrupted before the run began."
                if watch.spec is None
                else "Interrupted; the run was cut off."
            )
            return FAILED
        finally:
            signals.ignore()  # the stop of Ray must not end half-way
            release()
        return SUCCEEDED if result.success else FAILED


def _is_terminal(stream: TextIO) -> bool:
    """Whether a stream can show a live view."""
    descriptor = descriptor_of(stream)
    return (
        descriptor == 2
        and os.isatty(descriptor)
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    )


def _silence_logger() -> None:
    # Lines of ops' logs appear as events. Python's own handlers would print them again.
    logger = logging.getLogger("rayexec")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def _report(result: RunResult, watch: Watch, results: TextIO | None, *, on_terminal: bool) -> None:
    """Print the result, and the reason of a failure last."""
    sys.stdout.flush()
    if results is not None:
        results.write(f"{json_text(outcome(result), indent=2)}\n")
    elif on_terminal:
        _print_summary(result, watch)
    if result.status == RunStatus.FAILURE or (
        result.status == RunStatus.CANCELED and not (on_terminal and results is None)
    ):
        if result.is_recorded:  # before the reason, which comes last
            sys.stderr.write(f"To look at it again: rayexec run show {result.run_id}\n")
            sys.stderr.write(f"To continue from there: rayexec run resume {result.run_id}\n")
        complain(failure_text(result))


def _origin(source: JobSource, options: RunOptions, job: str) -> dict[str, str]:
    """Return the source of a job, and the options that a resumed run takes over."""
    file = source.file
    origin = {
        "file": str(file.absolute()) if file is not None else None,
        "module": source.module,
        "attribute": source.attribute,
        "job": job,
        **inherited_origin(options.execution),
    }
    return {name: value for name, value in origin.items() if value is not None}


def _print_summary(result: RunResult, watch: Watch) -> None:
    console = Console(stderr=True, highlight=False)
    if watch.spec is not None and watch.log is not None:
        console.print()
        console.print(summary_table(steps_in_order(summarise(watch.log), watch.spec.plan)))
        console.print()
    style = {RunStatus.SUCCESS: "green", RunStatus.FAILURE: "red"}.get(result.status, "yellow")
    console.print(closing_line(result), style=style, soft_wrap=True)

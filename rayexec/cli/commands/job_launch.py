"""Body of ``job launch``, and of ``run resume`` for a run that a cluster drove."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rayexec.cli.exit_codes import INTERRUPTED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection, parse_tags
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.launch.attach import attach
from rayexec.launch.job_file import JobSource
from rayexec.launch.launch_request import LaunchRequest
from rayexec.launch.launched_run import LaunchedRun
from rayexec.launch.launching import launch_job, new_run_id, resume_on_cluster
from rayexec.launch.notes import LaunchNote

__all__ = ["ClusterOptions", "launch_from_shell", "resume_from_shell_on_cluster"]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Options of a launch on a cluster."""

    address: str | None = None
    working_dir: Path | None = None
    pip: tuple[str, ...] = ()
    runtime_env: str | Mapping[str, Any] | None = None
    send_rayexec: bool = False
    #: The Ray that a driver on this machine attaches to.
    attach: str | None = None


@with_exit_code
def launch_from_shell(
    source: JobSource,
    options: RunOptions,
    cluster: ClusterOptions,
    *,
    store: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Launch a run, print its id, and with ``wait`` its output; return the exit code."""
    with results_on_stdout() as results:
        run = launch_job(
            source.file,
            module=source.module,
            attribute=source.attribute,
            job=source.job,
            config_files=options.config,
            op_selection=parse_selection(options.op_selection),
            tags=parse_tags(options.tags),
            run_id=options.run_id,
            store=store,
            address=cluster.address,
            attach=cluster.attach,
            working_dir=cluster.working_dir,
            pip=cluster.pip,
            runtime_env=cluster.runtime_env,
            send_rayexec=cluster.send_rayexec,
            say=say,
            **options.execution,
        )
        return _report(results, run, wait=wait, as_json=as_json)


def resume_from_shell_on_cluster(
    former: LaunchNote,
    source: JobSource,
    options: RunOptions,
    steps: tuple[str, ...],
    *,
    force: bool,
    as_json: bool,
) -> int:
    """Resume a run on the cluster that drove it, and show it until its end."""
    with results_on_stdout() as results:
        request = LaunchRequest(
            source,
            options.run_id or new_run_id(),
            config_files=options.config,
            op_selection=tuple(parse_selection(options.op_selection) or ()),
            tags=parse_tags(options.tags),
            execution=options.execution,
            step_selection=steps,
            is_forced=force,
        )
        return _report(results, resume_on_cluster(former, request, say), wait=True, as_json=as_json)


def _report(results: TextIO, run: LaunchedRun, *, wait: bool, as_json: bool) -> int:
    """Print the id of a run, or its details as JSON; return the exit code."""
    details = run.driver.describe()
    if not as_json:
        results.write(f"{run.run_id}\n")
        results.flush()
    if not wait:
        if as_json:
            write_json(results, details)
        return SUCCEEDED
    end = attach(run, sys.stderr if as_json else results)
    for explanation in () if end is None else end.explanations:
        complain(explanation)
    code = INTERRUPTED if end is None else end.exit_code
    if as_json:
        write_json(results, {**details, "exit_code": code})
    return code

"""Resume of a run in a process of its own, on this machine or on the cluster that drove it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rayexec.execute import ReexecutionOptions
from rayexec.execute.resume import find_parent
from rayexec.launch.job_file import JobSource
from rayexec.launch.launch_request import LaunchRequest
from rayexec.launch.launched_run import LaunchedRun, locate_recorded
from rayexec.launch.launching import new_run_id, resume_here, resume_on_cluster
from rayexec.launch.local_driver import Spares
from rayexec.launch.notes import (
    find_note_by_prefix,
    note_directory,
    run_config_path,
)
from rayexec.launch.resumed_source import check_origin, source_of_run
from rayexec.private_directory import open_private
from rayexec.store import RunRecord

__all__ = ["resume_job"]


def resume_job(
    run_id: str,
    *,
    steps: Sequence[str] = (),
    config_text: str | None = None,
    source: JobSource | None = None,
    store: str | None = None,
    attach: str | None = None,
    spares: Spares | None = None,
    is_forced: bool = False,
    say: Callable[[str], object] | None = None,
) -> LaunchedRun:
    """Continue a run in a new one that another process drives, and return at once.

    Without ``steps``, clauses over step keys, the steps without success run. ``config_text`` is run
    config as YAML, in home of that of the run. ``source`` names the code only if the record of the
    run may not. ``attach`` and ``spares`` are as for ``launch_job``. A run that was launched
    on a cluster continues there.

    Raises RunNotFoundError, InvariantError if the run cannot be resumed, LoadError without its
    code, and EngineError if no process starts.
    """
    note = find_note_by_prefix(run_id) if store is None else None
    request = LaunchRequest(JobSource(), new_run_id(), step_selection=tuple(steps))
    if config_text is not None:
        request = _with_config(request, config_text)
    if note is not None and note.address is not None:
        return resume_on_cluster(note, request, say or (lambda _: None))
    former = locate_recorded(store, run_id)
    options = (
        ReexecutionOptions(former.run_id, tuple(steps), is_forced=is_forced)
        if steps
        else ReexecutionOptions.from_failure(former.run_id, is_forced=is_forced)
    )
    # What forbids it must surface here, and not in the log of a process.
    parent = find_parent(options, former.store)
    given = JobSource()
    if not parent.is_own:
        given = source or given
        check_origin(parent.record, given, has_address=attach is not None)
    elif not _is_code_there(parent.record):
        given = source or given
    if given.file is None and given.module is None and "module" not in parent.record.origin:
        source_of_run(parent.record, given)
    home = store or (note.store if note is not None else None) or str(former.store)
    return resume_here(
        former.run_id,
        replace(request, source=given, store=home),
        say,
        attach=attach,
        spares=spares,
        origin=parent.record.origin,
    )


def _is_code_there(record: RunRecord) -> bool:
    origin = record.origin
    return "module" in origin or ("file" in origin and Path(origin["file"]).exists())


def _with_config(request: LaunchRequest, text: str) -> LaunchRequest:
    """Return the request with run config in a file of this user alone."""
    note_directory()
    path = run_config_path(request.run_id)
    with open(path, "w", opener=open_private, encoding="utf-8") as file:
        file.write(text)
    return replace(request, config_files=(str(path),))

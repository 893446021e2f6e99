"""``run resume``: going on from a run that was recorded."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rayexec.cli.commands.job_execute import run_from_shell
from rayexec.cli.execution_options import inherited_overrides
from rayexec.cli.exit_codes import with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection
from rayexec.errors import LoadError
from rayexec.execute import ReexecutionOptions
from rayexec.execute.resume import find_parent
from rayexec.launch.job_file import JobSource
from rayexec.launch.launched_run import locate_recorded
from rayexec.launch.notes import find_note_by_prefix
from rayexec.store import RunRecord

__all__ = ["resume_from_shell"]


@with_exit_code
def resume_from_shell(
    place: str | None,
    run_id: str,
    given: JobSource,
    wanted: RunOptions,
    *,
    steps: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> int:
    """Run what a run did not get to, or ``steps`` of it, show how it goes, and return the exit
    code.
    """
    launched = find_note_by_prefix(run_id) if place is None else None
    if launched is not None and launched.address is not None and "address" not in wanted.execution:
        from rayexec.cli.commands.job_launch import resume_from_shell_on_cluster

        return resume_from_shell_on_cluster(launched, given, wanted, steps, as_json=as_json)
    store = locate_recorded(place, run_id).store
    if launched is not None:
        place = launched.store
    selection = parse_selection(steps)
    options = (
        ReexecutionOptions.from_failure(run_id, is_forced=force)
        if selection is None
        else ReexecutionOptions(run_id, tuple(selection), is_forced=force)
    )
    # Before the job's file is imported, which runs what is in it.
    record = find_parent(options, store).record
    options = replace(options, parent_run_id=record.run_id)
    source = _source(record, given)
    origin = record.origin
    wanted = replace(wanted, execution={**inherited_overrides(origin), **wanted.execution})
    return run_from_shell(source, wanted, as_json=as_json, reexecution=options, store=place)


def _source(record: RunRecord, given: JobSource) -> JobSource:
    """Return where the run's job is: where it was, unless another place is given."""
    origin = record.origin
    attribute = given.attribute or origin.get("attribute")
    if given.file is not None or given.module is not None:
        return replace(given, attribute=given.attribute, job=given.job or record.job_name)
    if "file" in origin:
        file = Path(origin["file"])
        if not file.exists():
            raise LoadError(
                f"the file of run {record.run_id}, {file}, is not there any more: say where the "
                f"job is now with -f."
            )
        return JobSource(file, attribute=attribute, job=None if attribute else record.job_name)
    if "module" in origin:
        directory = origin.get("directory")
        if directory is not None and directory not in sys.path:
            sys.path.insert(0, directory)
        return JobSource(
            module=origin["module"], attribute=attribute, job=None if attribute else record.job_name
        )
    raise LoadError(
        f"it is not known where the job of run {record.run_id} came from: say so with -f FILE or "
        f"-m MODULE."
    )

"""``rayexec run resume``: a new run that continues a recorded one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rayexec.cli.commands.job_execute import run_from_shell
from rayexec.cli.commands.job_launch import resume_from_shell_on_cluster
from rayexec.cli.execution_options import inherited_overrides
from rayexec.cli.exit_codes import with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection
from rayexec.cli.streams import say
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
    location: str | None,
    run_id: str,
    given: JobSource,
    wanted: RunOptions,
    *,
    steps: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> int:
    """Run the unfinished steps of a run, or ``steps`` of it; return the exit code.

    ``given`` replaces the source of the job that the run has in its record.
    """
    launched = find_note_by_prefix(run_id) if location is None else None
    if launched is not None and launched.address is not None and "address" not in wanted.execution:
        return resume_from_shell_on_cluster(
            launched, given, wanted, steps, force=force, as_json=as_json
        )
    store = locate_recorded(location, run_id).store
    if launched is not None:
        location = launched.store
    selection = parse_selection(steps)
    options = (
        ReexecutionOptions.from_failure(run_id, is_forced=force)
        if selection is None
        else ReexecutionOptions(run_id, tuple(selection), is_forced=force)
    )
    # An import of the job's file runs it, so mistakes in the options must surface before.
    parent = find_parent(options, store)
    record = parent.record
    options = replace(options, parent_run_id=record.run_id)
    if not parent.is_own:
        _ask_for_origin(record, given, wanted)
    source = _source(record, given)
    wanted = replace(wanted, execution={**inherited_overrides(record.origin), **wanted.execution})
    say(f"Importing {_in_words(source)}, to continue run {record.run_id}.")
    return run_from_shell(source, wanted, as_json=as_json, reexecution=options, store=location)


def _ask_for_origin(record: RunRecord, given: JobSource, wanted: RunOptions) -> None:
    """Raise LoadError for what only a record of somebody else, or of another host, would tell.

    Its file would run as this user, and its address would get this user's token.
    """
    origin, lacking = record.origin, []
    if given.file is None and given.module is None:
        recorded = origin.get("file") or origin.get("module")
        named = f" (it names {recorded})" if recorded else ""
        lacking.append(f"the job's code with -f FILE or -m MODULE{named}")
    if "address" in origin and "address" not in wanted.execution:
        lacking.append(
            f"the cluster with --address (it names {origin['address']}), or --address local for a "
            "Ray of this run alone"
        )
    if lacking:
        raise LoadError(
            f"nothing shows that you recorded run {record.run_id} on this host, so its record may "
            f"not choose code to import or a cluster to trust. Name {'; and '.join(lacking)}."
        )


def _in_words(source: JobSource) -> str:
    """Return the file or module that is about to be imported."""
    return str(source.file.absolute()) if source.file is not None else source.container


def _source(record: RunRecord, given: JobSource) -> JobSource:
    """Return the source of the run's job: the given one, else the recorded one."""
    origin = record.origin
    attribute = given.attribute or origin.get("attribute")
    if given.file is not None or given.module is not None:
        return replace(given, attribute=given.attribute, job=given.job or record.job_name)
    job = None if attribute else record.job_name
    if "file" in origin:
        file = Path(origin["file"])
        if not file.exists():
            raise LoadError(
                f"the file of run {record.run_id}, {file}, is not there any more: say where the "
                f"job is now with -f."
            )
        return JobSource(file, attribute=attribute, job=job)
    if "module" in origin:
        directory = origin.get("directory")
        if directory is not None and directory not in sys.path:
            sys.path.insert(0, directory)
        return JobSource(module=origin["module"], attribute=attribute, job=job)
    raise LoadError(
        f"the record of run {record.run_id} does not say where its job is: name it with -f FILE "
        f"or -m MODULE."
    )

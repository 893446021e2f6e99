"""``rayexec run resume``: a new run that continues a recorded one."""

from __future__ import annotations

from dataclasses import replace

from rayexec.cli.commands.job_execute import run_from_shell
from rayexec.cli.commands.job_launch import resume_from_shell_on_cluster
from rayexec.cli.execution_options import inherited_overrides
from rayexec.cli.exit_codes import with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection
from rayexec.cli.streams import say
from rayexec.execute import ReexecutionOptions
from rayexec.execute.resume import find_parent
from rayexec.launch.job_file import JobSource
from rayexec.launch.launched_run import locate_recorded
from rayexec.launch.notes import find_note_by_prefix
from rayexec.launch.resumed_source import check_origin, source_of_run

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
        check_origin(record, given, has_address="address" in wanted.execution)
    source = source_of_run(record, given)
    wanted = replace(wanted, execution={**inherited_overrides(record.origin), **wanted.execution})
    say(f"Importing {_in_words(source)}, to continue run {record.run_id}.")
    return run_from_shell(source, wanted, as_json=as_json, reexecution=options, store=location)


def _in_words(source: JobSource) -> str:
    """Return the file or module that is about to be imported."""
    return str(source.file.absolute()) if source.file is not None else source.container

"""``rayexec run delete``: removal of recorded and launched runs, by id or by rule."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

import typer

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.printable import printable_line
from rayexec.cli.render.run_rows import run_rows
from rayexec.cli.render.tables import results_console
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.errors import RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.launch.launched_run import LaunchedRun, locate
from rayexec.launch.monitor import add_launched_runs
from rayexec.launch.notes import RecordedRun
from rayexec.launch.removal import is_running, remove_note, remove_run
from rayexec.store import RunRecord, RunStore, default_store, settled, store_at
from rayexec.views.quantities import counted
from rayexec.views.run_retention import Retention

__all__ = ["delete_runs"]


@with_exit_code
def delete_runs(
    location: str | None,
    run_ids: Sequence[str],
    retention: Retention,
    *,
    force: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove the runs of these ids, or those that ``retention`` chooses."""
    if run_ids and retention.is_given:
        complain("give ids of runs, or say which by --job, --status, --older-than and --keep.")
        return USAGE
    if run_ids:
        if dry_run:
            complain("--dry-run shows what --job, --status, --older-than and --keep choose.")
            return USAGE
        return _delete_by_id(location, run_ids, force=force, as_json=as_json)
    if not retention.is_given:
        complain(
            "say what to remove: ids of runs, or --job, --status, --older-than and --keep, which "
            "may be combined."
        )
        return USAGE
    status = None if retention.status is None else retention.status.upper()
    if status is not None and status not in set(RunStatus):
        complain(f"there is no status {retention.status!r}: it is one of {', '.join(RunStatus)}.")
        return USAGE
    if force or status == RunStatus.STARTED:
        complain("a run that is not over is removed by its id alone, with --force.")
        return USAGE
    return _delete_by_rule(location, retention, dry_run=dry_run, yes=yes, as_json=as_json)


def _delete_by_id(
    location: str | None, run_ids: Sequence[str], *, force: bool, as_json: bool
) -> int:
    """Remove runs: all of them, or none if one is missing or, without ``force``, not over."""
    with results_on_stdout() as results:
        runs: dict[str, RecordedRun | LaunchedRun] = {}
        for run_id in run_ids:
            run = locate(location, run_id)
            runs[run.run_id] = run
        if not force and (running := [each for each, run in runs.items() if is_running(run)]):
            complain(
                f"not removed, since not over: {', '.join(running)}. Remove it all the same with "
                f"--force."
            )
            return USAGE
        for run in runs.values():
            remove_run(run, has_note=location is None)
        if as_json:
            write_json(results, {"deleted": list(runs)})
        else:
            results.writelines(f"Removed run {run_id}.\n" for run_id in runs)
    return SUCCEEDED


def _delete_by_rule(
    location: str | None, retention: Retention, *, dry_run: bool, yes: bool, as_json: bool
) -> int:
    """Remove the runs that ``retention`` chooses; on a terminal ask before."""
    with results_on_stdout() as results:
        store = default_store() if location is None else store_at(location)
        choice = retention.choose(_records(store, is_default=location is None))
        chosen = choice.removed
        if choice.in_use:
            say(f"{counted(len(choice.in_use), 'run')} in use by a run that is not over: left.")
        count = counted(len(chosen), "run")
        asks = not (dry_run or yes or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
        if chosen and (dry_run or asks) and not as_json:
            console = results_console(results)
            results.writelines(f"{line}\n" for line in run_rows(chosen, console))
            results.flush()
        if dry_run:
            ids = [record.run_id for record in chosen]
            _conclude(results, {"would_delete": ids}, f"Would remove {count}.", as_json=as_json)
            return SUCCEEDED
        if chosen and asks and not typer.confirm(f"Remove {count}?", err=True):
            say("Removed nothing.")
            return FAILED
        deleted, has_failed = [], False
        for record in chosen:
            try:
                if not _delete_recorded(store, record):
                    continue
            except StoreError as error:
                complain(str(error))
                has_failed = True
                continue
            if location is None:
                remove_note(record.run_id)
            deleted.append(record.run_id)
            if not as_json:
                name = printable_line(record.job_name)
                results.write(f"Removed run {record.run_id} ({name}, {record.status}).\n")
        count = counted(len(deleted), "run")
        _conclude(results, {"deleted": deleted}, f"Removed {count} of {store}.", as_json=as_json)
    return FAILED if has_failed else SUCCEEDED


def _records(store: RunStore, *, is_default: bool) -> list[RunRecord]:
    """Return the records of a store, the newest first, as a list of runs shows them."""
    records = [settled(record) for record in store.list()]
    if not is_default:
        return records
    run_ids = {record.run_id for record in records}
    return [each for each in add_launched_runs(records) if each.run_id in run_ids]


def _delete_recorded(store: RunStore, record: RunRecord) -> bool:
    """Remove a run; return whether it was there still, and over."""
    try:
        reader = store.open(record.run_id)
        if reader.run_id != record.run_id:  # It is gone, and its id begins that of another run.
            return False
        if record.status != RunStatus.UNREADABLE and reader.record().start_time != (
            record.start_time
        ):  # A new run has its id.
            return False
        store.delete(record.run_id)
    except RunNotFoundError:
        return False
    return True


def _conclude(results: TextIO, document: dict[str, list[str]], text: str, *, as_json: bool) -> None:
    if as_json:
        write_json(results, document)
    else:
        results.write(f"{text}\n")

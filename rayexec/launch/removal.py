"""Removal of runs by their ids, of their records and of the notes of their launch."""

from __future__ import annotations

from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.launch.launched_run import LaunchedRun
from rayexec.launch.notes import RecordedRun, find_note
from rayexec.store import current

__all__ = ["is_running", "remove_note", "remove_run"]


def is_running(run: RecordedRun | LaunchedRun) -> bool:
    """Whether a run is not over, as far as anybody knows."""
    if isinstance(run, LaunchedRun):
        return run.status == RunStatus.STARTED
    try:
        return current(run.reader).status == RunStatus.STARTED
    except StoreError:  # An unreadable run may be removed.
        return False


def remove_run(run: RecordedRun | LaunchedRun, *, has_note: bool) -> None:
    """Remove a run with its values; with ``has_note`` also the note of its launch from here."""
    if isinstance(run, RecordedRun):
        run.store.delete(run.run_id)
    if has_note:
        remove_note(run.run_id)


def remove_note(run_id: str) -> None:
    """Remove the note of a launch, if there is one."""
    if (note := find_note(run_id)) is not None:
        note.remove()

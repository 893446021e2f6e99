"""Claim on a run before another one resumes it, so that its steps don't run twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rayexec.errors import InvariantError, RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.run.process_identity import ProcessIdentity

if TYPE_CHECKING:
    from rayexec.store import RunStore
    from rayexec.store.resumes import ResumeNote

__all__ = ["ResumeClaim", "check_not_resumed"]

_RECORD_WITHIN_S = 60.0  # from the claim to the record of the run that resumes
_NUMBERS_TRIED = 8
_FORCE = "To resume it all the same, so that steps may run twice: --force (is_forced=True)."


class ResumeClaim:
    """The note of a run that resumes ``run_id``.

    Raises InvariantError if another run does so, or did so with success, and StoreError.
    """

    def __init__(
        self, store: RunStore, run_id: str, by: str, *, is_recorded: bool, is_forced: bool
    ) -> None:
        from rayexec.store.resumes import ResumeNote

        self._store = store
        self._run_id = run_id
        self._note: ResumeNote | None = None
        if not hasattr(store, "add_resume"):  # a store of somebody's own, without such notes
            return
        # One look for both: a note that comes in between must have the number of this one.
        notes = store.resumes(run_id)
        if not is_forced:
            _check(store, run_id, notes)
        following = 1 + max((note.ordinal for note in notes), default=0)
        # What is no note may lie under a number; then the next one is free.
        for tried in range(following, following + _NUMBERS_TRIED):
            note = ResumeNote(tried, by, ProcessIdentity.here(), time.time(), is_recorded)
            if store.add_resume(run_id, note):
                self._note = note
                if not is_forced:
                    self._check_alone(note, {earlier.ordinal for earlier in notes})
                return
            if any(note.ordinal == tried for note in store.resumes(run_id)):
                break
        raise InvariantError(_at_once(run_id))

    def _check_alone(self, note: ResumeNote, earlier: set[int]) -> None:
        """Give way to a claim under another number, which a store without exclusive names allows.

        Both of two such claims may give way, but not neither: each looks behind its own note.
        """
        others = [
            other for other in self._store.resumes(self._run_id) if other.ordinal != note.ordinal
        ]
        try:
            _check(self._store, self._run_id, others)
            # What came meanwhile and is no note yet is one that somebody still writes.
            if any(not other.run_id and other.ordinal not in earlier for other in others):
                raise InvariantError(_at_once(self._run_id))
        except InvariantError:
            self.release()
            raise

    def release(self) -> None:
        """Remove the note; raises StoreError."""
        if self._note is not None:
            self._store.remove_resume(self._run_id, self._note)


def check_not_resumed(store: RunStore, run_id: str) -> None:
    """Raise InvariantError if another run resumes a run, or has done so with success.

    After a failed one it may be resumed again, and so it may if the driver of one died.
    """
    if hasattr(store, "resumes"):
        _check(store, run_id, store.resumes(run_id))


def _at_once(run_id: str) -> str:
    return f"another process begins to resume run {run_id} at this moment: see rayexec run list."


def _check(store: RunStore, run_id: str, notes: Sequence[ResumeNote]) -> None:
    for note in notes:
        state = _state_of(store, note)
        if state is not None:
            raise InvariantError(f"run {run_id} {state}. {_FORCE}")


def _state_of(store: RunStore, note: ResumeNote) -> str | None:
    """Return the reason against another resumption beside that of ``note``; None without any."""
    from rayexec.store import current

    where = f"process {note.driver.pid} on {note.driver.host}"
    try:
        reader = store.open(note.run_id)
        record = current(reader) if reader.run_id == note.run_id else None
    except RunNotFoundError:
        record = None
    except StoreError as error:
        return f"is or was resumed by run {note.run_id}, which cannot be read ({error})"
    if record is None:
        # Its driver is about to record it, or somebody removed the record.
        is_open = time.time() - note.time < _RECORD_WITHIN_S if note.is_recorded else True
        is_about_to = is_open and not note.driver.is_gone()
        return f"is being resumed by run {note.run_id} ({where})" if is_about_to else None
    if record.status == RunStatus.STARTED:
        return f"is being resumed by run {note.run_id} ({where})"
    if record.status == RunStatus.SUCCESS:
        return f"was resumed with success by run {note.run_id}"
    return None

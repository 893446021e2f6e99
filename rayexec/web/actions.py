"""Actions on a run: which are possible now, and the reasons against the others."""

from __future__ import annotations

from rayexec.events import RunStatus
from rayexec.store import RunRecord, is_over
from rayexec.web.missing_jobs import against_continuing, against_job
from rayexec.web.session import Session

__all__ = ["actions_of", "launched_actions"]

_READ_ONLY = "this server is read-only"
_RUNS = "the run is not over"
_OVER = "the run is over"
_RESUMABLE = (RunStatus.FAILURE, RunStatus.CANCELED)


def actions_of(session: Session, record: RunRecord) -> dict[str, str | None]:
    """Return the reason against each action on a recorded run, None for a possible one."""
    if session.options.is_read_only:
        return dict.fromkeys(("cancel", "force", "resume", "rerun", "delete"), _READ_ONLY)
    has_ended = is_over(record)
    return {
        "cancel": _OVER if has_ended else None,
        "force": _OVER if has_ended else None,
        "resume": _against_resume(session, record),
        "rerun": _against_rerun(session, record),
        "delete": None if has_ended else _RUNS,
    }


def launched_actions(session: Session, status: str) -> dict[str, str | None]:
    """Return the reason against each action on a run that is in no store within reach."""
    if session.options.is_read_only:
        return dict.fromkeys(("cancel", "force", "resume", "rerun", "delete"), _READ_ONLY)
    has_ended = status != RunStatus.STARTED
    unknown = "the run is in no store that this server reads"
    return {
        "cancel": _OVER if has_ended else None,
        "force": _OVER if has_ended else None,
        "resume": unknown,
        "rerun": unknown,
        "delete": None if has_ended else _RUNS,
    }


def _against_resume(session: Session, record: RunRecord) -> str | None:
    if record.status == RunStatus.UNREADABLE:
        return "the record of the run cannot be read"
    if not is_over(record):
        return _RUNS
    if record.status not in _RESUMABLE:
        return "all its steps are done; choose steps to run some of them again"
    return against_continuing(session, record)


def _against_rerun(session: Session, record: RunRecord) -> str | None:
    if record.status == RunStatus.UNREADABLE:
        return "the record of the run cannot be read"
    if session.code is None:
        return "rayexec dev was started without the file of a job (-f FILE)"
    return against_job(session, record)

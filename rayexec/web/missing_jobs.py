"""Reasons against a run that continues or runs again, before any process starts for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rayexec.launch.hosted_code import AskError, CodeEndedError, HostedCode, NoCodeError
from rayexec.names import nearest
from rayexec.store import RunRecord
from rayexec.web.endpoints import ApiError
from rayexec.web.session import Session

__all__ = ["against_continuing", "against_job", "refuse_bad_config", "refuse_unknown_job"]

_READ_PATIENCE_S = 5.0


def against_job(session: Session, record: RunRecord) -> str | None:
    """Return why the code of this server cannot run the job of a run; None if it can.

    As long as the code has not loaded, nothing is known against it.
    """
    code: HostedCode | None = session.code
    if code is None or not code.jobs:
        return None
    names = [job["name"] for job in code.jobs]
    name = record.job_name
    if name in names or name in [job["attribute"] for job in code.jobs]:
        return None
    return (
        f"{code.source.container} has no job {name!r}; it has {', '.join(names)}."
        f"{nearest(name, names)}"
    )


def against_continuing(session: Session, record: RunRecord) -> str | None:
    """Return why a run cannot continue by the code of this server; None if it can, or need not."""
    return against_job(session, record) if _continues_here(session, record) else None


def refuse_unknown_job(session: Session, record: RunRecord | None) -> None:
    """Raise ApiError if a run continues by the code of this server, which lacks its job."""
    reason = None if record is None else against_continuing(session, record)
    if reason is not None:
        raise ApiError(422, reason)


def _continues_here(session: Session, record: RunRecord) -> bool:
    """Whether the code of this server is that of the run, or stands for it.

    The record of another file or module names code of its own.
    """
    source, origin = session.options.source, record.origin
    if source is None:
        return False
    if source.file is not None and "file" in origin:
        recorded = Path(origin["file"])
        return not recorded.exists() or _is_same(recorded, source.file)
    return source.module is not None and origin.get("module") == source.module


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


async def refuse_bad_config(session: Session, text: str) -> None:
    """Raise ApiError for run config that is no YAML, or too much of it.

    The process with the code reads it, within bounds of time and memory, as it reads that of a
    launch.
    """
    code: HostedCode | None = session.code
    if code is None:
        raise ApiError(
            409,
            "new run config is read where the code is, and there is none: start with "
            "rayexec dev -f FILE or -m MODULE, or leave the config as it was.",
        )
    try:
        answer: dict[str, Any] = await code.ask(
            "text_problems", patience_s=_READ_PATIENCE_S, yaml=text
        )
    except AskError as error:
        raise ApiError(422, f"the run config cannot be read: {error}") from None
    except (NoCodeError, CodeEndedError) as error:
        raise ApiError(503, str(error)) from None
    if answer["problems"]:
        first = answer["problems"][0]
        raise ApiError(
            422,
            f"The run config has mistakes, so nothing starts: line {first['line']}: "
            f"{first['message']}",
            answer["problems"],
        )

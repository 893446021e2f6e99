"""Document of a run that is in no store within reach, as ``rayexec run show --json`` prints it."""

from __future__ import annotations

from typing import Any

from rayexec.launch.launched_run import LaunchedRun
from rayexec.views.run_report import run_row

__all__ = ["launched_document"]


def launched_document(launched: LaunchedRun) -> dict[str, Any]:
    """Return the row of a run, and where it was launched."""
    note = launched.note
    return {**run_row(launched.record()), "source": note.source, "address": note.address}

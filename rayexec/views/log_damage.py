"""Damage of a recorded log, as opposed to the cut tail that a killed driver leaves."""

from __future__ import annotations

from typing import Protocol

from rayexec.errors import StoreError
from rayexec.events import RunStatus, StepEnd
from rayexec.store import RunRecord

__all__ = ["ReadLog", "check_log"]


class ReadLog(Protocol):
    """A log as far as somebody has read it."""

    @property
    def read_bytes(self) -> int:
        """Bytes of the frames so far."""

    @property
    def unread_bytes(self) -> int:
        """Bytes behind them."""

    @property
    def is_damaged(self) -> bool:
        """Whether these are more than the beginning of a frame."""

    def ended_steps(self) -> int:
        """Return the number of steps with an attempt, or with outputs of the previous run."""


# Ends of steps that leave a row in the log.
_ENDS_IN_LOG = (StepEnd.SUCCEEDED, StepEnd.FAILED, StepEnd.REUSED)


def check_log(record: RunRecord, log: ReadLog) -> None:
    """Raise StoreError for a log with bytes that cannot be read, or that lacks steps of the record.

    ``record`` is current. The beginning of a frame at the end is no damage if the driver died,
    still writes, or could not write the rest.
    """
    is_complete = record.note is None and record.status != RunStatus.STARTED
    if log.unread_bytes and (log.is_damaged or is_complete):
        raise StoreError(
            f"the log of run {record.run_id} is damaged: {log.unread_bytes:,} bytes at its end "
            f"were not read, behind {log.read_bytes:,} bytes that were. What they record is "
            f"missing above."
        )
    ended = sum(record.steps.get(end, 0) for end in _ENDS_IN_LOG)
    if is_complete and (lost := ended - log.ended_steps()) > 0:
        raise StoreError(
            f"the log of run {record.run_id} is damaged: it has been cut or removed, behind "
            f"{log.read_bytes:,} bytes that were read. {lost:,} of {ended:,} steps are missing "
            f"above."
        )

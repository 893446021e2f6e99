"""Damage of a recorded log, as opposed to the cut tail that a killed driver leaves."""

from __future__ import annotations

from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog

__all__ = ["check_log"]


def check_log(record: RunRecord, log: StoredLog) -> None:
    """Raise StoreError for a log with bytes that cannot be read; ``record`` is current.

    The beginning of a frame at the end is no damage if the driver died, still writes, or could not
    write the rest.
    """
    if not log.unread_bytes:
        return
    is_complete = record.note is None and record.status != RunStatus.STARTED
    if log.is_damaged or is_complete:
        raise StoreError(
            f"the log of run {record.run_id} is damaged: {log.unread_bytes:,} bytes at its end "
            f"were not read, behind {log.read_bytes:,} bytes that were. What they record is "
            f"missing above."
        )

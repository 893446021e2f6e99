"""Choice of recorded runs that may go, by job, status and age."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayexec.events import RunStatus
from rayexec.store import RunRecord

__all__ = ["Retention", "RetentionChoice"]

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class RetentionChoice:
    """Runs of a store that may go, the newest first."""

    removed: Sequence[RunRecord]
    #: Runs that would go too, were they not in use.
    in_use: Sequence[RunRecord]


@dataclass(frozen=True, slots=True)
class Retention:
    """Rule for the runs that may go: those with all of the given properties."""

    job: str | None = None
    #: A RunStatus, in letters of either case.
    status: str | None = None
    #: Days since the end of the run at least; without an end since its start.
    older_than: float | None = None
    #: The newest runs of that job and status stay, whatever their age: so many.
    keep: int | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is any property."""
        return self != Retention()

    def choose(self, records: Sequence[RunRecord], now: float | None = None) -> RetentionChoice:
        """Return the runs that may go, of ``records`` with the newest first.

        A run that is not over is in use, and so are the runs behind it that it was resumed from:
        it reads their values. An unreadable run goes only by its status. ``now`` is in seconds
        since 1970.
        """
        moment = time.time() if now is None else now
        before = None if self.older_than is None else moment - self.older_than * _DAY_S
        of_kind = [record for record in records if self._is_of_kind(record)]
        chosen = [
            record
            for record in of_kind[self.keep or 0 :]
            if before is None or 0 < (record.end_time or record.start_time) < before
        ]
        in_use = _in_use({record.run_id: record for record in records})
        return RetentionChoice(
            [record for record in chosen if record.run_id not in in_use],
            [record for record in chosen if record.run_id in in_use],
        )

    def _is_of_kind(self, record: RunRecord) -> bool:
        if self.job not in (None, record.job_name):
            return False
        if self.status is None:
            return record.status != RunStatus.UNREADABLE
        return record.status == self.status.upper()


def _in_use(records: Mapping[str, RunRecord]) -> set[str]:
    """Return the ids of runs that are not over, and of those that they were resumed from."""
    in_use: set[str] = set()
    for record in records.values():
        ancestor = record if record.status == RunStatus.STARTED else None
        while ancestor is not None and ancestor.run_id not in in_use:
            in_use.add(ancestor.run_id)
            ancestor = records.get(ancestor.parent_run_id or "")
    return in_use

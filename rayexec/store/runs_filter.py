"""Filter of runs, in the words of Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rayexec.errors import InvariantError
from rayexec.run.dagster_run import DagsterRun, DagsterRunStatus
from rayexec.store.record import RunRecord

__all__ = ["RunsFilter"]


@dataclass(frozen=True)
class RunsFilter:
    """Condition on runs: all that is given must hold, and nothing given holds for each run.

    ``tags`` have one value or several by name. A run is created as it starts, and updated as it
    ends. Raises InvariantError for an empty list of ids.
    """

    run_ids: Sequence[str] | None = None
    job_name: str | None = None
    statuses: Sequence[DagsterRunStatus] = ()
    tags: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    snapshot_id: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    exclude_subruns: bool | None = None

    def __post_init__(self) -> None:
        if self.run_ids is not None and not self.run_ids:
            raise InvariantError("RunsFilter: run_ids is empty; leave it out to have all runs.")
        object.__setattr__(self, "statuses", tuple(self.statuses or ()))
        object.__setattr__(self, "tags", dict(self.tags or {}))

    def accepts(self, record: RunRecord) -> bool:
        """Whether a run fulfils the condition."""
        updated = record.end_time or record.start_time
        return (
            (self.run_ids is None or record.run_id in self.run_ids)
            and self.job_name in (None, record.job_name)
            and (not self.statuses or DagsterRun.status_of(record.status) in self.statuses)
            and all(_has_tag(record, key, value) for key, value in self.tags.items())
            and _is_between(updated, self.updated_after, self.updated_before)
            and _is_between(record.start_time, self.created_after, self.created_before)
        )


def _has_tag(record: RunRecord, key: str, wanted: str | Sequence[str]) -> bool:
    return record.tags.get(key) in ([wanted] if isinstance(wanted, str) else list(wanted))


def _is_between(moment: float, after: datetime | None, before: datetime | None) -> bool:
    return (after is None or moment > after.timestamp()) and (
        before is None or moment < before.timestamp()
    )

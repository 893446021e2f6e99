"""A run as a whole, in the words of Dagster."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rayexec.events import RunStatus

__all__ = ["DagsterRun", "DagsterRunStatus"]


class DagsterRunStatus(str, enum.Enum):
    """Status of a run as Dagster has it; runs here have STARTED, and the three ends.

    A member equals its own name, and so the member of ``RunStatus`` with that name.
    """

    QUEUED = "QUEUED"
    NOT_STARTED = "NOT_STARTED"
    MANAGED = "MANAGED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"


_FINISHED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_CANCELABLE = (DagsterRunStatus.STARTED, DagsterRunStatus.QUEUED)


@dataclass(frozen=True, slots=True)
class DagsterRun:
    """Job, id, config, tags and status of a run.

    ``op_selection`` are the clauses that selected ops, ``step_keys_to_execute`` the steps of the
    plan, and the two last ids those of the runs that this one resumes.
    """

    job_name: str
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    run_config: Mapping[str, Any] = field(default_factory=dict)
    op_selection: Sequence[str] | None = None
    step_keys_to_execute: Sequence[str] | None = None
    status: DagsterRunStatus = DagsterRunStatus.NOT_STARTED
    tags: Mapping[str, str] = field(default_factory=dict)
    root_run_id: str | None = None
    parent_run_id: str | None = None

    @staticmethod
    def status_of(status: RunStatus) -> DagsterRunStatus:
        """Return Dagster's status for one of rayexec; an unreadable run counts as failed."""
        return (
            DagsterRunStatus.FAILURE
            if status is RunStatus.UNREADABLE
            else DagsterRunStatus(status.value)
        )

    @property
    def is_finished(self) -> bool:
        """Whether the run has ended."""
        return self.status in _FINISHED

    @property
    def is_success(self) -> bool:
        """Whether the run succeeded."""
        return self.status is DagsterRunStatus.SUCCESS

    @property
    def is_failure(self) -> bool:
        """Whether the run failed."""
        return self.status is DagsterRunStatus.FAILURE

    @property
    def is_failure_or_canceled(self) -> bool:
        """Whether the run failed or was canceled."""
        return self.status in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)

    @property
    def is_cancelable(self) -> bool:
        """Whether the run can be canceled."""
        return self.status in _CANCELABLE

    @property
    def is_resume_retry(self) -> bool:
        """Whether a tag says that the run resumes another one from its failure."""
        return self.tags.get("dagster/is_resume_retry") == "true"

    @property
    def previous_run_id(self) -> str | None:
        """Id of the run that this one resumes."""
        return self.parent_run_id

    def get_parent_run_id(self) -> str | None:
        """Return the id of the run that this one resumes, by its tag."""
        return self.tags.get("dagster/parent_run_id")

    def get_root_run_id(self) -> str | None:
        """Return the id of the first run in the chain, by its tag."""
        return self.tags.get("dagster/root_run_id")

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of that name."""
        return key in self.tags

    def get_tag(self, key: str) -> str | None:
        """Return the run's tag of that name, or None."""
        return self.tags.get(key)

    def with_status(self, status: DagsterRunStatus) -> DagsterRun:
        """Return a copy with another status."""
        return replace(self, status=status)

    def with_tags(self, tags: Mapping[str, str]) -> DagsterRun:
        """Return a copy with other tags."""
        return replace(self, tags=tags)

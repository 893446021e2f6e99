"""Bodies of the endpoints of recorded runs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from rayexec.web.models.base import Model, Row

__all__ = ["ListedRow", "RunsAnswer", "RunsQuery"]


class RunsQuery(Model):
    """Choice of runs; ``before`` is the ``next`` of the answer before."""

    job: str | None = None
    status: str | None = None
    tag: str | None = None
    text: str | None = None
    before: str | None = None
    limit: int = Field(default=100, ge=1, le=500)


class ListedRow(Row):
    """A run of the list."""

    is_over: bool
    is_live: bool
    origin: dict[str, str]
    driver: dict[str, Any] | None
    op_selection: list[str] | None


class RunsAnswer(Model):
    """Runs, the newest first, with counts over all runs of the filter."""

    runs: list[ListedRow]
    total: int
    statuses: dict[str, int]
    jobs: list[str]
    next: str | None

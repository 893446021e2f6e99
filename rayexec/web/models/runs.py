"""Bodies of the endpoints of recorded runs as a whole."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from rayexec.web.models.base import Materialization, Model, Row

__all__ = [
    "Actions",
    "CancelBody",
    "CompareQuery",
    "Comparison",
    "DeletedRun",
    "ListedRow",
    "NewRun",
    "ResumeBody",
    "RunAnswer",
    "RunsAnswer",
    "RunsQuery",
]


class RunsQuery(Model):
    """Choice of runs; ``before`` is the ``next`` of the answer before."""

    job: str | None = None
    #: One status, or several with commas between.
    status: str | None = None
    #: A name, or ``name=value``.
    tag: str | None = None
    #: A part of the id, the job, a tag, the error or the note.
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
    """Runs, the newest first; ``total`` and ``statuses`` count all runs of the filter.

    ``version`` is that of the whole list, which the topic ``runs`` tells too.
    """

    version: int
    runs: list[ListedRow]
    total: int
    statuses: dict[str, int]
    jobs: list[str]
    next: str | None


class Actions(Model):
    """Per action the reason why it is not possible now, or null."""

    cancel: str | None
    force: str | None
    resume: str | None
    rerun: str | None
    delete: str | None


class RunLimit(Model):
    """A limit of a run, as the run began with it."""

    limit: str
    most: int | float | None
    held_by: str
    how: str


class FailureGroup(Model):
    """Failed steps with the same error and message."""

    message: str
    error: str
    count: int
    steps: list[str]


class PathStep(Model):
    """An attempt on the critical path by its row, and its wait before (seconds)."""

    row: int
    key: str
    seconds: float
    waited: float
    waited_for: str


class CriticalPath(Model):
    """The attempts that determined the end of a run, first one first."""

    seconds: float
    steps: list[PathStep]


class Retention(Model):
    """Runs that are not over, and that need this one."""

    in_use_by: list[str]


class RunAnswer(Model):
    """All about a run, without its steps and lines.

    ``report`` is the document of ``rayexec run show --json``. ``damage`` says what is wrong with
    the log, and ``is_recorded`` is False for a run that is in no store within reach.
    ``config_yaml`` has the job's own config merged in, and ``runtime_env`` has the keys of that of
    the run with names of packages and variables, never with values.
    """

    report: dict[str, Any]
    is_over: bool
    is_recorded: bool
    damage: str | None
    config_yaml: str
    runtime_env: dict[str, list[str]]
    op_selection: list[str] | None
    limits: list[RunLimit]
    waited: dict[str, float]
    failures: list[FailureGroup]
    critical_path: CriticalPath | None
    children: list[Row]
    parent: Row | None
    materializations: list[Materialization]
    retention: Retention
    actions: Actions
    first_failed_rows: list[int]


class CancelBody(Model):
    """``force`` gives the steps no time to end by themselves."""

    force: bool = False


class ResumeBody(Model):
    """Steps to run again; ``yaml`` is run config in place of that of the run."""

    from_: Literal["failure", "steps"] = Field(default="failure", alias="from")
    steps: list[str] = Field(default_factory=list, max_length=10_000)
    yaml: str | None = None


class NewRun(Model):
    """The id of a run that was started."""

    run_id: str


class DeletedRun(Model):
    """The id of a run that was removed."""

    deleted: str


class CompareQuery(Model):
    """Ids of two runs."""

    a: str
    b: str


class OpTimes(Model):
    """Seconds of the attempts of an op in two runs."""

    op: str
    a: float | None
    b: float | None


class Comparison(Model):
    """Differences of the config of two runs as a unified diff, and times of their ops."""

    config: str
    ops: list[OpTimes]

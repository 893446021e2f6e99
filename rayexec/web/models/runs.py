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

    job: str | None = Field(default=None, description="Name of the job.", examples=["nightly"])
    status: str | None = Field(
        default=None,
        description="One status, or several with commas between.",
        examples=["FAILURE,CANCELED"],
    )
    tag: str | None = Field(
        default=None, description="A name, or `name=value`.", examples=["team=data"]
    )
    text: str | None = Field(
        default=None,
        description="Part of the id, the job, a tag, the error or the note.",
        examples=["3f2a"],
    )
    before: str | None = Field(
        default=None, description="`next` of the answer before.", examples=["3f2a9c1e"]
    )
    limit: int = Field(default=100, ge=1, le=500, description="The most runs.", examples=[100])


class ListedRow(Row):
    """A run of the list."""

    is_over: bool = Field(description="Whether the run has ended.", examples=[True])
    is_live: bool = Field(description="Whether its driver lives.", examples=[False])
    origin: dict[str, str] = Field(
        description="Where its job is: `file`, `module`, `attribute`, `job`, `directory`.",
        examples=[{"file": "/home/me/my_job.py"}],
    )
    driver: dict[str, Any] | None = Field(
        description="Process of its driver: `host`, `pid`, `started`.",
        examples=[{"host": "me", "pid": 4711, "started": None}],
    )
    op_selection: list[str] | None = Field(description="Its op selection.", examples=[["*summary"]])


class RunsAnswer(Model):
    """Runs, the newest first; ``total`` and ``statuses`` count all runs of the filter.

    ``version`` is that of the whole list, which the topic ``runs`` tells too.
    """

    version: int = Field(
        description="Number that grows with each change of the list.", examples=[7]
    )
    runs: list[ListedRow] = Field(description="The runs of this page.")
    total: int = Field(description="Number of all runs that fit.", examples=[42])
    statuses: dict[str, int] = Field(
        description="Number of runs that fit, by status.", examples=[{"SUCCESS": 40, "FAILURE": 2}]
    )
    jobs: list[str] = Field(description="Names of the jobs of all runs.", examples=[["nightly"]])
    next: str | None = Field(
        description="`before` of the next page; null behind the last.", examples=["3f2a9c1e"]
    )


class Actions(Model):
    """Per action the reason why it is not possible now, or null."""

    cancel: str | None = Field(
        description="Why it cannot be canceled.", examples=["the run is over"]
    )
    force: str | None = Field(
        description="Why its steps cannot be ended at once.", examples=["the run is over"]
    )
    resume: str | None = Field(description="Why it cannot be resumed from its failure.")
    rerun: str | None = Field(description="Why its job cannot run again.")
    delete: str | None = Field(
        description="Why it cannot be removed.", examples=["the run is not over"]
    )


class RunLimit(Model):
    """A limit of a run, as the run began with it."""

    limit: str = Field(description="Name of the limit.", examples=["database=redshift"])
    most: int | float | None = Field(description="Amount that may be held at once.", examples=[2])
    held_by: str = Field(description="Who counts: Ray or the driver.", examples=["ray"])
    how: str = Field(description="The same in words.", examples=["Ray counts it on this node."])


class FailureGroup(Model):
    """Failed steps with the same error and message."""

    message: str = Field(description="Message of the errors.", examples=["two is not halved"])
    error: str = Field(description="Class of the errors.", examples=["ValueError"])
    count: int = Field(description="Number of steps.", examples=[3])
    steps: list[str] = Field(description="Keys of the first of them.", examples=[["half[2]"]])


class PathStep(Model):
    """An attempt on the critical path by its row, and its wait before (seconds)."""

    row: int = Field(description="Row of the attempt in the columns.", examples=[17])
    key: str = Field(description="Key of the step.", examples=["load[2026_11_29]"])
    seconds: float = Field(description="Seconds of the attempt.", examples=[3.2])
    waited: float = Field(description="Seconds of waiting before it.", examples=[0.4])
    waited_for: str = Field(description="What it waited for.", examples=["database=redshift"])


class CriticalPath(Model):
    """The attempts that determined the end of a run, first one first."""

    seconds: float = Field(
        description="Seconds of the whole path, with its waits.", examples=[12.4]
    )
    steps: list[PathStep] = Field(description="The attempts, first one first; the last 2,000.")


class Retention(Model):
    """Runs that are not over, and that need this one."""

    in_use_by: list[str] = Field(
        description="Ids of runs that are not over and read values of this one.", examples=[[]]
    )


class RunAnswer(Model):
    """All about a run, without its steps and lines.

    ``report`` is the document of ``rayexec run show --json``. ``damage`` says what is wrong with
    the log, and ``is_recorded`` is False for a run that is in no store within reach.
    ``config_yaml`` has the job's own config merged in, and ``runtime_env`` has the keys of that of
    the run with names of packages and variables, never with values.
    """

    report: dict[str, Any] = Field(description="The document of `rayexec run show --json`.")
    is_over: bool = Field(description="Whether the run has ended.", examples=[True])
    is_recorded: bool = Field(description="Whether it is in a store within reach.", examples=[True])
    damage: str | None = Field(description="What is wrong with its log.")
    config_yaml: str = Field(
        description="Its run config as YAML, secrets masked.", examples=["ops: {}\n"]
    )
    runtime_env: dict[str, list[str]] = Field(
        description="Keys of its runtime environment, without values."
    )
    op_selection: list[str] | None = Field(description="Its op selection.", examples=[["*summary"]])
    limits: list[RunLimit] = Field(description="Its limits, as it began.")
    waited: dict[str, float] = Field(
        description="Seconds of waiting of all steps, by limit.",
        examples=[{"database=redshift": 41.5}],
    )
    failures: list[FailureGroup] = Field(description="Failed steps, grouped by message.")
    critical_path: CriticalPath | None = Field(description="What determined its end.")
    children: list[Row] = Field(description="Runs that continue this one, the newest first.")
    parent: Row | None = Field(description="The run that this one continues.")
    materializations: list[Materialization] = Field(description="Assets that it wrote.")
    retention: Retention = Field(description="Runs that need this one.")
    actions: Actions = Field(description="What can be done with it now.")
    first_failed_rows: list[int] = Field(
        description="Rows of its first failed attempts.", examples=[[17]]
    )


class CancelBody(Model):
    """``force`` gives the steps no time to end by themselves."""

    force: bool = Field(
        default=False, description="Give the steps no time to end by themselves.", examples=[False]
    )


class ResumeBody(Model):
    """Steps to run again; ``yaml`` is run config in place of that of the run."""

    from_: Literal["failure", "steps"] = Field(
        default="failure",
        alias="from",
        description="Run again what has not succeeded, or chosen steps.",
        examples=["failure"],
    )
    steps: list[str] = Field(
        default_factory=list,
        max_length=10_000,
        description="Clauses over keys of the steps to run again.",
        examples=[["load[p3]"]],
    )
    yaml: str | None = Field(
        default=None,
        description="Run config as YAML in place of that of the run.",
        examples=["ops: {}\n"],
    )


class NewRun(Model):
    """The id of a run that was started."""

    run_id: str = Field(description="Id of the run that was started.", examples=["3f2a9c1e"])


class DeletedRun(Model):
    """The id of a run that was removed."""

    deleted: str = Field(description="Id of the run that went.", examples=["3f2a9c1e"])


class CompareQuery(Model):
    """Ids of two runs."""

    a: str = Field(description="Id of a run.", examples=["3f2a9c1e"])
    b: str = Field(description="Id of another run.", examples=["7b1c02aa"])


class OpTimes(Model):
    """Seconds of the attempts of an op in two runs."""

    op: str = Field(description="Name of the op.", examples=["load"])
    a: float | None = Field(description="Seconds of its attempts in run `a`.", examples=[3.2])
    b: float | None = Field(description="Seconds of its attempts in run `b`.", examples=[2.9])


class Comparison(Model):
    """Differences of the config of two runs as a unified diff, and times of their ops."""

    config: str = Field(description="Unified diff of the run configs.", examples=[""])
    ops: list[OpTimes] = Field(description="Times of each op in both.")

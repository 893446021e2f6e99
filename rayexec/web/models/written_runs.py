"""Bodies of requests and answers on a run that somebody writes: check, edit, plan, copy, launch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue

from rayexec.web.models.base import Model

__all__ = [
    "CheckAnswer",
    "CopyAnswer",
    "CopyBody",
    "EditAnswer",
    "EditBody",
    "LaunchAnswer",
    "PlanAnswer",
    "RunBody",
]


class RunBody(Model):
    """A run as somebody writes it.

    ``selection`` has clauses, as a list or with commas between them. ``where`` is ``in_process``,
    ``ray``, or the address of a cluster; without it the run config decides.
    """

    yaml: str = Field(
        default="",
        description="Run config as YAML.",
        examples=["ops:\n  load:\n    config: {rows: 3}\n"],
    )
    selection: list[str] | str | None = Field(
        default=None,
        description="Op selection: clauses, as a list or with commas between.",
        examples=[["*summary"]],
    )
    tags: dict[str, JsonValue] | None = Field(
        default=None, description="Tags of the run.", examples=[{"team": "data"}]
    )
    where: str | None = Field(
        default=None,
        max_length=1_000,
        description="`in_process`, `ray`, or the address of a cluster; else as config has it.",
        examples=["ray"],
    )
    max_concurrent: int | None = Field(
        default=None, ge=1, description="The most steps at once.", examples=[4]
    )


class EditBody(Model):
    """A text of run config, and an action on it; every other byte of the text stays."""

    yaml: str = Field(default="", description="Run config as YAML.", examples=["ops: {}\n"])
    selection: list[str] | str | None = Field(
        default=None,
        description="Op selection: clauses, as a list or with commas between.",
        examples=[["*summary"]],
    )
    action: Literal["scaffold_missing", "scaffold_all", "remove_unused", "defaults"] = Field(
        description="What to do with the text.", examples=["scaffold_missing"]
    )


class EditAnswer(Model):
    """The text after the action, with the paths that came and went."""

    yaml: str = Field(
        description="The text after the action.",
        examples=["ops:\n  load:\n    config:\n      rows: 0\n"],
    )
    added: list[str] = Field(
        description="Paths that came, with dots between keys.", examples=[["ops.load.config.rows"]]
    )
    removed: list[str] = Field(
        description="Paths that went, with dots between keys.", examples=[["ops.lod"]]
    )


class CopyBody(RunBody):
    """A run to copy; with ``resume_from`` it continues a run, with ``steps`` those of it."""

    resume_from: str | None = Field(
        default=None, description="Id of the run to continue.", examples=["3f2a9c1e"]
    )
    steps: list[str] | None = Field(
        default=None,
        description="Clauses over keys of the steps to run again.",
        examples=[["load[p3]"]],
    )


class ConfigProblem(Model):
    """A mistake, with its place in the YAML text; lines and columns count from 1.

    A mistake elsewhere has no place; its ``path`` is then ``selection``, ``tags`` or empty.
    """

    line: int | None = Field(
        description="First line of the mistake, from 1 on; null for none in the text.", examples=[3]
    )
    column: int | None = Field(description="First column, from 1 on.", examples=[5])
    end_line: int | None = Field(description="Last line, from 1 on.", examples=[3])
    end_column: int | None = Field(
        description="Column behind the last character, from 1 on.", examples=[9]
    )
    path: str = Field(
        description="Keys with dots between; `selection`, `tags` or empty for what is elsewhere.",
        examples=["ops.load.config.rows"],
    )
    message: str = Field(description="What is wrong.", examples=["a value is required"])
    fix: str | None = Field(
        description="Text to put in place of the range, where one is likely.", examples=["rows"]
    )


class CheckAnswer(Model):
    """The mistakes of a run, and the ops that it selects."""

    problems: list[ConfigProblem] = Field(description="All mistakes.")
    missing: list[str] = Field(
        description="Paths of values that the run needs and lacks.",
        examples=[["ops.load.config.rows"]],
    )
    unused: list[str] = Field(
        description="Paths that are unknown or have no effect.", examples=[["ops.lod"]]
    )
    selected: list[str] = Field(description="Paths of the selected ops.", examples=[["load"]])
    ops: int = Field(description="Number of selected ops.", examples=[1])
    is_valid: bool = Field(description="Whether the run can begin.", examples=[True])


class PlanAnswer(Model):
    """The document of ``rayexec job plan --json`` beside the mistakes of the run.

    A run without a plan, such as one with a wrong selection, has the job alone.
    """

    is_valid: bool = Field(description="Whether the run can begin.", examples=[True])
    check: CheckAnswer = Field(description="Mistakes of the run.")
    job: str = Field(description="Name of the job.", examples=["nightly"])
    execution: dict[str, Any] | None = Field(default=None, description="Executor and its settings.")
    limits: list[dict[str, Any]] | None = Field(
        default=None,
        description="Limits with their amounts, holders of them, and how exact they are.",
    )
    steps_at_least: int | None = Field(
        default=None,
        description="Number of steps that are certain; dynamic outputs add more.",
        examples=[12],
    )
    is_exact: bool | None = Field(
        default=None,
        description="Whether `steps_at_least` is the number of all steps.",
        examples=[True],
    )
    timings: str | None = Field(
        default=None,
        description="Id of the run whose times the bounds are made of.",
        examples=["3f2a9c1e"],
    )
    longest_path: list[str] | None = Field(
        default=None,
        description="Keys of the steps on the longest path.",
        examples=[["load", "clean"]],
    )
    longest_path_seconds: float | None = Field(
        default=None, description="Seconds of the longest path, by those times.", examples=[9.2]
    )
    makespan_bound: dict[str, Any] | None = Field(
        default=None, description="Lower bounds of the duration in seconds, with their reasons."
    )
    problems: list[str] | None = Field(
        default=None, description="Why steps could never run on that cluster.", examples=[[]]
    )
    notes: list[str] | None = Field(
        default=None, description="What else to know of the run.", examples=[[]]
    )
    steps: list[dict[str, Any]] | None = Field(
        default=None, description="Groups of equal steps: what each asks of Ray, and its limits."
    )


class CopyAnswer(Model):
    """What runs the same: a command of the shell, and Python."""

    cli: str = Field(
        description="A command of the shell.", examples=["rayexec job execute -f my_job.py"]
    )
    python: str = Field(
        description="A program in Python.", examples=["from rayexec import execute_job"]
    )


class LaunchAnswer(Model):
    """The id of a launched run."""

    run_id: str = Field(description="Id of the run that was started.", examples=["3f2a9c1e"])

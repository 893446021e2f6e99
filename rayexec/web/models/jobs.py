"""Bodies of the endpoints of jobs: what their code has, and runs before they begin."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue

from rayexec.web.models.base import Model, Row

__all__ = [
    "CheckAnswer",
    "CompletionAnswer",
    "CopyAnswer",
    "CopyBody",
    "EditAnswer",
    "EditBody",
    "GraphQuery",
    "JobAnswer",
    "JobsAnswer",
    "LaunchAnswer",
    "PlanAnswer",
    "RunBody",
    "SelectionQuery",
]


class LastRun(Model):
    """A run of a job, in short; times in seconds since 1970."""

    run_id: str
    status: str
    start_time: float
    duration: float | None


class ListedJob(Model):
    """A job of the code; ``attribute`` is its name in the file."""

    name: str
    attribute: str
    description: str | None
    ops: int
    last_runs: list[LastRun]


class CodeFault(Model):
    """The reason why the code of now has no jobs."""

    message: str
    traceback: str | None


class JobsAnswer(Model):
    """The jobs; with ``is_stale`` they are those of older code, and ``error`` tells why.

    ``version`` grows with each change. ``output`` is the last part of what the code printed.
    """

    state: Literal["none", "loading", "ready", "failed"]
    version: int
    is_stale: bool
    error: CodeFault | None
    jobs: list[ListedJob]
    output: str


class ConfigKey(Model):
    """A key of the config of an op; its ``default`` is YAML in one line."""

    name: str
    type: str
    required: bool
    default: str | None
    description: str | None


class InputPort(Model):
    """An input of a node, with its sources."""

    name: str
    type: str | None
    from_: list[str] | str | None = Field(alias="from")
    default: str | None


class OutputPort(Model):
    """An output of a node: of an op, or of a graph with its source inside."""

    name: str
    type: str | None
    dynamic: bool
    required: bool | None = None
    from_: str | None = Field(default=None, alias="from")


class Retry(Model):
    """The retry policy of an op."""

    max_retries: int
    delay: float | None
    backoff: str | None


class JobNode(Model):
    """A node of the outline: a graph with ``nodes``, or an op with its details."""

    name: str
    kind: Literal["op", "graph"]
    definition: str
    description: str | None
    path: str
    inputs: list[InputPort]
    outputs: list[OutputPort]
    nodes: list[JobNode] | None = None
    for_each: list[str] | None = None
    tags: dict[str, str] | None = None
    pool: str | None = None
    is_cached: bool | None = None
    retry: Retry | None = None
    timeout: float | None = None
    file: str | None = None
    line: int | None = None
    config: list[ConfigKey] | None = None
    asks_for: str | None = None
    limits: dict[str, float] | None = None


class OpTimes(Model):
    """Attempts of an op in recent runs, and their seconds."""

    attempts: int
    seconds: float
    longest: float
    runs: int


class JobAnswer(Model):
    """One job; ``statistics`` are by the path of the op."""

    job: str
    attribute: str
    description: str | None
    file: str | None
    line: int | None
    inputs: list[str]
    nodes: list[JobNode]
    ops: int
    statistics: dict[str, OpTimes]
    history: list[Row]


class SelectionQuery(Model):
    """An op selection: clauses with commas between them."""

    selection: str = ""


class GraphQuery(SelectionQuery):
    """What a drawing shows: ``open`` are paths with commas between them; none opens as it fits."""

    open: str | None = None
    focus: str | None = None
    depth: int = Field(default=1, ge=0, le=1_000)


class CompletionTree(Model):
    """Types of run config by id; ``root`` is the id of the whole document's."""

    root: str
    types: dict[str, dict[str, Any]]


class CompletionAnswer(Model):
    """What an editor offers: keys and values, paths of ops, tags, pools, names of variables."""

    tree: CompletionTree
    ops: list[str]
    tags: list[str]
    pools: list[str]
    env_vars: list[str]


class RunBody(Model):
    """A run as somebody writes it.

    ``selection`` has clauses, as a list or with commas between them. ``where`` is ``in_process``,
    ``ray``, or the address of a cluster; without it the run config decides.
    """

    yaml: str = ""
    selection: list[str] | str | None = None
    tags: dict[str, JsonValue] | None = None
    where: str | None = Field(default=None, max_length=1_000)
    max_concurrent: int | None = Field(default=None, ge=1)


class EditBody(Model):
    """A text of run config, and an action on it; every other byte of the text stays."""

    yaml: str = ""
    selection: list[str] | str | None = None
    action: Literal["scaffold_missing", "scaffold_all", "remove_unused", "defaults"]


class EditAnswer(Model):
    """The text after the action, with the paths that came and went."""

    yaml: str
    added: list[str]
    removed: list[str]


class CopyBody(RunBody):
    """A run to copy; with ``resume_from`` it continues a run, with ``steps`` those of it."""

    resume_from: str | None = None
    steps: list[str] | None = None


class ConfigProblem(Model):
    """A mistake, with its place in the YAML text; lines and columns count from 1.

    A mistake elsewhere has no place; its ``path`` is then ``selection``, ``tags`` or empty.
    """

    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None
    path: str
    message: str
    fix: str | None


class CheckAnswer(Model):
    """The mistakes of a run, and the ops that it selects."""

    problems: list[ConfigProblem]
    missing: list[str]
    unused: list[str]
    selected: list[str]
    ops: int
    is_valid: bool


class PlanAnswer(Model):
    """The document of ``rayexec job plan --json`` beside the mistakes of the run.

    A run without a plan, such as one with a wrong selection, has the job alone.
    """

    is_valid: bool
    check: CheckAnswer
    job: str
    execution: dict[str, Any] | None = None
    limits: list[dict[str, Any]] | None = None
    steps_at_least: int | None = None
    is_exact: bool | None = None
    timings: str | None = None
    longest_path: list[str] | None = None
    longest_path_seconds: float | None = None
    makespan_bound: dict[str, Any] | None = None
    problems: list[str] | None = None
    notes: list[str] | None = None
    steps: list[dict[str, Any]] | None = None


class CopyAnswer(Model):
    """What runs the same: a command of the shell, and Python."""

    cli: str
    python: str


class LaunchAnswer(Model):
    """The id of a launched run."""

    run_id: str

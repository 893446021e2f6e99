"""Bodies of the endpoints of jobs: the jobs of the code, and what an editor of a run offers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from rayexec.web.models.base import Model, Row

__all__ = [
    "CompletionAnswer",
    "GraphQuery",
    "JobAnswer",
    "JobsAnswer",
    "SelectionQuery",
]


class LastRun(Model):
    """A run of a job, in short; times in seconds since 1970."""

    run_id: str = Field(description="Id of the run.", examples=["3f2a9c1e"])
    status: str = Field(
        description="STARTED, SUCCESS, FAILURE, CANCELED or UNREADABLE.", examples=["SUCCESS"]
    )
    start_time: float = Field(description="Start, in seconds since 1970.", examples=[1796000000.0])
    duration: float | None = Field(
        description="Seconds from start to end; null while the run lasts.", examples=[12.5]
    )


class ListedJob(Model):
    """A job of the code; ``attribute`` is its name in the file."""

    name: str = Field(description="Name of the job.", examples=["nightly"])
    attribute: str = Field(description="Its name in the file.", examples=["nightly"])
    description: str | None = Field(
        description="What its author says of it.", examples=["Load rows of a table."]
    )
    ops: int = Field(description="Number of ops.", examples=[12])
    last_runs: list[LastRun] = Field(description="The last runs, the newest first.")


class CodeFault(Model):
    """The reason why the code of now has no jobs."""

    message: str = Field(
        description="What went wrong.", examples=["NameError: name 'lod' is not defined"]
    )
    traceback: str | None = Field(description="Traceback of the user's code.")


class JobsAnswer(Model):
    """The jobs; with ``is_stale`` they are those of older code, and ``error`` tells why.

    ``version`` grows with each change. ``output`` is the last part of what the code printed.
    """

    state: Literal["none", "loading", "ready", "failed"] = Field(
        description="none: no code; loading; ready; failed: see `error`.", examples=["ready"]
    )
    version: int = Field(
        description="Number that grows with each change of the code.", examples=[3]
    )
    is_stale: bool = Field(
        description="Whether the jobs are those of older code.", examples=[False]
    )
    error: CodeFault | None = Field(description="Why the code of now has no jobs.")
    jobs: list[ListedJob] = Field(description="The jobs, in the order of the file.")
    output: str = Field(description="The last part of what the code printed.", examples=[""])


class ConfigKey(Model):
    """A key of the config of an op; its ``default`` is YAML in one line."""

    name: str = Field(
        description="The key; empty where all config is one value.", examples=["rows"]
    )
    type: str = Field(description="Its type in words.", examples=["int"])
    required: bool = Field(description="Whether a run must give it.", examples=[True])
    default: str | None = Field(description="Its default as YAML in one line.", examples=["100"])
    description: str | None = Field(
        description="What its author says of it.", examples=["Load rows of a table."]
    )


class InputPort(Model):
    """An input of a node, with its sources."""

    name: str = Field(description="Name of the input.", examples=["rows"])
    type: str | None = Field(description="Its type in words.", examples=["int"])
    from_: list[str] | str | None = Field(
        alias="from",
        description="Sources: one, a list for a fan-in, null for config or a default.",
        examples=["split"],
    )
    default: str | None = Field(description="Its default, as Python writes it.", examples=["None"])


class OutputPort(Model):
    """An output of a node: of an op, or of a graph with its source inside."""

    name: str = Field(description="Name of the output.", examples=["result"])
    type: str | None = Field(description="Its type in words.", examples=["int"])
    dynamic: bool = Field(description="Whether it yields any number of values.", examples=[False])
    required: bool | None = Field(
        default=None, description="Whether the op must yield it.", examples=[True]
    )
    from_: str | None = Field(
        default=None,
        alias="from",
        description="Node and output inside of the graph that it comes from.",
        examples=["clean"],
    )


class Retry(Model):
    """The retry policy of an op."""

    max_retries: int = Field(description="The most tries after the first.", examples=[3])
    delay: float | None = Field(description="Seconds before a retry.", examples=[1.0])
    backoff: str | None = Field(
        description="How the delay grows: LINEAR or EXPONENTIAL.", examples=["EXPONENTIAL"]
    )


class JobNode(Model):
    """A node of the outline: a graph with ``nodes``, or an op with its details."""

    name: str = Field(description="Name of the node in its graph.", examples=["load"])
    kind: Literal["op", "graph"] = Field(
        description="op, or a graph with `nodes`.", examples=["op"]
    )
    definition: str = Field(description="Name of the op or graph that it calls.", examples=["load"])
    description: str | None = Field(
        description="What its author says of it.", examples=["Load rows of a table."]
    )
    path: str = Field(
        description="Names from the job down, with dots between.", examples=["region_1.load"]
    )
    inputs: list[InputPort] = Field(description="Its inputs.")
    outputs: list[OutputPort] = Field(description="Its outputs.")
    nodes: list[JobNode] | None = Field(default=None, description="Nodes of a graph.")
    for_each: list[str] | None = Field(
        default=None,
        description="Dynamic outputs for whose values it runs, one by one.",
        examples=[["split"]],
    )
    tags: dict[str, str] | None = Field(
        default=None, description="Tags of the op.", examples=[{"team": "data"}]
    )
    pool: str | None = Field(default=None, description="Pool of the op.", examples=["licence"])
    is_cached: bool | None = Field(
        default=None, description="Whether its outputs are cached.", examples=[False]
    )
    retry: Retry | None = Field(default=None, description="Its retry policy.")
    timeout: float | None = Field(
        default=None, description="Seconds after which an attempt ends as failed.", examples=[60.0]
    )
    file: str | None = Field(
        default=None, description="Path of the file with the code.", examples=["/home/me/my_job.py"]
    )
    line: int | None = Field(
        default=None, description="Line in that file, from 1 on.", examples=[12]
    )
    config: list[ConfigKey] | None = Field(default=None, description="Keys of its config.")
    asks_for: str | None = Field(
        default=None, description="What each step asks of Ray, in words.", examples=["1 CPU"]
    )
    limits: dict[str, float] | None = Field(
        default=None,
        description="Amount of each limit that a step holds.",
        examples=[{"database=redshift": 1.0}],
    )


class OpTimes(Model):
    """Attempts of an op in recent runs, and their seconds."""

    attempts: int = Field(description="Number of attempts.", examples=[120])
    seconds: float = Field(description="Seconds of all attempts together.", examples=[312.4])
    longest: float = Field(description="Seconds of the longest attempt.", examples=[9.2])
    runs: int = Field(description="Number of runs that had any.", examples=[10])


class JobAnswer(Model):
    """One job; ``statistics`` are by the path of the op."""

    job: str = Field(description="Name of the job.", examples=["nightly"])
    attribute: str = Field(description="Its name in the file.", examples=["nightly"])
    description: str | None = Field(
        description="What its author says of it.", examples=["Load rows of a table."]
    )
    file: str | None = Field(
        description="Path of the file with the code.", examples=["/home/me/my_job.py"]
    )
    line: int | None = Field(description="Line in that file, from 1 on.", examples=[12])
    inputs: list[str] = Field(
        description="Inputs of the job, which a run must give.", examples=[["rows"]]
    )
    nodes: list[JobNode] = Field(description="Its ops and graphs.")
    ops: int = Field(description="Number of ops, those in graphs too.", examples=[12])
    statistics: dict[str, OpTimes] = Field(
        description="Times of ops in the last runs, by the path of the op."
    )
    history: list[Row] = Field(description="The last runs, the newest first.")


class SelectionQuery(Model):
    """An op selection: clauses with commas between them."""

    selection: str = Field(
        default="",
        description="Op selection: clauses with commas between them.",
        examples=["*summary,load+"],
    )


class GraphQuery(SelectionQuery):
    """What a drawing shows: ``open`` are paths with commas between them; none opens as it fits."""

    open: str | None = Field(
        default=None,
        description="Paths of open boxes with commas between; without it as fits.",
        examples=["region_1,region_2"],
    )
    focus: str | None = Field(
        default=None,
        description="Path of an op or graph whose neighbours alone are drawn.",
        examples=["load"],
    )
    depth: int = Field(
        default=1,
        ge=0,
        le=1_000,
        description="Edges to the farthest neighbour of `focus`.",
        examples=[2],
    )


class CompletionTree(Model):
    """Types of run config by id; ``root`` is the id of the whole document's."""

    root: str = Field(description="Id of the type of the whole document.", examples=["0"])
    types: dict[str, dict[str, Any]] = Field(description="Types by id: their keys and values.")


class CompletionAnswer(Model):
    """What an editor offers: keys and values, paths of ops, tags, pools, names of variables."""

    tree: CompletionTree = Field(description="Keys and values of run config.")
    ops: list[str] = Field(
        description="Paths of ops and graphs.", examples=[["load", "region_1.clean"]]
    )
    tags: list[str] = Field(description="Tags, as `name=value`.", examples=[["team=data"]])
    pools: list[str] = Field(description="Names of pools.", examples=[["licence"]])
    env_vars: list[str] = Field(
        description="Names of environment variables, never values.", examples=[["HOME"]]
    )

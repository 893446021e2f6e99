"""Bodies of the endpoints of the parts of a run: steps, ops, graph, lines, what it waits for."""

from __future__ import annotations

from typing import Any, Literal, get_type_hints

from pydantic import Field, create_model

from rayexec.views.attempt_rows import AttemptRow
from rayexec.web.models.base import Materialization, Model

__all__ = [
    "GraphQuery",
    "KeysAnswer",
    "KeysQuery",
    "LineChoice",
    "LogAnswer",
    "LogQuery",
    "NowAnswer",
    "OpsAnswer",
    "RowsQuery",
    "StepAnswer",
    "StepsAnswer",
    "StepsQuery",
]


class RowsQuery(Model):
    """The first row to send: ``to`` of the answer before."""

    from_: int = Field(
        default=0,
        alias="from",
        ge=0,
        description="First row: `to` of the answer before.",
        examples=[0],
    )


class KeysQuery(Model):
    """Steps by index: ``steps`` with commas between, or ``count`` of them ``from`` one on."""

    steps: str | None = Field(
        default=None,
        max_length=60_000,
        description="Indices of steps with commas between.",
        examples=["0,17,4711"],
    )
    from_: int = Field(
        default=0, alias="from", ge=0, description="Index of the first step.", examples=[0]
    )
    count: int = Field(
        default=0, ge=0, le=10_000, description="Number of steps from there on.", examples=[100]
    )


class KeysAnswer(Model):
    """Keys of steps by index."""

    keys: dict[int, str] = Field(
        description="Keys of steps by index.", examples=[{"0": "load[p1]"}]
    )


class StepsQuery(Model):
    """Choice and order of steps."""

    state: str = Field(
        default="", description="States with commas between.", examples=["failed,running"]
    )
    op: str = Field(default="", description="Path of a node.", examples=["load"])
    text: str = Field(default="", description="Part of the key, in any case.", examples=["p3"])
    waited_for: str = Field(
        default="",
        description="Name of a limit that steps waited for.",
        examples=["database=redshift"],
    )
    sort: Literal[
        "",
        "key",
        "op",
        "state",
        "attempts",
        "seconds",
        "queue",
        "waited",
        "started",
        "memory",
        "bytes",
    ] = Field(
        default="",
        description="Column to sort by; empty for the order of the plan.",
        examples=["seconds"],
    )
    desc: bool = Field(
        default=False, description="Whether the greatest come first.", examples=[True]
    )
    from_: int = Field(
        default=0, alias="from", ge=0, description="Number of rows to leave out.", examples=[0]
    )
    count: int = Field(default=100, ge=0, le=1_000, description="Number of rows.", examples=[100])


class StepRow(Model):
    """A step with the figures of all its attempts; times in seconds."""

    step: int = Field(description="Index of the step.", examples=[17])
    key: str = Field(description="Key of the step.", examples=["load[2026_11_29]"])
    op: str = Field(description="Name of the op.", examples=["load"])
    state: str = Field(
        description="succeeded, reused, failed, skipped, not run, running, waiting or retrying.",
        examples=["succeeded"],
    )
    attempts: int = Field(description="Number of attempts.", examples=[1])
    seconds: float | None = Field(description="Seconds of all attempts.", examples=[3.2])
    queue_s: float | None = Field(description="Seconds in Ray's queue.", examples=[0.01])
    waited_s: float | None = Field(description="Seconds of waiting for limits.", examples=[1.5])
    waited_for: str | None = Field(
        description="The limits that it waited for.", examples=["database=redshift"]
    )
    started: float | None = Field(
        description="Start of the last attempt, in seconds since 1970.", examples=[1796000000.0]
    )
    memory: int | None = Field(
        description="Peak of resident memory in bytes.", examples=[104857600]
    )
    bytes: int | None = Field(description="Size of its outputs in bytes.", examples=[4096])


class StepsAnswer(Model):
    """A page of steps; ``total`` and ``by_state`` count all steps of the choice."""

    total: int = Field(description="Number of steps that fit.", examples=[120])
    by_state: dict[str, int] = Field(
        description="Number of steps that fit, by state.", examples=[{"failed": 2}]
    )
    rows: list[StepRow] = Field(description="The steps of this page.")


class FailureDetails(Model):
    """An error with its traceback, and the errors that caused it."""

    error: str = Field(description="Class of the error.", examples=["ValueError"])
    message: str = Field(description="Its message.", examples=["two is not halved"])
    stack: str = Field(description="Its traceback.")
    causes: list[dict[str, str]] = Field(
        description="Errors that caused it, nearest first: `error`, `message`, `stack`.",
        examples=[[]],
    )


_OF_ATTEMPTS = {
    "run_id": "Id of the run.",
    "job": "Name of the job.",
    "step_key": "Key of the step.",
    "op": "Name of the op.",
    "attempt": "Number of the attempt, from 0 on.",
    "outcome": "success, failure or retry.",
    "started": "Start, in seconds since 1970.",
    "ended": "End, in seconds since 1970.",
    "seconds": "Seconds from start to end.",
    "pid": "Process id of its worker.",
    "node": "Name of its machine.",
    "node_id": "Ray's id of its node.",
    "batch": "Number of the batch that it was in.",
    "queue_s": "Seconds of its batch in Ray's queue.",
    "fetch_s": "Seconds until its inputs were there.",
    "output_bytes": "Size of its outputs in bytes.",
    "peak_rss_bytes": "Peak of the resident memory of its worker in bytes.",
    "error": "Class of its error.",
    "message": "Message of its error.",
}
# Exports and tables have the same fields, so there is one list of them.
_FIELDS: dict[str, Any] = {
    name: (kind, Field(description=_OF_ATTEMPTS[name]))
    for name, kind in get_type_hints(AttemptRow).items()
}
_AttemptFields = create_model("_AttemptFields", __base__=Model, **_FIELDS)


class AttemptDetails(_AttemptFields):
    """An attempt with the facts of its batch and its wait; times in seconds since 1970."""

    waited_s: float | None = Field(description="Seconds of waiting for a limit.", examples=[1.5])
    waited_for: str | None = Field(
        description="The limit that it waited for.", examples=["database=redshift"]
    )
    holders: list[str] = Field(description="Keys of steps that held it.", examples=[["load[p3]"]])
    failure: FailureDetails | None = Field(description="Its error.")


class StepInput(Model):
    """An input, and the steps whose outputs it gets, where the log tells."""

    name: str = Field(description="Name of the input.", examples=["rows"])
    from_: list[str] = Field(
        alias="from",
        description="Keys of the steps it came from, where the log tells.",
        examples=[["load[p3]"]],
    )


class StepOutput(Model):
    """An output, and the steps that follow."""

    name: str = Field(description="Name of the output.", examples=["result"])
    to: list[str] = Field(description="Keys of the steps that follow.", examples=[["clean[p3]"]])
    metadata: dict[str, Any] | None = Field(
        description="Metadata by label, each with `kind` and `value`.",
        examples=[{"rows": {"kind": "int", "value": 120}}],
    )
    manager: str | None = Field(
        description="Key of the IO manager that stored it.", examples=["io_manager"]
    )


class CutText(Model):
    """The end of a text; ``is_cut`` tells that its beginning is left out."""

    text: str = Field(description="The text, or its end.", examples=["halving 2\n"])
    is_cut: bool = Field(description="Whether its beginning is left out.", examples=[False])


class StepAnswer(Model):
    """All about one step; ``after`` and ``before`` are its neighbours, up to 500 each."""

    step: int = Field(description="Index of the step.", examples=[17])
    key: str = Field(description="Key of the step.", examples=["load[2026_11_29]"])
    op: str = Field(description="Name of the op.", examples=["load"])
    state: str = Field(description="State, as in a row of steps.", examples=["failed"])
    attempts: list[AttemptDetails] = Field(description="Its attempts, first one first.")
    inputs: list[StepInput] = Field(description="Its inputs from other steps.")
    outputs: list[StepOutput] = Field(description="Its outputs.")
    after: list[str] = Field(
        description="Keys of the steps before it, up to 500.", examples=[["load[p3]"]]
    )
    before: list[str] = Field(
        description="Keys of the steps behind it, up to 500.", examples=[["clean[p3]"]]
    )
    after_count: int = Field(description="Number of all steps before it.", examples=[1])
    before_count: int = Field(description="Number of all steps behind it.", examples=[1])
    metadata: dict[str, Any] = Field(
        description="Metadata of all outputs by label.",
        examples=[{"rows": {"kind": "int", "value": 120}}],
    )
    materializations: list[Materialization] = Field(description="Assets that it wrote.")
    cached_from: dict[str, str] | None = Field(
        description="The step whose outputs it reused: `run_id`, `step_key`.",
        examples=[{"run_id": "3f2a9c1e", "step_key": "load"}],
    )
    stdout: CutText = Field(description="What it printed.")
    stderr: CutText = Field(description="What it printed as errors.")
    logs: list[dict[str, Any]] = Field(
        description="Lines that it logged, with `time` in seconds since 1970."
    )


class OpCounts(Model):
    """Steps of one node of the graph, by end, and the times of their attempts (seconds)."""

    path: str = Field(description="Path of the node.", examples=["region_1.load"])
    op: str = Field(description="Name of the op.", examples=["load"])
    counts: dict[str, int] = Field(
        description="Number of steps by their ends.", examples=[{"succeeded": 3, "failed": 1}]
    )
    attempts: int = Field(description="Number of attempts.", examples=[4])
    seconds: float = Field(description="Seconds of all attempts together.", examples=[12.4])
    longest: float = Field(description="Seconds of the longest attempt.", examples=[9.2])


class OpsAnswer(Model):
    """The nodes of a run, in the order of their first steps."""

    ops: list[OpCounts] = Field(description="The nodes, in the order of their first steps.")


class GraphQuery(Model):
    """The part of the graph to draw; ``open`` has paths of open boxes with commas between."""

    open: str | None = Field(
        default=None,
        description="Paths of open boxes with commas between; without it as fits.",
        examples=["region_1"],
    )
    focus: str | None = Field(
        default=None,
        description="Path of an op or graph whose neighbours alone are drawn.",
        examples=["load"],
    )
    depth: int = Field(
        default=1,
        ge=0,
        le=50,
        description="Edges to the farthest neighbour of `focus`.",
        examples=[2],
    )


class LineChoice(Model):
    """Choice of lines, by what each of them is."""

    step: str | None = Field(
        default=None, description="Key of a step or path of a node.", examples=["load[p3]"]
    )
    kind: Literal["event", "log", "stdout", "stderr"] | None = Field(
        default=None, description="Kind of lines.", examples=["log"]
    )
    text: str | None = Field(
        default=None, description="Part of the line, in any case.", examples=["error"]
    )
    level: str | None = Field(
        default=None, description="Least level by name.", examples=["WARNING"]
    )


class LogQuery(LineChoice):
    """Choice of lines; ``from`` is the number of the first line, or the ``next`` of an answer."""

    from_: int | None = Field(
        default=None,
        alias="from",
        ge=0,
        description="Number of the first line: `next` of the answer before.",
        examples=[0],
    )
    limit: int = Field(default=200, ge=1, le=500, description="The most lines.", examples=[200])
    desc: bool = Field(
        default=False, description="Whether the last lines come first.", examples=[True]
    )


class LogAnswer(Model):
    """Lines of a run; ``total`` is None where not all were counted."""

    lines: list[dict[str, Any]] = Field(description="The lines of this page.")
    next: int | None = Field(
        description="Number of the first line of the next page; null behind the last.",
        examples=[4194304],
    )
    total: int | None = Field(
        description="Number of all lines that fit; null where not all were counted.", examples=[17]
    )


class RemainingTime(Model):
    """Least remaining seconds of a run; ``unknown_ops`` have no time yet and count nothing."""

    seconds: float = Field(
        description="Seconds until the run can end at the earliest.", examples=[41.5]
    )
    because_of: str = Field(description="What sets that bound.", examples=["database=redshift"])
    unknown_ops: list[str] = Field(description="Ops whose times nobody knows.", examples=[["load"]])


class NowAnswer(Model):
    """What a run does now, by its driver: see ``Now`` in the docs."""

    model_config = Model.model_config | {"extra": "allow"}

    run_id: str = Field(description="Id of the run.", examples=["3f2a9c1e"])
    time: float = Field(
        description="When the driver wrote it, in seconds since 1970.", examples=[1796000000.0]
    )
    as_of: float = Field(
        description="The time of that state, in seconds since 1970.", examples=[1796000000.0]
    )
    remaining: RemainingTime | None = Field(description="A lower bound of the time that is left.")

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

    from_: int = Field(default=0, alias="from", ge=0)


class KeysQuery(Model):
    """Steps by index: ``steps`` with commas between, or ``count`` of them ``from`` one on."""

    steps: str | None = Field(default=None, max_length=60_000)
    from_: int = Field(default=0, alias="from", ge=0)
    count: int = Field(default=0, ge=0, le=10_000)


class KeysAnswer(Model):
    """Keys of steps by index."""

    keys: dict[int, str]


class StepsQuery(Model):
    """Choice and order of steps."""

    state: str = ""
    op: str = ""
    text: str = ""
    waited_for: str = ""
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
    ] = ""
    desc: bool = False
    from_: int = Field(default=0, alias="from", ge=0)
    count: int = Field(default=100, ge=0, le=1_000)


class StepRow(Model):
    """A step with the figures of all its attempts; times in seconds."""

    step: int
    key: str
    op: str
    state: str
    attempts: int
    seconds: float | None
    queue_s: float | None
    waited_s: float | None
    waited_for: str | None
    started: float | None
    memory: int | None
    bytes: int | None


class StepsAnswer(Model):
    """A page of steps; ``total`` and ``by_state`` count all steps of the choice."""

    total: int
    by_state: dict[str, int]
    rows: list[StepRow]


class FailureDetails(Model):
    """An error with its traceback, and the errors that caused it."""

    error: str
    message: str
    stack: str
    causes: list[dict[str, str]]


# Exports and tables have the same fields, so there is one list of them.
_FIELDS: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(AttemptRow).items()}
_AttemptFields = create_model("_AttemptFields", __base__=Model, **_FIELDS)


class AttemptDetails(_AttemptFields):
    """An attempt with the facts of its batch and its wait; times in seconds since 1970."""

    waited_s: float | None
    waited_for: str | None
    holders: list[str]
    failure: FailureDetails | None


class StepInput(Model):
    """An input, and the steps whose outputs it gets, where the log tells."""

    name: str
    from_: list[str] = Field(alias="from")


class StepOutput(Model):
    """An output, and the steps that follow."""

    name: str
    to: list[str]
    metadata: dict[str, Any] | None
    manager: str | None


class CutText(Model):
    """The end of a text; ``is_cut`` tells that its beginning is left out."""

    text: str
    is_cut: bool


class StepAnswer(Model):
    """All about one step; ``after`` and ``before`` are its neighbours, up to 500 each."""

    step: int
    key: str
    op: str
    state: str
    attempts: list[AttemptDetails]
    inputs: list[StepInput]
    outputs: list[StepOutput]
    after: list[str]
    before: list[str]
    after_count: int
    before_count: int
    metadata: dict[str, Any]
    materializations: list[Materialization]
    cached_from: dict[str, str] | None
    stdout: CutText
    stderr: CutText
    logs: list[dict[str, Any]]


class OpCounts(Model):
    """Steps of one node of the graph, by end, and the times of their attempts (seconds)."""

    path: str
    op: str
    counts: dict[str, int]
    attempts: int
    seconds: float
    longest: float


class OpsAnswer(Model):
    """The nodes of a run, in the order of their first steps."""

    ops: list[OpCounts]


class GraphQuery(Model):
    """The part of the graph to draw; ``open`` has paths of open boxes with commas between."""

    open: str | None = None
    focus: str | None = None
    depth: int = Field(default=1, ge=0, le=50)


class LogQuery(Model):
    """Choice of lines; ``from`` is the number of the first line, or the ``next`` of an answer."""

    step: str | None = None
    kind: Literal["event", "log", "stdout", "stderr"] | None = None
    text: str | None = None
    level: str | None = None
    from_: int | None = Field(default=None, alias="from", ge=0)
    limit: int = Field(default=200, ge=1, le=500)
    desc: bool = False


class LogAnswer(Model):
    """Lines of a run; ``total`` is None where not all were counted."""

    lines: list[dict[str, Any]]
    next: int | None
    total: int | None


class RemainingTime(Model):
    """Least remaining seconds of a run; ``unknown_ops`` have no time yet and count nothing."""

    seconds: float
    because_of: str
    unknown_ops: list[str]


class NowAnswer(Model):
    """What a run does now, by its driver: see ``Now`` in the docs."""

    model_config = Model.model_config | {"extra": "allow"}

    run_id: str
    time: float
    as_of: float
    remaining: RemainingTime | None

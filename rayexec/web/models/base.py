"""Base of the models, the body of an error, and models that several subjects share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ClusterFacts",
    "ErrorBody",
    "Materialization",
    "Metadata",
    "Model",
    "NoBody",
    "NoQuery",
    "Row",
    "SessionFacts",
    "Source",
]


class Model(BaseModel):
    """A body; a field that the model lacks is a mistake."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Model):
    """The query of an endpoint that takes none."""


class NoBody(Model):
    """The body of a request that needs none: ``{}``."""


class ErrorBody(Model):
    """One sentence on the mistake and the way out; ``problems`` has its parts, if there are any."""

    error: str = Field(
        description="One sentence on the mistake and the way out.",
        examples=["run 3f2b is not in the run store."],
    )
    problems: list[Any] | None = Field(
        default=None,
        description="The parts of the mistake, each with `path` and `message`; null for one alone.",
    )


class Row(Model):
    """A run, as ``rayexec run list --json`` prints it."""

    run_id: str = Field(description="Id of the run.", examples=["3f2a9c1e"])
    job: str = Field(description="Name of the job.", examples=["nightly"])
    status: str = Field(
        description="STARTED, SUCCESS, FAILURE, CANCELED or UNREADABLE.", examples=["SUCCESS"]
    )
    start_time: str = Field(
        description="Start, in ISO 8601 with the time zone.",
        examples=["2026-11-29T09:00:00.000+00:00"],
    )
    end_time: str | None = Field(
        description="End, in ISO 8601; null while the run lasts.",
        examples=["2026-11-29T09:00:12.500+00:00"],
    )
    duration: float | None = Field(
        description="Seconds from start to end; null while the run lasts.", examples=[12.5]
    )
    steps: dict[str, int] = Field(
        description="Counts of steps by their ends.", examples=[{"succeeded": 3, "failed": 1}]
    )
    tags: dict[str, str] = Field(description="Tags of the run.", examples=[{"team": "data"}])
    parent_run_id: str | None = Field(
        description="Id of the run that this one continues.", examples=["3f2a9c1e"]
    )
    root_run_id: str | None = Field(
        description="Id of the first run of the chain that this one continues.",
        examples=["3f2a9c1e"],
    )
    error: dict[str, str] | None = Field(
        description="Failure of the run as a whole: `error` and `message`.",
        examples=[{"error": "EngineError", "message": "no Ray answers."}],
    )
    note: str | None = Field(
        description="Death of the driver, reason why it is unreadable, or a gap in its log.",
        examples=["driver died"],
    )


class Metadata(Model):
    """A piece of metadata; ``kind`` is ``text``, ``url``, ``path``, ``md``, ``json``, ``int``, …"""

    kind: str = Field(
        description="Kind of the value: text, url, path, md, json, int, float, bool, table, …",
        examples=["int"],
    )
    value: Any = Field(
        description="The value as JSON; a text for kinds that JSON lacks.", examples=[120]
    )


class Materialization(Model):
    """The statement of a step that it wrote an asset; ``time`` in seconds since 1970."""

    time: float = Field(
        description="When it was stated, in seconds since 1970.", examples=[1796000000.0]
    )
    step: str | None = Field(
        description="Key of the step that stated it.", examples=["load[2026_11_29]"]
    )
    asset_key: list[str] = Field(
        description="Parts of the key of the asset.", examples=[["warehouse", "orders"]]
    )
    description: str | None = Field(
        description="What its author says of it.", examples=["Load rows of a table."]
    )
    partition: str | None = Field(description="Partition of the asset.", examples=["2026-11-29"])
    tags: dict[str, str] = Field(description="Tags of the statement.", examples=[{"kind": "table"}])
    metadata: dict[str, Metadata] = Field(
        description="Metadata by label.", examples=[{"rows": {"kind": "int", "value": 120}}]
    )


class Source(Model):
    """The file or module that holds the jobs."""

    file: str | None = Field(
        default=None, description="Path of the file, from `-f`.", examples=["/home/me/my_job.py"]
    )
    module: str | None = Field(
        default=None, description="Name of the module, from `-m`.", examples=["pipelines.jobs"]
    )


class ClusterFacts(Model):
    """The cluster that launched runs use, as far as it is known without a question to it."""

    address: str | None = Field(
        description="Address of the Ray, HOST:PORT.", examples=["10.0.0.7:6379"]
    )
    is_own: bool = Field(
        description="Whether rayexec started it, so that it may be stopped here.", examples=[True]
    )
    state: Literal["none", "starting", "up", "away"] = Field(
        description="none: there is none; starting; up; away: it does not answer.", examples=["up"]
    )
    error: str | None = Field(
        description="Why it is not there.", examples=["no Ray answers at 10.0.0.7:6379."]
    )


class SessionFacts(Model):
    """Facts of this server; ``now`` is its clock, in seconds since 1970."""

    version: str = Field(description="Version of rayexec.", examples=["0.1.0"])
    read_only: bool = Field(description="Whether the server changes nothing.", examples=[False])
    token_port: int = Field(
        description="Port in the name of the cookie and of the file with the token.",
        examples=[3000],
    )
    store: str = Field(
        description="Directory or URI of the run store.", examples=["/home/me/.rayexec"]
    )
    source: Source | None = Field(description="Where the jobs are; null for a server without code.")
    has_code: bool = Field(description="Whether the server has jobs to launch.", examples=[True])
    cluster: ClusterFacts | None = Field(description="The cluster that launched runs use.")
    now: float = Field(
        description="Clock of the server, in seconds since 1970.", examples=[1796000000.0]
    )

"""Base of the models, the body of an error, and models that several subjects share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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

    error: str
    problems: list[Any] | None = None


class Row(Model):
    """A run, as ``rayexec run list --json`` prints it."""

    run_id: str
    job: str
    status: str
    start_time: str
    end_time: str | None
    duration: float | None
    steps: dict[str, int]
    tags: dict[str, str]
    parent_run_id: str | None
    root_run_id: str | None
    error: dict[str, str] | None
    note: str | None


class Metadata(Model):
    """A piece of metadata; ``kind`` is ``text``, ``url``, ``path``, ``md``, ``json``, ``int``, …"""

    kind: str
    value: Any


class Materialization(Model):
    """The statement of a step that it wrote an asset; ``time`` in seconds since 1970."""

    time: float
    step: str | None
    asset_key: list[str]
    description: str | None
    partition: str | None
    tags: dict[str, str]
    metadata: dict[str, Metadata]


class Source(Model):
    """The file or module that holds the jobs."""

    file: str | None = None
    module: str | None = None


class ClusterFacts(Model):
    """The cluster that launched runs use, as far as it is known without a question to it."""

    address: str | None
    is_own: bool
    state: Literal["none", "starting", "up", "away"]
    error: str | None


class SessionFacts(Model):
    """Facts of this server; ``now`` is its clock, in seconds since 1970."""

    version: str
    read_only: bool
    token_port: int
    store: str
    source: Source | None
    has_code: bool
    cluster: ClusterFacts | None
    now: float

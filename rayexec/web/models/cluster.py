"""Bodies about the cluster: its nodes, limits with holders and waiters, findings."""

from __future__ import annotations

from pydantic import Field

from rayexec.web.models.base import ClusterFacts, Model

__all__ = ["ClusterAnswer", "ClusterChanged"]


class ClusterNode(Model):
    """A node; ``free`` is None where Ray does not tell."""

    host: str
    node_id: str
    is_head: bool
    resources: dict[str, float]
    free: dict[str, float] | None


class LimitHolder(Model):
    """A running task or actor with a share; ``run_id`` and ``step`` where a run has it."""

    name: str
    amount: float
    pid: int | None
    node_id: str | None
    run_id: str | None
    step: str | None


class LimitWaiters(Model):
    """Steps of one run that wait for a limit: how many, and the first of them."""

    run_id: str
    job: str
    size: int
    steps: list[str]


class ClusterLimit(Model):
    """A limit or pool of the cluster, with the hosts that declare it."""

    name: str
    kind: str
    total: float
    used: float
    nodes: list[str]
    holders: list[LimitHolder]
    waiters: list[LimitWaiters]


class ClusterAnswer(ClusterFacts):
    """The cluster as it was at ``as_of``, in seconds since 1970; None before any answer.

    ``holders_unknown`` is the reason if the holders of limits are missing.
    """

    as_of: float | None
    nodes: list[ClusterNode]
    limits: list[ClusterLimit]
    holders_unknown: str | None
    findings: list[str]
    runs: list[str] = Field(description="Ids of the runs on it that are not over.")
    other_runs: list[str] = Field(
        description="Ids of the other runs that are not over: in processes of their own, on other "
        "clusters, or without a state so far."
    )


class ClusterChanged(Model):
    """The state of the cluster after a request to start or stop it."""

    state: str

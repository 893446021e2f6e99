"""Bodies about the cluster: its nodes, limits with holders and waiters, findings."""

from __future__ import annotations

from pydantic import Field

from rayexec.web.models.base import ClusterFacts, Model

__all__ = ["ClusterAnswer", "ClusterChanged"]


class ClusterNode(Model):
    """A node; ``free`` is None where Ray does not tell."""

    host: str = Field(description="Address of the machine.", examples=["10.0.0.7"])
    node_id: str = Field(description="Ray's id of the node.", examples=["5b1f0c"])
    is_head: bool = Field(description="Whether the head of the cluster is there.", examples=[True])
    resources: dict[str, float] = Field(
        description="Amounts by Ray's names; memory in bytes.",
        examples=[{"CPU": 8.0, "memory": 16000000000.0}],
    )
    free: dict[str, float] | None = Field(
        description="Free amounts by name, memory in bytes; null where Ray does not tell.",
        examples=[{"CPU": 6.0}],
    )


class LimitHolder(Model):
    """A running task or actor with a share; ``run_id`` and ``step`` where a run has it."""

    name: str = Field(description="Ray's name of the task or actor.", examples=["run 3f2a9c1e"])
    amount: float = Field(description="Amount of the limit that it holds.", examples=[1.0])
    pid: int | None = Field(description="Process id of its worker.", examples=[4711])
    node_id: str | None = Field(description="Ray's id of its node.", examples=["5b1f0c"])
    run_id: str | None = Field(
        description="Id of its run; null for what is of no run.", examples=["3f2a9c1e"]
    )
    step: str | None = Field(
        description="Key of the step that runs there, where the run tells.", examples=["load[p3]"]
    )


class LimitWaiters(Model):
    """Steps of one run that wait for a limit: how many, and the first of them."""

    run_id: str = Field(description="Id of the run.", examples=["3f2a9c1e"])
    job: str = Field(description="Name of the job.", examples=["nightly"])
    size: int = Field(description="Number of steps that wait.", examples=[38])
    steps: list[str] = Field(
        description="Keys of the first of them.", examples=[["load[p8]", "load[p9]"]]
    )


class ClusterLimit(Model):
    """A limit or pool of the cluster, with the hosts that declare it."""

    name: str = Field(description="Name of the limit or pool.", examples=["database=redshift"])
    kind: str = Field(description="limit or pool.", examples=["limit"])
    total: float = Field(description="Amount that the nodes declare.", examples=[2.0])
    used: float = Field(description="Amount that is held now.", examples=[2.0])
    nodes: list[str] = Field(
        description="Addresses of the machines that declare it.", examples=[["10.0.0.7"]]
    )
    holders: list[LimitHolder] = Field(description="Tasks and actors that hold it.")
    waiters: list[LimitWaiters] = Field(
        description="Runs on this cluster with steps that wait for it."
    )


class ClusterAnswer(ClusterFacts):
    """The cluster as it was at ``as_of``, in seconds since 1970; None before any answer.

    ``holders_unknown`` is the reason if the holders of limits are missing.
    """

    as_of: float | None = Field(
        description="When the cluster answered last, in seconds since 1970; null before.",
        examples=[1796000000.0],
    )
    nodes: list[ClusterNode] = Field(description="Living nodes, the head first.")
    limits: list[ClusterLimit] = Field(description="Limits and pools by name.")
    holders_unknown: str | None = Field(description="Why the holders of limits are missing.")
    findings: list[str] = Field(
        description="What the doctor found, a line each.",
        examples=[["clocks: they differ by 3 s."]],
    )
    runs: list[str] = Field(description="Ids of the runs on it that are not over.")
    other_runs: list[str] = Field(
        description="Ids of other runs that are not over: elsewhere, or without a state so far."
    )


class ClusterChanged(Model):
    """The state of the cluster after a request to start or stop it."""

    state: str = Field(
        description="State after the request; see `ClusterAnswer`.", examples=["starting"]
    )

"""State of a running cluster: its resources, the free ones, and the holders of its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from rayexec.cluster.connect import connect
from rayexec.definitions.concurrency import LIMIT_PREFIX, POOL_PREFIX

__all__ = ["ClusterStatus", "LimitHolder", "LimitStatus", "NodeStatus", "cluster_status"]

HOLDERS_TIMEOUT_S = 3
_MOST_HOLDERS = 1_000


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node: all its ``resources``, and the ``free`` ones, or None if Ray does not tell."""

    node_id: str
    host: str
    is_head: bool
    resources: Mapping[str, float]
    free: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class LimitHolder:
    """A running task or actor with ``amount`` of a limit."""

    name: str
    kind: str
    amount: float
    node_id: str | None
    pid: int | None
    job_id: str | None


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """A limit or pool by its resource: the total on ``nodes`` nodes, and the used part."""

    resource: str
    total: float
    used: float
    nodes: int
    holders: tuple[LimitHolder, ...] | None

    @property
    def kind(self) -> str:
        """``limit`` or ``pool``."""
        return "limit" if self.resource.startswith(LIMIT_PREFIX) else "pool"

    @property
    def name(self) -> str:
        """The resource without its prefix."""
        return unquote(self.resource.removeprefix(LIMIT_PREFIX).removeprefix(POOL_PREFIX))


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster now; ``unknown`` is the reason if the holders of limits are missing."""

    address: str
    nodes: tuple[NodeStatus, ...]
    limits: tuple[LimitStatus, ...]
    unknown: str | None


def cluster_status(address: str) -> ClusterStatus:
    """Return the state of the cluster at ``address``; raises EngineError if it is out of reach.

    This process stays connected to it.
    """
    connect(address)
    import ray

    free_of = _free_per_node()
    alive = (
        NodeStatus(
            node["NodeID"],
            node["NodeManagerAddress"],
            "node:__internal_head__" in node["Resources"],
            _shown(node["Resources"]),
            None
            if free_of is None
            else _shown(dict.fromkeys(node["Resources"], 0.0) | free_of.get(node["NodeID"], {})),
        )
        for node in ray.nodes()
        if node["Alive"]
    )
    nodes = tuple(sorted(alive, key=lambda node: (not node.is_head, node.host, node.node_id)))
    totals: dict[str, list[float]] = {}
    for node in nodes:
        for name, amount in node.resources.items():
            if name.startswith((LIMIT_PREFIX, POOL_PREFIX)):
                totals.setdefault(name, []).append(amount)
    free = ray.available_resources()
    holders, unknown = _holders(totals) if totals else ({}, None)
    limits = tuple(
        LimitStatus(
            name,
            sum(amounts),
            round(sum(amounts) - free.get(name, 0.0), 4),
            len(amounts),
            None if holders is None else tuple(holders.get(name, ())),
        )
        for name, amounts in sorted(totals.items())
    )
    return ClusterStatus(ray.get_runtime_context().gcs_address, nodes, limits, unknown)


def _shown(resources: Mapping[str, float]) -> dict[str, float]:
    # Each node has a resource of its own name, which rayexec does not use.
    return {name: amount for name, amount in resources.items() if not name.startswith("node:")}


def _free_per_node() -> dict[str, dict[str, float]] | None:
    """Return the free resources by node, for which Ray has no public function."""
    from ray._private import state

    ask = getattr(state, "available_resources_per_node", None)
    try:
        return None if ask is None else ask()
    except Exception:  # a private function of Ray; the status does without it
        return None


def _holders(names: Iterable[str]) -> tuple[dict[str, list[LimitHolder]] | None, str | None]:
    """Return the holders of resources, or None and the reason."""
    from ray._private import worker
    from ray.util import state

    url = getattr(getattr(worker, "_global_node", None), "webui_url", None)
    if not url:
        holders = _holders_by_events(names)
        return (
            holders,
            None
            if holders is not None
            else "the cluster runs without its dashboard (cluster up --dashboard)",
        )
    options: dict[str, Any] = {
        "address": f"http://{url}",
        "limit": _MOST_HOLDERS,
        "timeout": HOLDERS_TIMEOUT_S,
        "detail": True,
        "raise_on_missing_output": False,
    }
    try:
        running: list[tuple[str, Any]] = [
            *(
                ("task", task)
                for task in state.list_tasks(filters=[("state", "=", "RUNNING")], **options)
            ),
            *(
                ("actor", actor)
                for actor in state.list_actors(filters=[("state", "=", "ALIVE")], **options)
            ),
        ]
    except Exception as error:  # of many kinds: the dashboard may be starting, overloaded, or gone
        return None, f"the dashboard does not answer ({type(error).__name__})"
    by_name: dict[str, list[LimitHolder]] = {name: [] for name in names}
    for kind, item in running:
        for name, amount in (item.required_resources or {}).items():
            if name in by_name and amount:
                title = getattr(item, "name", None) or getattr(item, "class_name", None) or "?"
                pid = getattr(item, "worker_pid", None) or getattr(item, "pid", None)
                holder = LimitHolder(title, kind, amount, item.node_id, pid, item.job_id)
                by_name[name].append(holder)
    return by_name, None


def _holders_by_events(names: Iterable[str]) -> dict[str, list[LimitHolder]] | None:
    """Return the holders of resources by Ray's events of tasks, about a second old.

    The dashboard shows the same, but Ray has no public function for it. None if this Ray has no
    private one.
    """
    from ray._private import state
    from ray.core.generated import common_pb2, gcs_pb2

    holders: dict[str, list[LimitHolder]] = {name: [] for name in names}

    def add(kind: str, title: str, item: Any, node: bytes, pid: int, job: bytes) -> None:
        for name, amount in item.required_resources.items():
            if name in holders and amount:
                holders[name].append(
                    LimitHolder(title, kind, amount, node.hex() or None, pid or None, job.hex())
                )

    try:
        status = common_pb2.TaskStatus.Value  # type: ignore[attr-defined]  # made at run time
        over = {status("FINISHED"), status("FAILED")}
        for event in state.state._get_all_task_events():
            info, now = event.task_info, event.state_updates
            if status("RUNNING") in now.state_ts_ns and over.isdisjoint(now.state_ts_ns):
                add("task", info.name, info, now.node_id, now.worker_pid, info.job_id)
        alive = gcs_pb2.ActorTableData.ActorState.Value("ALIVE")  # type: ignore[attr-defined]
        for written in state.state._connect_and_get_accessor().get_actor_table(None, None):
            actor = gcs_pb2.ActorTableData.FromString(written)  # type: ignore[attr-defined]
            if actor.state == alive:
                add(
                    "actor",
                    actor.name or actor.class_name,
                    actor,
                    actor.node_id,
                    actor.pid,
                    actor.job_id,
                )
    except Exception:  # Ray's private names may go, and so may the cluster
        return None
    return holders

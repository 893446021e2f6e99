"""What a running cluster has, what of it is free, and who holds its limits, as far as Ray tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from rayexec.cluster.connect import connect
from rayexec.definitions.limits import LIMIT_PREFIX, POOL_PREFIX

__all__ = ["ClusterStatus", "LimitHolder", "LimitStatus", "NodeStatus", "cluster_status"]

_HOLDERS_TIMEOUT = 3  # seconds
_MOST_HOLDERS = 1_000


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node: ``resources`` in all, and ``free`` of them, or None where Ray does not say."""

    node_id: str
    host: str
    is_head: bool
    resources: Mapping[str, float]
    free: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class LimitHolder:
    """A task or actor that runs and takes ``amount`` of a limit."""

    name: str
    kind: str
    amount: float
    node_id: str | None
    pid: int | None
    job_id: str | None


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """One limit or pool: by its resource, how much there is on all ``nodes`` that declare it, and
    how much is taken.
    """

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
    """A cluster as it is now; ``unknown`` says why there is nothing on who holds a limit, where
    that is so.
    """

    address: str
    nodes: tuple[NodeStatus, ...]
    limits: tuple[LimitStatus, ...]
    unknown: str | None


def cluster_status(address: str) -> ClusterStatus:
    """Return what the cluster at ``address`` has; raises EngineError where it cannot be reached.

    This process is attached to it afterwards.
    """
    connect(address)
    import ray

    free_of = _free_per_node()
    found = (
        NodeStatus(
            each["NodeID"],
            each["NodeManagerAddress"],
            "node:__internal_head__" in each["Resources"],
            _shown(each["Resources"]),
            None
            if free_of is None
            else _shown(dict.fromkeys(each["Resources"], 0.0) | free_of.get(each["NodeID"], {})),
        )
        for each in ray.nodes()
        if each["Alive"]
    )
    nodes = tuple(sorted(found, key=lambda node: (not node.is_head, node.host, node.node_id)))
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
    # Each node has one of its own name, on which nothing runs that rayexec starts.
    return {name: amount for name, amount in resources.items() if not name.startswith("node:")}


def _free_per_node() -> dict[str, dict[str, float]] | None:
    """Return what each node has free, which Ray has no public word for."""
    from ray._private import state

    ask = getattr(state, "available_resources_per_node", None)
    try:
        return None if ask is None else ask()
    except Exception:  # private, and a status without it is still one
        return None


def _holders(names: Iterable[str]) -> tuple[dict[str, list[LimitHolder]] | None, str | None]:
    """Return who holds each of these resources, or None and why that is not known."""
    from ray._private import worker
    from ray.util import state

    url = getattr(getattr(worker, "_global_node", None), "webui_url", None)
    if not url:
        known = _holders_by_events(names)
        return (
            known,
            None
            if known is not None
            else "the cluster runs without its dashboard (cluster up --dashboard)",
        )
    options: dict[str, Any] = {
        "address": f"http://{url}",
        "limit": _MOST_HOLDERS,
        "timeout": _HOLDERS_TIMEOUT,
        "detail": True,
        "raise_on_missing_output": False,
    }
    try:
        running: list[tuple[str, Any]] = [
            *(
                ("task", each)
                for each in state.list_tasks(filters=[("state", "=", "RUNNING")], **options)
            ),
            *(
                ("actor", each)
                for each in state.list_actors(filters=[("state", "=", "ALIVE")], **options)
            ),
        ]
    except Exception as error:  # of many kinds: the dashboard may be starting, overloaded, or gone
        return None, f"the dashboard does not answer ({type(error).__name__})"
    found: dict[str, list[LimitHolder]] = {name: [] for name in names}
    for kind, each in running:
        for name, amount in (each.required_resources or {}).items():
            if name in found and amount:
                shown = getattr(each, "name", None) or getattr(each, "class_name", None) or "?"
                pid = getattr(each, "worker_pid", None) or getattr(each, "pid", None)
                found[name].append(LimitHolder(shown, kind, amount, each.node_id, pid, each.job_id))
    return found, None


def _holders_by_events(names: Iterable[str]) -> dict[str, list[LimitHolder]] | None:
    """Return who holds each of these resources by what Ray keeps of tasks and actors, about a
    second old.

    The dashboard shows no more, but Ray has no public word for it. None where this Ray does not
    hand it out.
    """
    from ray._private import state
    from ray.core.generated import common_pb2, gcs_pb2

    found: dict[str, list[LimitHolder]] = {name: [] for name in names}

    def add(kind: str, shown: str, each: Any, node: bytes, pid: int, job: bytes) -> None:
        for name, amount in each.required_resources.items():
            if name in found and amount:
                found[name].append(
                    LimitHolder(shown, kind, amount, node.hex() or None, pid or None, job.hex())
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
    except Exception:  # private names that are gone, or a cluster that is
        return None
    return found

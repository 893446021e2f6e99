"""Connection to Ray: the one of this process, a cluster by its address, or a new one here."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rayexec._version import DISTRIBUTION
from rayexec.cluster.access import loopback, reach
from rayexec.cluster.ahead import claim, is_ahead
from rayexec.cluster.forked import check_not_forked
from rayexec.cluster.gcs_watch import answers
from rayexec.cluster.own_ray import (
    abandon,
    end_ray,
    has_living_head,
    is_head,
    is_started_here,
    quiet_options,
    settle,
    start_ray,
)
from rayexec.cluster.ray_mark import is_marked
from rayexec.cluster.usable_cpus import usable_cpus
from rayexec.config.masking import without_env_values
from rayexec.errors import EngineError
from rayexec.placement.capacity import Capacity, NodeGroup

__all__ = ["capacity_here", "connect", "releasing"]


# Key under which Ray's second autoscaler marks its presence.
_AUTOSCALER_V2, _NAMESPACE = b"__autoscaler_v2_enabled", b"__autoscaler"
CAPACITY_LIFETIME_S = 1.0

# Ray's message on different versions, with those of each side.
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")
_UTF_8 = (
    ". Ray sends the names of directories and files as UTF-8, and the locale here has another "
    "encoding: set PYTHONUTF8=1, or LC_ALL=C.UTF-8."
)
_SAME_VERSIONS = (
    " Values and code travel between both, so both must be the same: use an environment here that "
    "has the cluster's versions, such as by `uv venv --python VERSION` and `uv pip install "
    f"ray==VERSION {DISTRIBUTION}`; or have the cluster run the job by `rayexec job launch "
    "--address http://HOST:8265`."
)

# By process: another thread may have had it when this process was forked.
_LOCKS: dict[int, threading.Lock] = {}
# Id of the current Ray job, and its runtime environment.
_environment: tuple[str, Mapping[str, Any]] = ("", {})
# Last capacity: the address of its Ray, its time, and itself.
_last: tuple[str, float, Capacity] | None = None
# Head that has answered last: its address, and the time.
_answered: tuple[str, float] = ("", 0.0)
_ANSWER_LIFETIME_S = 1.0


def connect(address: str | None = None, runtime_env: Mapping[str, Any] | None = None) -> Capacity:
    """Connect this process to a Ray, and return its capacity.

    A Ray that this process uses already comes first, then the one at ``address``. Without an
    address, a Ray starts on this machine until the process exits. Raises EngineError on failure.
    """
    # Two threads that start Ray at once would end the process.
    with _lock():
        return _connect(address, runtime_env)


def _lock() -> threading.Lock:
    return _LOCKS.setdefault(os.getpid(), threading.Lock())


def _connect(address: str | None, runtime_env: Mapping[str, Any] | None) -> Capacity:
    import ray

    if address is not None and address.startswith("ray://"):
        raise EngineError(
            f"{address} is a Ray Client address, which rayexec does not use: it is slow and no "
            "longer maintained. Give the cluster's own address (HOST:6379 on a machine of the "
            "cluster, or auto)."
        )
    check_not_forked()
    settle()
    claim(address, runtime_env)
    if ray.is_initialized():
        _check_alive(ray.get_runtime_context().gcs_address)
    if not ray.is_initialized():
        _attach(address, runtime_env)
    elif address not in (None, "auto", "local", ray.get_runtime_context().gcs_address):
        raise EngineError(
            f"this process already uses the Ray at {ray.get_runtime_context().gcs_address}, so it "
            f"cannot attach to {address}; call ray.shutdown() first."
        )
    capacity = _capacity(ray.get_runtime_context().gcs_address)
    job_id, environment = _environment
    return (
        replace(capacity, runtime_env=environment)
        if job_id == ray.get_runtime_context().get_job_id()
        else capacity
    )


def _check_alive(in_use: str) -> None:
    """End the use of a Ray whose head has died: Ray would wait for a minute, and end the process.

    A Ray of our own is one as good as another. Raises EngineError for any other.
    """
    global _answered
    now = time.monotonic()
    is_recent = _answered[0] == in_use and now - _answered[1] < _ANSWER_LIFETIME_S
    # A question takes a millisecond. A process of ours needs it for a frozen head alone.
    if is_recent and has_living_head():
        return
    if answers(in_use):
        _answered = (in_use, now)
        return
    is_ours = is_started_here()
    end_ray()
    settle()
    if not is_ours:
        raise EngineError(
            f"the Ray at {in_use}, which this process used, has ended or cannot be reached. This "
            "process is detached from it now: run again to attach to another, or to start one "
            "here. A Ray ends with the thread that called ray.init()."
        )


def _attach(address: str | None, runtime_env: Mapping[str, Any] | None) -> None:
    """Start a Ray, or attach to the one at ``address``; raises EngineError."""
    global _environment
    import ray

    is_local = address in (None, "local")
    if not is_local:
        address = reach(str(address))
    # Ray warns of a change of this default at every start; this is the future one.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A dead worker is an event of its step; Ray would log it again.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        if is_local:
            start_ray(runtime_env)
            _silence_raylet()
        else:
            with loopback(str(address)):
                ray.init(address=address, **quiet_options(runtime_env))
    except EngineError:
        raise
    except Exception as error:  # a dozen kinds, down to bare RuntimeError and OSError
        if (versions := _other_versions(str(error))) is not None:
            ray.shutdown()  # the rest of the failed start
            raise EngineError(f"{versions} at {address}.{_SAME_VERSIONS}") from error
        where = "start Ray on this machine" if is_local else f"attach to Ray at {address}"
        given = " with execution.config.ray.runtime_env" if runtime_env else ""
        raise EngineError(
            f"cannot {where}{given}: {type(error).__name__}: "
            f"{without_env_values(str(error).strip(), runtime_env)}"
            f"{_UTF_8 if isinstance(error, UnicodeEncodeError) else ''}"
        ) from error
    _environment = (ray.get_runtime_context().get_job_id(), dict(runtime_env or {}))


def capacity_here() -> Capacity:
    """Return the capacity of a Ray on this machine, at least its CPUs, without a start."""
    return Capacity(({"CPU": float(usable_cpus())},), True, implicit_prefix=_implicit_prefix())


def _implicit_prefix() -> str | None:
    """Return the prefix of resources with an implicit 1.0 on each node; None without any."""
    import ray

    return getattr(getattr(ray, "_raylet", None), "IMPLICIT_RESOURCE_PREFIX", None)


def _capacity(address: str) -> Capacity:
    """Return the capacity of the Ray at ``address``, at most a second old.

    A question to Ray takes a millisecond.
    """
    global _last
    import ray

    now = time.monotonic()
    if _last is None or _last[0] != address or now - _last[1] > CAPACITY_LIFETIME_S:
        alive = [node for node in ray.nodes() if node["Alive"]]
        is_own = is_head()
        capacity = Capacity(
            tuple(node["Resources"] for node in alive),
            is_own,
            tuple(node.get("Labels", {}) for node in alive),
            tuple(node["NodeID"] for node in alive),
            _implicit_prefix(),
            () if is_own else _autoscaler(),
            _near(alive),
            is_marked=not is_own and is_marked(address),
            user_id="" if is_own else str(ray.get_runtime_context().get_job_id()),
            own_node=ray.get_runtime_context().get_node_id(),
        )
        _last = (address, now, capacity)
    return _last[2]


def _near(alive: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the ids of the nodes with the address and host name of this process's node."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    hosts = {
        node["NodeID"]: (node["NodeManagerAddress"], node["NodeManagerHostname"]) for node in alive
    }
    return frozenset(node for node, host in hosts.items() if host == hosts.get(own))


def _other_versions(text: str) -> str | None:
    """Return the versions here and on the cluster, if Ray's message says that they differ."""
    versions = _VERSIONS.findall(text) if text.startswith("Version mismatch") else []
    if len(versions) != 2:
        return None
    (cluster_ray, cluster_python), (ray, python) = versions
    return (
        f"this process runs Python {python} and Ray {ray}, but Python {cluster_python} and Ray "
        f"{cluster_ray} run the cluster"
    )


def _autoscaler() -> tuple[NodeGroup, ...] | None:
    """Return the node groups of the autoscaler: empty without one, None if it does not say.

    Ray has no public function for it. Some providers keep their node groups in the cluster's
    key-value store. Ray's own autoscalers do not: the second one (of KubeRay) leaves a mark there,
    and the first one a report.
    """
    import ray

    state = getattr(getattr(getattr(ray, "_private", None), "state", None), "state", None)
    try:
        from ray.experimental.internal_kv import _internal_kv_get

        config = state.get_cluster_config()  # type: ignore[union-attr]  # or else AttributeError
        groups = (
            [group for group in config.node_group_configs if group.max_count]
            if config is not None
            else []
        )
        if groups:
            return tuple(NodeGroup(group.name, dict(group.resources)) for group in groups)
        has_second = _internal_kv_get(_AUTOSCALER_V2, namespace=_NAMESPACE) == b"1"
        return None if has_second or adds_nodes(_internal_kv_get(b"__autoscaling_status")) else ()
    except Exception:  # Ray's private names may go, and so may the cluster; Ray then decides
        return None


def adds_nodes(report: bytes | None) -> bool:
    """Whether a report comes from an autoscaler that may add nodes.

    On a cluster started by hand, Ray's first autoscaler only reports. It has no node types then,
    and names each type after its node.
    """
    types = (json.loads(report or b"{}").get("autoscaler_report") or {}).get(
        "node_type_mapping"
    ) or {}
    return any(kind != f"node_{node}" for node, kind in types.items())


def _silence_raylet() -> None:
    """Keep the raylet's lines on dead workers off standard output, which belongs to ops.

    Ray has no setting for it. Without its private printer, the lines appear.
    """
    import ray

    module: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if callable(getattr(module, "print_to_stdstream", None)):
        module.print_to_stdstream = lambda *_args, **_options: None


def releasing() -> Callable[[], None]:
    """Return a function that ends the use of a Ray from now on; a Ray in use already stays.

    It acts at once: at the exit of the process, Ray would wait half a second first. A Ray that this
    process has started stops, also one that is not up yet.
    """

    def release() -> None:
        if not abandon() and not was_in_use and _is_in_use():
            import ray

            ray.shutdown()

    was_in_use = _is_in_use() and not is_ahead()
    return release


def _is_in_use() -> bool:
    ray = sys.modules.get("ray")
    is_initialized = getattr(ray, "is_initialized", None)  # none where its import was interrupted
    return is_initialized is not None and bool(is_initialized())

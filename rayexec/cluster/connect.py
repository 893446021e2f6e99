"""The Ray that a run uses: the one already in this process, a cluster by its address, or one
started here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

from rayexec.cluster.access import loopback, reach
from rayexec.cluster.usable_cpus import usable_cpus
from rayexec.errors import EngineError
from rayexec.placement.capacity import Capacity, NodeGroup

__all__ = ["capacity_here", "connect", "releasing"]


# Where Ray notes that its second autoscaler is there.
_SECOND, _NAMESPACE = b"__autoscaler_v2_enabled", b"__autoscaler"
_FRESH = 1.0  # seconds for which what a Ray has is believed
# What starts the processes of a Ray's head that its work does not need.
_ATTENDANTS = ("start_api_server", "start_monitor", "start_log_monitor")

# What Ray says of versions that differ, of each side.
_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")
_SAME_VERSIONS = (
    " Values and code travel between both, so both must be the same: use an environment here that "
    "has the cluster's versions, such as by `uv venv --python VERSION` and `uv pip install "
    "ray==VERSION rayexec`; or have the cluster run the job by `rayexec job launch --address "
    "http://HOST:8265`."
)

# The address of the Ray that this process started, by which it is known again after a shutdown in
# between.
_own: str | None = None
_LOCK = threading.Lock()
# What the runtime_env of all tasks is, by the id of the Ray job that was begun with it.
_environment: tuple[str, Mapping[str, Any]] = ("", {})
# What the Ray at an address had, and when.
_last: tuple[str, float, Capacity] | None = None


def connect(address: str | None = None, runtime_env: Mapping[str, Any] | None = None) -> Capacity:
    """Return the Ray to run on, connected.

    A Ray that this process already uses is taken as it is; else ``address`` is attached to; without
    one, a Ray is started on this machine, which stays until the process exits. Raises EngineError
    where that fails.
    """
    # Two threads that start Ray at once would end the process.
    with _LOCK:
        return _connect(address, runtime_env)


def _connect(address: str | None, runtime_env: Mapping[str, Any] | None) -> Capacity:
    global _own, _environment
    import ray

    if address is not None and address.startswith("ray://"):
        raise EngineError(
            f"{address} is a Ray Client address, which rayexec does not use: it is slow and no "
            "longer maintained. Give the cluster's own address (HOST:6379 on a machine of the "
            "cluster, or auto)."
        )
    if not ray.is_initialized():
        if address not in (None, "local"):
            address = reach(address)
        # Ray warns of a coming change of this setting on every start; this is the coming behaviour.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # A worker that died is an event of its step; Ray would log it a second time.
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        options: dict[str, Any] = {
            "log_to_driver": False,
            "logging_level": logging.ERROR,
            "configure_logging": True,
        }
        if address is None or address == "local":
            options |= {"address": "local", "include_dashboard": False}
        else:
            options |= {"address": address}
        if runtime_env:
            options["runtime_env"] = dict(runtime_env)
        try:
            if address in (None, "local"):
                with _interrupts_held(), _without_attendants():
                    ray.init(**options)
            else:
                with loopback(address):
                    ray.init(**options)
        except (
            Exception
        ) as error:  # Ray raises a dozen kinds, down to bare RuntimeError and OSError
            if (versions := _other_versions(str(error))) is not None:
                ray.shutdown()  # what it began
                raise EngineError(f"{versions} at {address}.{_SAME_VERSIONS}") from error
            where = (
                f"attach to Ray at {address}"
                if address not in (None, "local")
                else "start Ray on this machine"
            )
            given = " with execution.config.ray.runtime_env" if runtime_env else ""
            raise EngineError(
                f"cannot {where}{given}: {type(error).__name__}: {str(error).strip()}"
            ) from error
        _environment = (ray.get_runtime_context().get_job_id(), dict(runtime_env or {}))
        if address in (None, "local"):
            _own = ray.get_runtime_context().gcs_address
            _silence_raylet()
    elif address not in (None, "auto", "local", ray.get_runtime_context().gcs_address):
        raise EngineError(
            f"this process already uses the Ray at {ray.get_runtime_context().gcs_address}, so it "
            f"cannot attach to {address}; call ray.shutdown() first."
        )
    found = _capacity(ray.get_runtime_context().gcs_address)
    begun, environment = _environment
    return (
        replace(found, runtime_env=environment)
        if begun == ray.get_runtime_context().get_job_id()
        else found
    )


def capacity_here() -> Capacity:
    """Return what a Ray started on this machine would have, of CPUs at least, without starting one."""
    return Capacity(({"CPU": float(usable_cpus())},), True, implicit_prefix=_implicit_prefix())


def _implicit_prefix() -> str | None:
    """Return how names of resources begin of which each node has 1.0 undeclared; None where this
    Ray knows none.
    """
    import ray

    return getattr(getattr(ray, "_raylet", None), "IMPLICIT_RESOURCE_PREFIX", None)


def _capacity(address: str) -> Capacity:
    """Return what the Ray at ``address`` has to give, as of at most a second ago: asking it takes a
    millisecond.
    """
    global _last
    import ray

    now = time.monotonic()
    if _last is None or _last[0] != address or now - _last[1] > _FRESH:
        alive = [node for node in ray.nodes() if node["Alive"]]
        is_own = address == _own or _is_head()
        capacity = Capacity(
            tuple(node["Resources"] for node in alive),
            is_own,
            tuple(node.get("Labels", {}) for node in alive),
            tuple(node["NodeID"] for node in alive),
            _implicit_prefix(),
            () if is_own else _autoscaler(),
            _near(alive),
        )
        _last = (address, now, capacity)
    return _last[2]


def _near(alive: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the ids of the nodes on this machine: those that have the address and host name of
    this process's node.
    """
    import ray

    own = ray.get_runtime_context().get_node_id()
    places = {
        node["NodeID"]: (node["NodeManagerAddress"], node["NodeManagerHostname"]) for node in alive
    }
    return frozenset(node for node, place in places.items() if place == places.get(own))


def _other_versions(text: str) -> str | None:
    """Return who has which versions, where that is what Ray says in ``text``: first of the cluster,
    then of here.
    """
    found = _VERSIONS.findall(text) if text.startswith("Version mismatch") else []
    if len(found) != 2:
        return None
    (cluster_ray, cluster_python), (ray, python) = found
    return (
        f"this process runs Python {python} and Ray {ray}, but Python {cluster_python} and Ray "
        f"{cluster_ray} run the cluster"
    )


def _autoscaler() -> tuple[NodeGroup, ...] | None:
    """Return the kinds of nodes that an autoscaler may add: none where there is none, None where it
    does not say.

    Ray has no public word for it. Some providers keep their node groups in the cluster's key-value
    store; Ray's own autoscalers do not: the second (that of KubeRay, say) leaves a mark that it is
    there, the first a report.
    """
    import ray

    state = getattr(getattr(getattr(ray, "_private", None), "state", None), "state", None)
    try:
        from ray.experimental.internal_kv import _internal_kv_get

        config = state.get_cluster_config()  # type: ignore[union-attr]  # or else AttributeError
        groups = (
            [each for each in config.node_group_configs if each.max_count]
            if config is not None
            else []
        )
        if groups:
            return tuple(NodeGroup(each.name, dict(each.resources)) for each in groups)
        is_second = _internal_kv_get(_SECOND, namespace=_NAMESPACE) == b"1"
        return None if is_second or adds_nodes(_internal_kv_get(b"__autoscaling_status")) else ()
    except (
        Exception
    ):  # private names that are gone, or a cluster that is: then preflight leaves it to Ray
        return None


def adds_nodes(report: bytes | None) -> bool:
    """Whether the report of Ray's first autoscaler is of one that may add nodes.

    One that only looks on reports as well, of every cluster that was started by hand; it has no
    types of nodes, so it names each after its id.
    """
    types = (json.loads(report or b"{}").get("autoscaler_report") or {}).get(
        "node_type_mapping"
    ) or {}
    return any(kind != f"node_{node}" for node, kind in types.items())


def _silence_raylet() -> None:
    """Keep what the raylet says of dead workers off standard output, which belongs to what ops
    print.

    Ray has no setting for it. Where its private printer is not to be found, the lines appear.
    """
    import ray

    module = getattr(getattr(ray, "_private", None), "worker", None)
    if callable(getattr(module, "print_to_stdstream", None)):
        module.print_to_stdstream = lambda *_args, **_options: None  # type: ignore[union-attr]  # found above


def _is_head() -> bool:
    """Whether this process itself started the Ray that it uses, as far as Ray lets it be known."""
    import ray

    node = getattr(getattr(getattr(ray, "_private", None), "worker", None), "_global_node", None)
    return bool(getattr(node, "head", False))


@contextlib.contextmanager
def _without_attendants() -> Iterator[None]:
    """Have a Ray that starts while the block runs start nothing for which nobody asks a Ray of one
    process.

    That is the server of the dashboard (which is off, but would count usage), the monitor of a
    cluster that may grow, and what sends workers' output to the driver. They take a third of the
    start, and Ray waits for them when it is shut down. Ray has no setting for it; where its private
    functions are not to be found, they start.
    """
    import ray

    kind = getattr(getattr(getattr(ray, "_private", None), "node", None), "Node", None)
    before = {
        name: getattr(kind, name) for name in _ATTENDANTS if callable(getattr(kind, name, None))
    }
    for name in before:
        setattr(kind, name, lambda *_args, **_options: None)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(kind, name, function)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back an interrupt until the block is done.

    A Ray that is interrupted while it starts leaves processes behind, or crashes when it is shut
    down.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        before(*held[0])


def releasing() -> Callable[[], None]:
    """Return what lets go of the Ray that this process comes to use from now on; one that it uses
    already stays.

    Called, it does so at once rather than when the process exits, where Ray waits half a second
    first. A Ray that was started here is stopped.
    """

    def release() -> None:
        if not is_others and _is_in_use():
            import ray

            ray.shutdown()

    is_others = _is_in_use()
    return release


def _is_in_use() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())

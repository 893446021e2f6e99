"""Facts for the doctor: from this machine, and from a task without CPUs on each node."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rayexec.cluster.access import asks_for_token, reach
from rayexec.cluster.connect import connect
from rayexec.cluster.doctor import Facts, NodeFacts
from rayexec.cluster.local_cluster import running
from rayexec.cluster.node_facts import node_facts, node_time
from rayexec.cluster.tokens import TOKEN, readable_by_others, token_path
from rayexec.errors import EngineError
from rayexec.namesake import namesake_finder

__all__ = ["gather"]

ANSWER_TIMEOUT_S = 60.0  # a node may have to start a worker first
CLOCK_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 3.0
_FIELDS = frozenset(field.name for field in fields(NodeFacts))


def gather(address: str | None) -> Facts:
    """Return the facts of the cluster at ``address``; this process stays connected to it.

    None stands for the cluster of this machine, or for this machine alone.
    """
    if address is None:
        address = "auto" if os.environ.get("RAY_ADDRESS") else running()
    home = os.environ.get("RAYEXEC_HOME") or "~/.rayexec"
    facts = Facts(_here(), home, not os.environ.get("RAYEXEC_HOME"))
    marker = f"doctor-{uuid.uuid4().hex}"
    store_error = _mark(home, marker)
    try:
        facts = replace(facts, store_error=store_error, address=address)
        return (
            facts if address is None else _of_cluster(facts, address, "" if store_error else marker)
        )
    finally:
        if store_error is None:
            _unmark(home, marker)


def _here() -> NodeFacts:
    here = _with_facts(node_facts("", "", namesake_finder()), NodeFacts("this machine"))
    try:
        import ray

        return replace(here, ray=ray.__version__)
    except Exception:  # a package of Ray may be missing, or broken
        return replace(here, ray=None)


def _with_facts(answer: Mapping[str, Any], node: NodeFacts) -> NodeFacts:
    return replace(node, **{name: value for name, value in answer.items() if name in _FIELDS})


def _file_system(home: str) -> tuple[Any, str]:
    from pyarrow import fs

    if "://" in home:
        system, root = fs.FileSystem.from_uri(home)
        return system, str(root)
    return fs.LocalFileSystem(), str(Path(home).expanduser().absolute())


def _mark(home: str, marker: str) -> str | None:
    """Put a marker into the run store; return the error, or None."""
    try:
        system, root = _file_system(home)
        system.create_dir(root, recursive=True)
        with system.open_output_stream(f"{root}/{marker}") as stream:
            stream.write(b"rayexec")
    except Exception as error:  # file systems raise errors of their own
        return str(error) or type(error).__name__
    return None


def _unmark(home: str, marker: str) -> None:
    with contextlib.suppress(OSError):  # the empty file does no harm
        system, root = _file_system(home)
        system.delete_file(f"{root}/{marker}")


def _of_cluster(facts: Facts, address: str, marker: str) -> Facts:
    try:
        reached = reach(address)
        is_open = asks_for_token(reached) is False
        connect(address)  # as it was given: whether an address gets the token depends on that
    except EngineError as error:
        return replace(facts, unreachable=str(error))
    return replace(
        facts,
        address=reached,
        token="the cluster asks for none" if is_open else _token(),
        token_is_open=is_open,
        token_readers=str(token_path()) if readable_by_others() else "",
        is_loopback=_is_loopback(reached),
        dashboard=_dashboard(),
        nodes=_nodes(facts.home, marker),
    )


def _is_loopback(address: str) -> bool:
    return address.rpartition(":")[0].strip("[]") in ("127.0.0.1", "localhost", "::1")


def _token() -> str:
    return f"the cluster takes that of {TOKEN if os.environ.get(TOKEN) else token_path()}"


def _dashboard() -> tuple[str, bool] | None:
    from ray._private import worker

    url = getattr(getattr(worker, "_global_node", None), "webui_url", None)
    if not url:
        return None
    host, _, port = str(url).rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError):
        return url, False
    return url, True


def _nodes(home: str, marker: str) -> tuple[NodeFacts, ...]:
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    without_answer = {
        node["NodeID"]: NodeFacts(
            f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})",
            "node:__internal_head__" in node["Resources"],
            node["Resources"],
        )
        for node in sorted(
            alive, key=lambda node: "node:__internal_head__" not in node["Resources"]
        )
    }
    find_namesake = namesake_finder()
    tasks = {
        _on(node, node_facts).remote(home, marker, find_namesake): node for node in without_answer
    }
    done, _ = ray.wait(list(tasks), num_returns=len(tasks), timeout=ANSWER_TIMEOUT_S)
    nodes = []
    for reference, node in tasks.items():
        if reference not in done:
            ray.cancel(reference, force=True)
            nodes.append(
                replace(without_answer[node], error=f"nothing within {ANSWER_TIMEOUT_S:.0f} s")
            )
            continue
        try:
            answered = _with_facts(ray.get(reference), without_answer[node])
            nodes.append(replace(answered, skew=_skew(node)))
        except Exception as error:  # the node is gone, or cannot read the code
            nodes.append(
                replace(
                    without_answer[node],
                    error=f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}",
                )
            )
    return tuple(nodes)


def _on(node: str, function: Any) -> Any:
    """Return a task of ``function`` on one node; the node needs no rayexec."""
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from rayexec.cluster import node_facts as module

    cloudpickle.register_pickle_by_value(module)
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    task: Any = ray.remote(function)
    return task.options(num_cpus=0, max_retries=0, scheduling_strategy=where)


def _skew(node: str) -> float:
    """Return the least lead of a node's clock in seconds; the way there may hide some of it."""
    import ray

    before = time.time()
    there: float = ray.get(_on(node, node_time).remote(), timeout=CLOCK_TIMEOUT_S)
    after = time.time()
    return max(0.0, there - after) + min(0.0, there - before)

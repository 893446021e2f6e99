"""Nested runs: runs of an op, and Ray tasks of an op that wait for limits of its own run."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

__all__ = [
    "WaitingTask",
    "held_here",
    "is_canceled_here",
    "is_in_task",
    "lend_cpus_until",
    "waits_for_own",
]

# Longest wait inside Ray; reports of workers do not end it.
_LEND_S = 0.2


class WaitingTask(NamedTuple):
    """A Ray task of a step's own that waits for an amount of a resource."""

    step: int
    resource: str
    amount: float


def is_in_task() -> bool:
    """Tell whether this process is a Ray worker, so that a Ray task starts the runs here."""
    import ray

    worker = getattr(ray.get_runtime_context(), "worker", None)
    return bool(getattr(worker, "mode", None) == ray.WORKER_MODE)


def is_canceled_here() -> bool:
    """Tell whether the Ray task around this process is canceled, and its children with it."""
    import ray

    asked = getattr(ray.get_runtime_context(), "is_canceled", None)  # not in every Ray
    try:
        return asked is not None and bool(asked())
    except Exception:  # only a task may ask
        return False


def held_here() -> tuple[str, Mapping[str, float]]:
    """Return the node of this process, and the resources of the Ray task around it, if any."""
    import ray

    context = ray.get_runtime_context()
    held: Mapping[str, float] = context.get_assigned_resources() if is_in_task() else {}
    return context.get_node_id(), held


def lend_cpus_until(
    arrived: SimpleQueue[Any], refs: Sequence[Any], timeout: float | None
) -> float | None:
    """Wait inside Ray until something has ``arrived``: Ray lends out the CPUs of a waiting task.

    Returns the rest of ``timeout`` (seconds, None for ever).
    """
    import ray

    if not refs:
        return timeout
    ends = None if timeout is None else time.monotonic() + timeout
    while arrived.empty():
        left = _LEND_S if ends is None else min(_LEND_S, ends - time.monotonic())
        if left <= 0:
            return 0.0
        done, _ = ray.wait(list(refs), num_returns=1, timeout=left)
        if done:
            return 1.0 if ends is None else max(0.0, ends - time.monotonic())
    return 0.0


def waits_for_own(parents: Mapping[str, int], resources: Collection[str]) -> list[WaitingTask]:
    """Return steps with a waiting Ray task of their own that asks for one of these resources.

    ``parents`` has the running steps by the hexadecimal ids of their Ray tasks. Ray keeps events of
    its last 10,000 tasks, about a second old. An old Ray gives none, and the answer is empty.
    """
    import ray
    from ray.core.generated import common_pb2

    state = getattr(getattr(ray, "_private", None), "state", None)
    read = getattr(getattr(state, "state", None), "_get_all_task_events", None)
    if read is None:
        return []
    try:
        events: list[Any] = read()
    except Exception:  # a cluster that is going down, or one that keeps no events
        return []
    status = common_pb2.TaskStatus.Value  # type: ignore[attr-defined]  # made at run time
    begun = {status(name) for name in ("RUNNING", "FINISHED", "FAILED")}
    waiting = set()
    for event in events:
        info = event.task_info
        step = parents.get(info.parent_task_id.hex())
        reached = set(event.state_updates.state_ts_ns)
        if step is not None and reached.isdisjoint(begun):
            waiting |= {
                WaitingTask(step, name, amount)
                for name, amount in info.required_resources.items()
                if name in resources
            }
    return sorted(waiting)

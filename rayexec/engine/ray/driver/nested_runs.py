"""Ray calls inside ops: what a run that an op starts must know, and ops that wait for what their
own run holds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

__all__ = ["held_here", "is_canceled_here", "is_in_task", "lend_cpus_until", "waits_for_own"]

# seconds for which a wait stays within Ray, which hears nothing of what workers say meanwhile
_LEND = 0.2


def is_in_task() -> bool:
    """Whether this process is a Ray worker, so that a Ray task is what starts runs here."""
    import ray

    worker = getattr(ray.get_runtime_context(), "worker", None)
    return bool(getattr(worker, "mode", None) == ray.WORKER_MODE)


def is_canceled_here() -> bool:
    """Whether the Ray task around this process's work was canceled; Ray then cancels what that task
    started as well.
    """
    import ray

    asked = getattr(ray.get_runtime_context(), "is_canceled", None)  # not in every Ray
    try:
        return asked is not None and bool(asked())
    except Exception:  # it is asked of tasks only
        return False


def held_here() -> tuple[str, Mapping[str, float]]:
    """Return the node of this process, and what the Ray task around it holds there while it runs,
    if there is one.
    """
    import ray

    context = ray.get_runtime_context()
    held: Mapping[str, float] = context.get_assigned_resources() if is_in_task() else {}
    return context.get_node_id(), held


def lend_cpus_until(
    arrived: SimpleQueue[Any], refs: Sequence[Any], timeout: float | None
) -> float | None:
    """Wait in Ray's own way, which lends the CPUs of the task that waits, until something has
    ``arrived``.

    Returns what is left of ``timeout`` (seconds, None for ever) once ``arrived`` is to be looked
    at.
    """
    import ray

    if not refs:
        return timeout
    ends = None if timeout is None else time.monotonic() + timeout
    while arrived.empty():
        left = _LEND if ends is None else min(_LEND, ends - time.monotonic())
        if left <= 0:
            return 0.0
        done, _ = ray.wait(list(refs), num_returns=1, timeout=left)
        if done:
            return 1.0 if ends is None else max(0.0, ends - time.monotonic())
    return 0.0


def waits_for_own(
    parents: Mapping[str, int], resources: Collection[str]
) -> list[tuple[int, str, float]]:
    """Return (step, resource, amount) for steps that started a Ray task which waits and asks for
    such a resource.

    ``parents`` are the steps by the hexadecimal ids of the Ray tasks that run them. Ray keeps
    events of its last 10,000 tasks, about a second old; where this Ray does not hand them out, the
    answer is empty.
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
    begun = {status(each) for each in ("RUNNING", "FINISHED", "FAILED")}
    found = set()
    for event in events:
        info = event.task_info
        step = parents.get(info.parent_task_id.hex())
        reached = set(event.state_updates.state_ts_ns)
        if step is not None and reached.isdisjoint(begun):
            found |= {
                (step, name, amount)
                for name, amount in info.required_resources.items()
                if name in resources
            }
    return sorted(found)

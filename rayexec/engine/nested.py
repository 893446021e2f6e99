"""Ray calls inside ops: what a run that an op starts must know, and ops that wait for what their own run holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["held_here", "waits_for_own"]


def held_here() -> Mapping[str, float]:
    """Return what the Ray task around this process holds while it runs, empty where there is none."""
    import ray

    context = ray.get_runtime_context()
    if getattr(getattr(context, "worker", None), "mode", None) != ray.WORKER_MODE:
        return {}
    held: dict[str, float] = context.get_assigned_resources()
    return held


def waits_for_own(parents: Mapping[str, int], resources: Collection[str]) -> list[tuple[int, str]]:
    """Return (step, resource) for steps that started a Ray task which asks for one of ``resources`` and has to wait.

    ``parents`` are the steps by the hexadecimal ids of the Ray tasks that run them. Ray keeps events of its last 10,000
    tasks, about a second old; where this Ray does not hand them out, the answer is empty.
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
    found = []
    for event in events:
        info = event.task_info
        step = parents.get(info.parent_task_id.hex())
        reached = set(event.state_updates.state_ts_ns)
        if step is None or not reached.isdisjoint(begun):
            continue
        found += [(step, name) for name in resources if info.required_resources.get(name)]
    return sorted(set(found))

"""Use of a cluster's limits by runs: which runs and steps hold a limit, and which wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.names import RUN_TASK

__all__ = ["LiveRun", "runs_on", "with_other_runs", "with_runs"]


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run under way; ``now`` is its state as its driver writes it, None without any."""

    run_id: str
    job: str
    now: Mapping[str, Any] | None


def runs_on(status: Mapping[str, Any], runs: Iterable[LiveRun]) -> list[LiveRun]:
    """Return the runs on a cluster: their drivers are at a node of it, or they hold a limit there.

    A run without a state, as that of a driver elsewhere, is on it only if it holds something.
    """
    nodes = {node["node_id"] for node in status["nodes"]}
    holders = {
        _holder(holder)["run_id"] for limit in status["limits"] for holder in limit["holders"]
    }
    return [
        run
        for run in runs
        if run.run_id in holders or (run.now is not None and run.now["node_id"] in nodes)
    ]


def with_runs(limits: Iterable[Mapping[str, Any]], runs: Sequence[LiveRun]) -> list[dict[str, Any]]:
    """Return limits of a cluster with the runs and steps of their holders, and with the waiters.

    Holders are Ray's tasks; a task of a run has the run's id in its name. Each task runs one step
    at a time, and the run's own state tells the steps.
    """
    return [_with_runs(limit, runs) for limit in limits]


def with_other_runs(
    now: Mapping[str, Any], limits: Iterable[Mapping[str, Any]], runs: Iterable[LiveRun]
) -> dict[str, Any]:
    """Return the state of a run with the other runs that hold what its steps wait for.

    Its driver knows that others do, and the cluster knows them.
    """
    jobs = {run.run_id: run.job for run in runs}
    held: dict[str, list[dict[str, str]]] = {}
    for limit in limits:
        holders = [_holder(holder)["run_id"] for holder in limit["holders"]]
        held[_name_in_runs(limit)] = [
            {"run_id": run_id, "job": jobs[run_id]}
            for run_id in dict.fromkeys(holders)
            if run_id in jobs and run_id != now["run_id"]
        ]
    queues = [
        {**queue, "other_runs": held.get(queue["limit"], [])} if queue["others"] else queue
        for queue in now["queues"]
    ]
    return {**now, "queues": queues}


def _name_in_runs(limit: Mapping[str, Any]) -> str:
    """Return the name by which runs call a limit of the cluster."""
    return f"pool {limit['name']}" if limit["kind"] == "pool" else f"{limit['name']} (cluster)"


def _with_runs(limit: Mapping[str, Any], runs: Sequence[LiveRun]) -> dict[str, Any]:
    name = _name_in_runs(limit)
    queues = {run.run_id: _queue(run, name) for run in runs}
    holders = [_holder(holder) for holder in limit["holders"]]
    for run in runs:
        of_run = [holder for holder in holders if holder["run_id"] == run.run_id]
        for holder, step in zip(of_run, _steps(run, queues[run.run_id], len(of_run)), strict=False):
            holder["step"] = step
    waiters = [
        {
            "run_id": run.run_id,
            "job": run.job,
            "size": queue["size"],
            "steps": list(queue["steps"]),
        }
        for run in runs
        if (queue := queues[run.run_id]) is not None and queue["size"]
    ]
    return {**limit, "holders": holders, "waiters": waiters}


def _queue(run: LiveRun, name: str) -> Mapping[str, Any] | None:
    queues = () if run.now is None else run.now["queues"]
    return next((queue for queue in queues if queue["limit"] == name), None)


def _holder(holder: Mapping[str, Any]) -> dict[str, Any]:
    is_of_run = holder["name"].startswith(RUN_TASK)
    run_id = holder["name"].removeprefix(RUN_TASK) if is_of_run else None
    return {**holder, "run_id": run_id, "step": None}


def _steps(run: LiveRun, queue: Mapping[str, Any] | None, count: int) -> list[str]:
    """Return the steps of ``count`` tasks with shares, as far as the state of the run tells."""
    if queue is not None and queue["holders"]:
        return [holder["key"] for holder in queue["holders"]]
    running = [] if run.now is None else run.now["running"]
    # Nothing waits, so the state names no holders: the steps are clear if all of them hold.
    return [step["key"] for step in running] if len(running) == count else []

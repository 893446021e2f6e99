"""The doings of a job file: how each of its runs ends, step by step, and what else it reports.

It reads results by Dagster's names alone, so that it works on both packages. A file may have

- ``RUNS``: arguments of ``execute_in_process`` by the name of a run, with the job under ``"job"``;
  without it, each job of the file runs once,
- ``observe()``: a function of the file that returns anything that JSON has.
"""

from __future__ import annotations

import importlib
import json
from collections import defaultdict
from typing import Any

KINDS = (
    "STEP_START",
    "STEP_OUTPUT",
    "STEP_SUCCESS",
    "STEP_FAILURE",
    "STEP_SKIPPED",
    "STEP_UP_FOR_RETRY",
    "STEP_RESTARTED",
    "ASSET_MATERIALIZATION",
    "ASSET_OBSERVATION",
    "STEP_EXPECTATION_RESULT",
    "HOOK_COMPLETED",
    "HOOK_ERRORED",
    "HOOK_SKIPPED",
)


def plain(value: Any) -> Any:
    """Return a value as JSON would give it back; other objects become the names of their types."""
    return json.loads(json.dumps(value, default=lambda x: type(x).__name__, sort_keys=True))


def dagsters_name(job: Any, error: Exception) -> str:
    """Dagster's name of an error: both packages have their errors by it."""
    package = importlib.import_module(type(job).__module__.partition(".")[0])
    names = ("DagsterInvalidConfigError", "DagsterInvalidSubsetError", "DagsterError")
    return next(
        (name for name in names if isinstance(error, getattr(package, name))),
        type(error).__name__,
    )


def ending_of(job: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """How a run ends: its outcome, the events of each step, and the output of each op."""
    try:
        result = job.execute_in_process(raise_on_error=False, **arguments)
    except Exception as error:
        return {"raises": dagsters_name(job, error)}
    steps: dict[str, list[str]] = defaultdict(list)
    for event in result.all_events:
        if event.event_type_value in KINDS and event.step_key is not None:
            steps[event.step_key].append(event.event_type_value)
    outputs = {}
    for event in result.all_events:
        if event.event_type_value == "STEP_OUTPUT":
            name = event.step_output_data.output_name
            node = str(event.node_handle)
            ended_well = "STEP_SUCCESS" in steps[event.step_key]
            if ended_well and "[" not in event.step_key:
                outputs[f"{node}:{name}"] = plain(result.output_for_node(node, name))
    failures = {
        event.step_key: event.step_failure_data.error.cls_name
        for event in result.all_events
        if event.event_type_value == "STEP_FAILURE"
    }
    # Dagster runs the hooks of a step in the order of a set.
    for kinds in steps.values():
        kinds.sort(key=lambda kind: kind if kind.startswith("HOOK") else "")
    return {
        "success": result.success,
        "steps": dict(sorted(steps.items())),
        "outputs": dict(sorted(outputs.items())),
        "failures": failures,
    }


def observed(module: Any, job_class: type[Any]) -> dict[str, Any]:
    """Return all that a job file shows."""
    jobs = {value.name: value for value in vars(module).values() if isinstance(value, job_class)}
    runs = getattr(module, "RUNS", None)
    if runs is None:
        runs = {name: {"job": name} for name in jobs}
    ends = {}
    for name, arguments in runs.items():
        given = dict(arguments)
        ends[name] = ending_of(jobs[given.pop("job")], given)
    report = {"jobs": sorted(jobs), "runs": ends}
    if hasattr(module, "observe"):
        report["observe"] = plain(module.observe())
    return report

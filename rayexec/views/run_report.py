"""Report of a run, recorded or just over, as JSON-able data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from rayexec.config.masking import mask_env_vars
from rayexec.events import RunStatus
from rayexec.execute import RunResult
from rayexec.store import RunRecord
from rayexec.views.history import RunHistory
from rayexec.views.quantities import iso_time
from rayexec.views.run_summary import OpSummary, RunSummary, summarise
from rayexec.views.waits import seconds_by_reason

__all__ = ["RunReport", "RunTimes", "outcome", "report", "run_row", "seconds_of", "times_of"]


@dataclass(frozen=True, slots=True)
class RunReport:
    """A recorded run: its record and the summary of its log."""

    record: RunRecord
    summary: RunSummary

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON-able data."""
        record, summary = self.record, self.summary
        return {
            **run_row(record),
            "steps": summary.counts,
            "last_recorded": None if summary.latest is None else iso_time(summary.latest),
            "op_selection": record.op_selection,
            "run_config": mask_env_vars(record.run_config),
            "origin": dict(record.origin),
            "versions": dict(record.versions),
            "driver": record.to_dict()["driver"],
            "ops": {op.name: {**op.counts, **_times_of_op(op)} for op in summary.ops},
            **_workers(summary),
            "failed_steps": [
                {
                    "step_key": failure.step_key,
                    "error": failure.data.root.own_name,
                    "message": failure.data.root.message,
                    "stack": failure.data.root.stack,
                }
                for failure in summary.failures
            ],
        }


class RunTimes(NamedTuple):
    """Start and end of a run, in seconds since 1970."""

    started: float
    ended: float

    @property
    def seconds(self) -> float:
        """The time in between."""
        return self.ended - self.started


def report(record: RunRecord, history: RunHistory) -> RunReport:
    """Return the report of a run from its record and its log."""
    return RunReport(record, summarise(history))


def run_row(record: RunRecord) -> dict[str, Any]:
    """Return a run as a row of a list, as JSON-able data."""
    seconds = seconds_of(record)
    return {
        "run_id": record.run_id,
        "job": record.job_name,
        "status": record.status,
        "start_time": iso_time(record.start_time),
        "end_time": None if record.end_time is None else iso_time(record.end_time),
        "duration": None if seconds is None else round(seconds, 6),
        "steps": dict(record.steps),
        "tags": dict(record.tags),
        "parent_run_id": record.parent_run_id,
        "root_run_id": record.root_run_id,
        "error": record.error,
        "note": record.note,
    }


def outcome(result: RunResult) -> dict[str, Any]:
    """Return the outcome of a run that this process drove, as JSON-able data."""
    times = times_of(result)
    error = None
    if result.error is not None and result.status == RunStatus.FAILURE:
        error = {"error": type(result.error).__name__, "message": str(result.error)}
    summary = summarise(result.run_log)
    return {
        "run_id": result.run_id,
        "job": result.dagster_run.job_name,
        "status": result.status,
        "start_time": iso_time(times.started),
        "end_time": iso_time(times.ended),
        "duration": round(times.seconds, 6),
        "steps": dict(result.counts()),
        "reused": len(result.reused),
        "failed_steps": [
            {
                "step_key": failure.step_key,
                "error": failure.data.root.own_name,
                "message": failure.data.root.message,
            }
            for failure in summary.failures
        ],
        "ops": {op.name: _times_of_op(op) for op in summary.ops if op.attempts},
        "waited": seconds_by_reason(result.waits),
        "error": error,
    }


def seconds_of(record: RunRecord) -> float | None:
    """Return the seconds from the start to the end of a run; None before its end."""
    return None if record.end_time is None else record.end_time - record.start_time


def times_of(result: RunResult) -> RunTimes:
    """Return the start and the end of a run; now for both if it recorded nothing."""
    now = time.time()
    return RunTimes(*(result.times or (now, now)))


def _times_of_op(op: OpSummary) -> dict[str, float]:
    return {
        "attempts": op.attempts,
        "seconds": round(op.seconds, 6),
        "longest": round(op.longest, 6),
    }


def _workers(summary: RunSummary) -> dict[str, Any]:
    longest, nodes = summary.longest_queue, summary.nodes
    return {
        "longest_queue": None
        if longest is None
        else {"seconds": round(longest.seconds, 6), "step_key": longest.step_key},
        "peak_rss_bytes": max((node.peak_rss for node in nodes), default=0) or None,
        "nodes": [
            {
                "host": node.host,
                "node_id": node.node_id or None,
                "workers": len(node.workers),
                "attempts": node.attempts,
                "seconds": round(node.seconds, 6),
                "peak_rss_bytes": node.peak_rss or None,
            }
            for node in nodes
        ],
    }

"""What is said of a run once it is over: a summary, why it failed, and the same as JSON."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.events import (
    SUCCESS,
    ErrorInfo,
    EventType,
    RunStatus,
    StepFailureData,
    StepsRestored,
    describe_error,
)
from rayexec.execute import RunLog, RunResult
from rayexec.names import node_path
from rayexec.plan import Plan

__all__ = [
    "StepSummary",
    "as_json",
    "closing_line",
    "describe_failures",
    "duration",
    "failure_text",
    "summarize",
]

_FAILURES_SHOWN = 10
_OF_ONE_NODE = 3  # of those, steps of one mapped node, which mostly fail alike
_FAILURES_NAMED = 20


def duration(seconds: float) -> str:
    """Return a time span in words of a few characters."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


@dataclass(slots=True)
class StepSummary:
    """How one step went; ``seconds`` is the time of all its attempts together.

    ``waited`` is how long it waited for a limit of tags or pools, and for which.
    """

    key: str
    op: str
    status: str = "not run"
    attempts: int = 0
    seconds: float = 0.0
    waited: str = ""


def summarize(plan: Plan, log: RunLog) -> list[StepSummary]:
    """Return how each step went, in the order of the plan, those of dynamic outputs behind the step
    they come from.
    """
    rows = [StepSummary(step.key, plan.op_of(step.index).name) for step in plan.steps]
    for attempt in log.attempts():
        row = rows[attempt.step]
        row.attempts += 1
        row.seconds += attempt.ended - attempt.started
        row.status = (
            "reused" if attempt.reused else "succeeded" if attempt.outcome == SUCCESS else "failed"
        )
    for wait in log.waits:
        if wait.is_blocked:  # that all wait for the slots goes without saying
            rows[wait.step].waited = f"{duration(wait.seconds)} for {wait.reason}"
    for event in log.records:
        if isinstance(event, StepsRestored):
            for step in event.steps:
                if not rows[step].attempts:  # else it had to be made again
                    rows[step].status = "reused"
        if getattr(event, "event_type", None) is EventType.STEP_SKIPPED:
            rows[plan.by_key[event.step_key]].status = "skipped"  # type: ignore[union-attr,index]  # an Event
    if plan.mapped_nodes:
        order = plan.depth_order
        return [rows[step] for step in sorted(range(len(rows)), key=order.__getitem__)]
    return rows


def closing_line(result: RunResult) -> str:
    """Return how the run ended, in a line."""
    started, ended = _times(result)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in result.counts().items() if count)
    ends = {
        RunStatus.SUCCESS: "succeeded",
        RunStatus.FAILURE: "failed",
        RunStatus.CANCELED: "was canceled",
    }
    return f"Run {result.run_id} {ends[result.status]} in {duration(ended - started)} (steps: {counts or 'none'})."


def _times(result: RunResult) -> tuple[float, float]:
    now = time.time()
    return result.times or (now, now)


def failure_text(result: RunResult) -> str:
    """Return why a run failed: each failed step with its message and its traceback without frames
    of rayexec.
    """
    if result.status == RunStatus.CANCELED:
        return f"Run {result.run_id} was canceled."
    parts = [f"Run {result.run_id} resulted in failure."]
    failures = list(_failures(result))
    parts += describe_failures(failures, lambda key: 1 + result.retry_attempts_for_node(key))
    if len(failures) > len(_most_telling(failures)):
        parts[:2] = [f"{parts[0]} {parts[1]}"]
    if result.error is not None:
        error = describe_error(result.error)
        parts.append(_describe("The run could not go on", error))
    return "\n\n".join(parts)


def describe_failures(
    failures: Sequence[tuple[str, StepFailureData]], attempts_of: Callable[[str], int]
) -> list[str]:
    """Return why steps failed, in parts: first how many did, where not all are shown, then those
    that are shown.
    """
    parts = []
    shown = _most_telling(failures)
    if len(shown) < len(failures):
        parts.append(
            f"{len(failures):,} steps failed; {len(shown)} are shown, --json lists them all."
        )
    for key, data in shown:
        attempts = attempts_of(key)
        tries = f" in attempt {attempts}" if attempts > 1 else ""
        parts.append(_describe(f'Step "{key}" failed{tries}', data.root))
    if len(shown) < len(failures):
        told = {key for key, _ in shown}
        keys = [key for key, _ in failures if key not in told]
        more = f" and {len(keys) - _FAILURES_NAMED:,} more" if len(keys) > _FAILURES_NAMED else ""
        parts.append(f"Also failed: {', '.join(keys[:_FAILURES_NAMED])}{more}")
    return parts


def _describe(what: str, error: ErrorInfo) -> str:
    headline = f"{what}: {error.cls_name}: {error.message}".rstrip().removesuffix(":")
    # Without a frame of the user's code a traceback only says the headline again.
    return f"{headline}\n\n{error.stack.rstrip()}" if '  File "' in error.stack else headline


def _failures(result: RunResult) -> Iterator[tuple[str, StepFailureData]]:
    if not result.get_failed_step_keys():
        return  # before all events are made of what was recorded, only to find none
    for event in result.get_step_failure_events():
        yield event.step_key or "", event.step_failure_data


def _most_telling(
    failures: Sequence[tuple[str, StepFailureData]],
) -> list[tuple[str, StepFailureData]]:
    """Return the failures to show, the first ones, and only a few of each mapped node."""
    counted: Counter[str] = Counter()
    found = []
    for key, data in failures:
        node = node_path(key)
        counted[node] += 1
        if node == key or counted[node] <= _OF_ONE_NODE:
            found.append((key, data))
    return found[:_FAILURES_SHOWN]


def as_json(result: RunResult) -> dict[str, Any]:
    """Return the outcome of a run as JSON-able data."""
    started, ended = _times(result)
    error = None
    if result.error is not None and result.status == RunStatus.FAILURE:
        error = {"error": type(result.error).__name__, "message": str(result.error)}
    failed = []
    for key, data in _failures(result):
        shown = data.root
        failed.append({"step_key": key, "error": shown.cls_name, "message": shown.message})
    return {
        "run_id": result.run_id,
        "job": result.dagster_run.job_name,
        "status": result.status,
        "start_time": _moment(started),
        "end_time": _moment(ended),
        "duration": round(ended - started, 6),
        "steps": dict(result.counts()),
        "reused": len(result.reused),
        "failed_steps": failed,
        "ops": _ops(result),
        "waited": _waited(result),
        "error": error,
    }


def _ops(result: RunResult) -> dict[str, dict[str, float]]:
    """Return how often the steps of each op were tried, and the seconds that took: all, and the
    longest.
    """
    found: dict[str, dict[str, float]] = {}
    for op, seconds in result.spent():
        each = found.setdefault(op, {"attempts": 0, "seconds": 0.0, "longest": 0.0})
        each["attempts"] += 1
        each["seconds"] = round(each["seconds"] + seconds, 6)
        each["longest"] = round(max(each["longest"], seconds), 6)
    return found


def _waited(result: RunResult) -> dict[str, float]:
    """Return for how many seconds all ready steps together waited, by what they waited for."""
    found: dict[str, float] = {}
    for each in result.waits:
        if each.reason is not None:
            found[each.reason] = round(found.get(each.reason, 0.0) + each.seconds, 6)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(
        timespec="microseconds"
    )

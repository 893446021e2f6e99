"""What is said of a run that was recorded."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.table import Table
from rich.text import Text

from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    ErrorInfo,
    Event,
    EventType,
    RunStatus,
    StepFailureData,
)
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog
from rayexec.views.run_summary import describe_failures, duration
from rayexec.views.workers import Workers

__all__ = ["RunReport", "brief", "ended_line", "runs_table"]

_STYLES = {
    RunStatus.SUCCESS: "green",
    RunStatus.FAILURE: "red",
    RunStatus.CANCELED: "yellow",
    RunStatus.STARTED: "cyan",
}
_ENDS = {
    RunStatus.SUCCESS: "succeeded",
    RunStatus.FAILURE: "failed",
    RunStatus.CANCELED: "was canceled",
    RunStatus.STARTED: "goes on",
}
_KINDS = ("succeeded", "reused", "failed", "skipped", "not run")
_SLOWEST = 3  # ops that are named


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(
        timespec="microseconds"
    )


def _shown(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(
        "%Y-%m-%d %H:%M:%S UTC"
    )


def _took(record: RunRecord) -> float | None:
    return None if record.end_time is None else record.end_time - record.start_time


def brief(record: RunRecord) -> dict[str, Any]:
    """Return a run as a row of JSON-able data."""
    took = _took(record)
    return {
        "run_id": record.run_id,
        "job": record.job_name,
        "status": record.status,
        "start_time": _moment(record.start_time),
        "end_time": _moment(record.end_time),
        "duration": None if took is None else round(took, 6),
        "steps": dict(record.steps),
        "tags": dict(record.tags),
        "parent_run_id": record.parent_run_id,
        "root_run_id": record.root_run_id,
        "error": record.error,
        "note": record.note,
    }


def _state(record: RunRecord) -> str:
    return (
        f"{record.status} ({record.note})" if record.note and record.start_time else record.status
    )


def ended_line(record: RunRecord) -> str:
    """Return how a run ended, in a line."""
    took = _took(record)
    how_long = "" if took is None else f" in {duration(took)}"
    note = f" ({record.note})" if record.note else ""
    return f"Run {record.run_id} {_ENDS.get(record.status, record.status)}{how_long}{note}."


def runs_table(records: Sequence[RunRecord]) -> Table:
    """Return a table of runs."""
    table = _table(
        ("run", False),
        ("job", False),
        ("status", False),
        ("started", False),
        ("took", True),
        ("steps", True),
    )
    for each in records:
        took = _took(each)
        table.add_row(
            Text(each.run_id),
            Text(each.job_name),
            Text(_state(each), style=_STYLES.get(each.status, "magenta")),
            _shown(each.start_time) if each.start_time else "",
            "" if took is None else duration(took),
            f"{sum(each.steps.values()):,}" if each.steps else "",
        )
    return table


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, is_number in columns:
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    return table


@dataclass(slots=True)
class _Op:
    """How the steps of one op went; times in seconds."""

    name: str
    counts: dict[str, int]
    attempts: int = 0
    seconds: float = 0.0
    longest: float = 0.0


class RunReport:
    """A run as it stands, from what was recorded of it."""

    def __init__(self, record: RunRecord, log: StoredLog) -> None:
        self._record = record
        self._log = log
        self._failures: list[tuple[str, StepFailureData]] = []
        self._tries: dict[str, int] = {}
        self._latest: float | None = None
        self._error: ErrorInfo | None = None
        self._workers = Workers(log)

    @cached_property
    def _ops(self) -> list[_Op]:
        """How each op went, in the order in which their steps came to be known."""
        log = self._log
        status = ["not run"] * len(log.keys)
        for step in log.restored():
            status[step] = "reused"
        ops = {
            log.op_of(step): _Op(log.op_of(step), dict.fromkeys(_KINDS, 0))
            for step in range(len(log.keys))
        }
        skipped = set()
        for record in log.entries():
            if isinstance(record, Attempt):
                op, spent = ops[log.op_of(record.step)], record.ended - record.started
                self._workers.add(record)
                op.attempts += 1
                op.seconds += spent
                op.longest = max(op.longest, spent)
                self._latest = max(self._latest or 0.0, record.ended)
                if record.number or record.outcome != SUCCESS:
                    self._tries[log.keys[record.step]] = record.number + 1
                if record.outcome in (SUCCESS, FAILURE):
                    how = "succeeded" if record.reused is None else "reused"
                    status[record.step] = how if record.outcome == SUCCESS else "failed"
                if record.outcome == FAILURE and record.failure is not None:
                    self._failures.append((log.keys[record.step], record.failure))
            elif isinstance(record, Event):
                self._latest = max(self._latest or 0.0, record.timestamp)
                if record.event_type is EventType.STEP_SKIPPED:
                    skipped.add(record.step_key)
                elif record.event_type is EventType.RUN_FAILURE and isinstance(
                    record.event_specific_data, ErrorInfo
                ):
                    self._error = record.event_specific_data
        for step, how in enumerate(status):
            ops[log.op_of(step)].counts["skipped" if log.keys[step] in skipped else how] += 1
        return list(ops.values())

    @property
    def _counts(self) -> dict[str, int]:
        ops = self._ops
        counts = {kind: sum(op.counts[kind] for op in ops) for kind in _KINDS}
        return {kind: count for kind, count in counts.items() if count or kind != "reused"}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON-able data."""
        record, ops = self._record, self._ops
        return {
            **brief(record),
            "steps": self._counts,
            "last_recorded": _moment(self._latest),
            "op_selection": record.op_selection,
            "run_config": record.run_config,
            "origin": dict(record.origin),
            "versions": dict(record.versions),
            "driver": record.to_dict()["driver"],
            "ops": {
                op.name: {
                    **op.counts,
                    "attempts": op.attempts,
                    "seconds": round(op.seconds, 6),
                    "longest": round(op.longest, 6),
                }
                for op in ops
            },
            **self._workers.to_dict(),
            "failed_steps": [
                {
                    "step_key": key,
                    "error": data.root.cls_name,
                    "message": data.root.message,
                    "stack": data.root.stack,
                }
                for key, data in self._failures
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield what the run was, in lines."""
        record, took = self._record, _took(self._record)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self._counts.items() if count)
        origin = record.origin
        place = origin.get("file") or origin.get("module")
        driver = record.driver
        rows = {
            "job": record.job_name,
            "status": _state(record),
            "started": _shown(record.start_time),
            "took": duration(took) if took is not None else None,
            "last heard": _shown(self._latest)
            if took is None and self._latest is not None
            else None,
            "steps": counts or "none",
            "from": f"{place}, {origin.get('attribute') or origin.get('job') or record.job_name}"
            if place
            else None,
            "selection": ", ".join(record.op_selection) if record.op_selection else None,
            "tags": _listed(record.tags),
            "parent run": record.parent_run_id,
            "root run": record.root_run_id,
            "versions": _listed(record.versions, " "),
            "driver": f"{driver.host}, pid {driver.pid}" if driver is not None else None,
            "config": json.dumps(record.run_config) if record.run_config else None,
            "slowest": self._slowest(),
            **dict(self._workers.rows()),
        }
        yield f"Run {record.run_id}"
        yield from (f"  {name:<10}  {value}" for name, value in rows.items() if value)

    def _slowest(self) -> str | None:
        """Return the ops whose longest attempts took longest, where there are more than a few."""
        ops = sorted((op for op in self._ops if op.attempts), key=lambda op: -op.longest)
        return (
            ", ".join(f"{op.name} {duration(op.longest)}" for op in ops[:_SLOWEST])
            if len(ops) > _SLOWEST
            else None
        )

    def ops_table(self) -> Table:
        """Return a table of the ops."""
        kinds = [kind for kind, count in self._counts.items() if count]
        numbers = (*kinds, "attempts", "mean", "longest")
        table = _table(("op", False), *((name, True) for name in numbers))
        for op in self._ops:
            spent = (
                (duration(op.seconds / op.attempts), duration(op.longest))
                if op.attempts
                else ("", "")
            )
            cells = [f"{op.counts[kind]:,}" if op.counts[kind] else "" for kind in kinds]
            table.add_row(Text(op.name), *cells, f"{op.attempts:,}" if op.attempts else "", *spent)
        return table

    def failures(self) -> Iterator[str]:
        """Yield why the run failed, in parts: each step that did, and what kept the run from going
        on.
        """
        tries = self._tries
        yield from describe_failures(self._failures, lambda key: tries.get(key, 1))
        stopped = self.stopped()
        if stopped is not None:
            yield stopped

    def stopped(self) -> str | None:
        """Return what kept the run from going on, if anything did."""
        error, told = self._error, self._record.error
        if error is not None:
            return f"The run could not go on: {error.cls_name}: {error.message}"
        if told is not None and self._record.status == RunStatus.FAILURE:
            return f"The run could not go on: {told['error']}: {told['message']}"
        return None


def _listed(pairs: Mapping[str, str], between: str = "=") -> str:
    return ", ".join(f"{key}{between}{value}" for key, value in pairs.items())

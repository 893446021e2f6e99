"""A run in lines: its end, and the report on a recorded one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rayexec.cli.printable import printable_line
from rayexec.cli.render.tables import state_of, utc_time
from rayexec.config.masking import mask_env_vars
from rayexec.events import RunStatus
from rayexec.execute import RunResult
from rayexec.store import RunRecord
from rayexec.strict_json import json_text
from rayexec.views.now import counts_of
from rayexec.views.quantities import bytes_in_words, counted, duration
from rayexec.views.remaining import remaining_in_words
from rayexec.views.run_report import RunReport, seconds_of, times_of
from rayexec.views.run_summary import RunSummary
from rayexec.views.worker_use import NodeUse

__all__ = ["closing_line", "ended_line", "report_lines"]

_SLOWEST_SHOWN = 3  # ops
_NODES_SHOWN = 4
_ENDS = {
    RunStatus.SUCCESS: "succeeded",
    RunStatus.FAILURE: "failed",
    RunStatus.CANCELED: "was canceled",
    RunStatus.STARTED: "is not over",
}


def closing_line(result: RunResult) -> str:
    """Return the end of a run that this process drove, with counts of its steps."""
    counts = ", ".join(f"{count:,} {end}" for end, count in result.counts().items() if count)
    end = _ENDS[RunStatus(result.status)]
    took = duration(times_of(result).seconds)
    return f"Run {result.run_id} {end} in {took} (steps: {counts or 'none'})."


def ended_line(record: RunRecord) -> str:
    """Return the end of a recorded run."""
    seconds = seconds_of(record)
    took = "" if seconds is None else f" in {duration(seconds)}"
    note = f" ({record.note})" if record.note else ""
    end = _ENDS.get(RunStatus(record.status), record.status)
    return printable_line(f"Run {record.run_id} {end}{took}{note}.")


def report_lines(report: RunReport, state: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield the report on a run, one fact a line, with its present ``state``."""
    record, summary, seconds = report.record, report.summary, seconds_of(report.record)
    ends = summary.counts if state is None else counts_of(state)
    counts = ", ".join(f"{count:,} {end}" for end, count in ends.items() if count)
    if state is not None:
        so_far = "" if state["is_final"] else " so far"
        counts = f"{state['over']:,} of {counted(state['steps'], 'step')}{so_far}: {counts}"
    driver = record.driver
    facts = {
        "job": record.job_name,
        "status": state_of(record),
        "started": utc_time(record.start_time),
        "took": None if seconds is None else duration(seconds),
        "last heard": utc_time(summary.latest)
        if seconds is None and summary.latest is not None
        else None,
        "steps": counts or "none",
        "left": None if state is None else remaining_in_words(state["remaining"]),
        "from": _source(record),
        "selection": ", ".join(record.op_selection) if record.op_selection else None,
        "tags": _pairs(record.tags, "="),
        "parent run": record.parent_run_id,
        "root run": record.root_run_id,
        "versions": _pairs(record.versions, " "),
        "driver": None if driver is None else f"{driver.host}, pid {driver.pid}",
        "config": json_text(mask_env_vars(record.run_config)) if record.run_config else None,
        "slowest": _slowest(summary),
        **dict(_worker_facts(summary)),
    }
    yield f"Run {record.run_id}"
    yield from (f"  {name:<10}  {printable_line(fact)}" for name, fact in facts.items() if fact)


def _source(record: RunRecord) -> str | None:
    origin = record.origin
    path = origin.get("file") or origin.get("module")
    if not path:
        return None
    return f"{path}, {origin.get('attribute') or origin.get('job') or record.job_name}"


def _pairs(pairs: Mapping[str, str], between: str) -> str:
    return ", ".join(f"{key}{between}{value}" for key, value in pairs.items())


def _slowest(summary: RunSummary) -> str | None:
    """Return the ops with the longest attempts; None if there are few ops."""
    ops = sorted((op for op in summary.ops if op.attempts), key=lambda op: -op.longest)
    if len(ops) <= _SLOWEST_SHOWN:
        return None
    return ", ".join(f"{op.name} {duration(op.longest)}" for op in ops[:_SLOWEST_SHOWN])


def _worker_facts(summary: RunSummary) -> Iterator[tuple[str, str]]:
    longest, nodes = summary.longest_queue, summary.nodes
    if longest is not None:
        yield "queue", f"at most {duration(longest.seconds)} (step {longest.step_key})"
    largest = max(nodes, key=lambda node: node.peak_rss, default=None)
    if largest is not None and largest.peak_rss:
        size = bytes_in_words(largest.peak_rss)
        yield "memory", f"at most {size} in a process, on {largest.name}"
    if nodes:
        shown = [_node(node) for node in nodes[:_NODES_SHOWN]]
        more = len(nodes) - _NODES_SHOWN
        yield "nodes", "; ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])


def _node(node: NodeUse) -> str:
    count = len(node.workers)
    processes = "1 process" if count == 1 else f"{count:,} processes"
    attempts = counted(node.attempts, "attempt")
    return f"{node.name}: {attempts}, {duration(node.seconds)} in {processes}"

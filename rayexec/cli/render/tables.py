"""Tables on a terminal: steps and ops of a run, cached outputs."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import islice
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rayexec.cli.printable import printable_line
from rayexec.events import RunStatus, StepEnd
from rayexec.store import CacheRecord, RunRecord
from rayexec.views.quantities import bytes_in_words, duration
from rayexec.views.run_report import RunReport
from rayexec.views.run_summary import StepSummary

__all__ = [
    "RUN_STYLES",
    "cached_outputs_table",
    "ops_table",
    "results_console",
    "state_of",
    "summary_table",
    "utc_time",
]

_WIDTH_FOR_PROGRAMS = 10_000  # columns
_MOST_STEPS = 30  # above it the table has a row for each op and end instead
_MOST_ROWS = 30
_KEY_DIGITS_SHOWN = 12

_STEP_STYLES = {
    StepEnd.SUCCEEDED: "green",
    StepEnd.REUSED: "cyan",
    StepEnd.FAILED: "red",
    StepEnd.SKIPPED: "yellow",
    StepEnd.NOT_RUN: "dim",
}
_WORST_FIRST = (
    StepEnd.FAILED,
    StepEnd.NOT_RUN,
    StepEnd.SKIPPED,
    StepEnd.REUSED,
    StepEnd.SUCCEEDED,
)
RUN_STYLES = {
    RunStatus.SUCCESS: "green",
    RunStatus.FAILURE: "red",
    RunStatus.CANCELED: "yellow",
    RunStatus.STARTED: "cyan",
    RunStatus.UNREADABLE: "magenta",
}


def results_console(results: TextIO) -> Console:
    """Return a rich console on standard output.

    It cuts nothing to a width where a program reads, since there is no terminal then.
    """
    return Console(
        file=results,
        highlight=False,
        soft_wrap=True,
        width=None if results.isatty() else _WIDTH_FOR_PROGRAMS,
    )


def utc_time(seconds: float) -> str:
    """Return a moment, given in seconds since 1970, to the second."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def state_of(record: RunRecord) -> str:
    """Return the status of a run with its note."""
    if record.note and record.start_time:
        return f"{record.status} ({record.note})"
    return record.status


def _table(*columns: tuple[str, bool]) -> Table:
    """Return an empty table; a column is a name, and True for numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, is_numeric in columns:
        table.add_column(name, justify="right" if is_numeric else "left", no_wrap=True)
    return table


def summary_table(steps: Sequence[StepSummary]) -> Table:
    """Return a table of the steps of a run; of many steps one of ops by end."""
    table = _table_of_steps(steps) if len(steps) <= _MOST_STEPS else _table_of_ends(steps)
    # A terminal too narrow for it shortens the first column and wraps the others.
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].overflow = "ellipsis"
    return table


def _table_of_steps(steps: Sequence[StepSummary]) -> Table:
    any_blocked = any(step.blocked is not None for step in steps)
    columns = [("step", False), ("status", False), ("duration", True), ("attempts", True)]
    table = _table(*columns, *([("waited", False)] if any_blocked else []))
    for step in steps:
        cells: list[Text | str] = [
            _text(step.key),
            _end(step.end),
            duration(step.seconds) if step.attempts else "",
            str(step.attempts or ""),
        ]
        if any_blocked:
            blocked = step.blocked
            waited = "" if blocked is None else f"{duration(blocked.seconds)} for {blocked.limit}"
            cells.append(_text(waited))
        table.add_row(*cells)
    return table


def _table_of_ends(steps: Sequence[StepSummary]) -> Table:
    groups: dict[tuple[str, StepEnd], list[StepSummary]] = {}
    for step in steps:
        groups.setdefault((step.op, step.end), []).append(step)
    ordered = sorted(groups.items(), key=lambda item: _WORST_FIRST.index(item[0][1]))
    table = _table(
        ("op", False),
        ("status", False),
        ("steps", True),
        ("mean", True),
        ("longest", True),
        ("attempts", True),
    )
    for (op, end), members in islice(ordered, _MOST_ROWS):
        seconds = [step.seconds for step in members if step.attempts]
        mean, longest = (
            (duration(sum(seconds) / len(seconds)), duration(max(seconds))) if seconds else ("", "")
        )
        attempts = sum(step.attempts for step in members)
        table.add_row(
            _text(op),
            _end(end),
            f"{len(members):,}",
            mean,
            longest,
            f"{attempts:,}" if attempts else "",
        )
    if len(ordered) > _MOST_ROWS:
        table.add_row(Text(f"and {len(ordered) - _MOST_ROWS:,} more", style="dim"))
    return table


def _text(given: str, style: str = "") -> Text:
    """Return a cell for what a record says."""
    return Text(printable_line(given), style=style)


def _end(end: StepEnd) -> Text:
    return Text(end.value, style=_STEP_STYLES[end])


def ops_table(report: RunReport) -> Table:
    """Return a table of the ops of a run."""
    summary = report.summary
    ends = [end for end, count in summary.counts.items() if count]
    headings = (*(end.value for end in ends), "attempts", "mean", "longest")
    table = _table(("op", False), *((name, True) for name in headings))
    for op in summary.ops:
        times = (
            (duration(op.seconds / op.attempts), duration(op.longest)) if op.attempts else ("", "")
        )
        counts = [f"{op.counts[end]:,}" if op.counts[end] else "" for end in ends]
        attempts = f"{op.attempts:,}" if op.attempts else ""
        table.add_row(_text(op.name), *counts, attempts, *times)
    return table


def cached_outputs_table(records: Sequence[CacheRecord]) -> Table:
    """Return a table of cached outputs."""
    names = ("key", "op", "version", "size", "hits", "cached", "run", "step")
    table = _table(*((name, name in ("size", "hits")) for name in names))
    for record in records:
        key, origin = record.key[:_KEY_DIGITS_SHOWN], record.origin
        size = bytes_in_words(record.size)
        if origin is None:
            table.add_row(key, _text(f"? ({record.note})", "red"), "", size)
            continue
        table.add_row(
            key,
            _text(origin.op),
            _text(origin.code_version),
            Text(size),
            Text("" if record.hits is None else f"{record.hits:,}"),
            Text(utc_time(origin.created)),
            _text(origin.run_id),
            _text(origin.step_key),
        )
    return table

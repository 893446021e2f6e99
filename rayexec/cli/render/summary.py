"""The table at the end of a run on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rich.table import Table
from rich.text import Text

from rayexec.views.run_summary import StepSummary, duration

__all__ = ["summary_table"]

_MOST_STEPS = 30  # more of them are summed up by op and status
_MOST_ROWS = 30
_STYLES = {
    "succeeded": "green",
    "reused": "cyan",
    "failed": "red",
    "skipped": "yellow",
    "not run": "dim",
}
_ORDER = ("failed", "not run", "skipped", "reused", "succeeded")


def summary_table(rows: Sequence[StepSummary]) -> Table:
    """Return a table of the steps, or of ops and how their steps went where the steps are many."""
    return _by_step(rows) if len(rows) <= _MOST_STEPS else _by_op(rows)


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for number, (name, is_number) in enumerate(columns):
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis" if not number else "fold",
        )
    return table


def _by_step(rows: Sequence[StepSummary]) -> Table:
    waited = any(row.waited for row in rows)
    columns = [("step", False), ("status", False), ("duration", True), ("attempts", True)]
    table = _table(*columns, *([("waited", False)] if waited else []))
    for row in rows:
        spent = duration(row.seconds) if row.attempts else ""
        cells: list[Text | str] = [
            Text(row.key),
            _status(row.status),
            spent,
            str(row.attempts or ""),
        ]
        table.add_row(*cells, *([Text(row.waited)] if waited else []))
    return table


def _by_op(rows: Sequence[StepSummary]) -> Table:
    groups: dict[tuple[str, str], list[StepSummary]] = {}
    for row in rows:
        groups.setdefault((row.op, row.status), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: _ORDER.index(item[0][1]))
    table = _table(
        ("op", False),
        ("status", False),
        ("steps", True),
        ("mean", True),
        ("longest", True),
        ("attempts", True),
    )
    for (op, status), members in islice(ordered, _MOST_ROWS):
        seconds = [each.seconds for each in members if each.attempts]
        mean, longest = (
            (duration(sum(seconds) / len(seconds)), duration(max(seconds))) if seconds else ("", "")
        )
        attempts = sum(each.attempts for each in members)
        table.add_row(
            Text(op),
            _status(status),
            f"{len(members):,}",
            mean,
            longest,
            f"{attempts:,}" if attempts else "",
        )
    if len(ordered) > _MOST_ROWS:
        table.add_row(Text(f"and {len(ordered) - _MOST_ROWS:,} more", style="dim"))
    return table


def _status(status: str) -> Text:
    return Text(status, style=_STYLES[status])

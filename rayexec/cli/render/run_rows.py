"""Table of runs, line by line: a store may hold many thousands of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style

from rayexec.cli.printable import printable_line
from rayexec.cli.render.tables import RUN_STYLES, state_of, utc_time
from rayexec.events import RunStatus
from rayexec.store import RunRecord
from rayexec.views.quantities import duration
from rayexec.views.run_report import seconds_of

__all__ = ["run_rows"]

_GAP = "  "
_LEAST_JOB_COLUMNS = 8  # on a terminal too narrow for the table


class _Row(NamedTuple):
    run: str
    job: str
    status: str
    started: str
    took: str
    steps: str


class _Widths(NamedTuple):
    run: int
    job: int
    status: int
    started: int
    took: int
    steps: int


def run_rows(records: Sequence[RunRecord], console: Console) -> Iterator[str]:
    """Yield the lines of a table of runs, in the colors that ``console`` can show.

    A terminal too narrow for the table gets the names of jobs cut short.
    """
    head = _Row(*_Row._fields)
    rows = [_row(record) for record in records]
    widths = _Widths(*(max(map(cell_len, column)) for column in zip(head, *rows, strict=True)))
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - console.width
    if excess > 0:
        least = min(widths.job, _LEAST_JOB_COLUMNS)
        widths = widths._replace(job=max(least, widths.job - excess))
    is_colored = console.color_system is not None and not console.no_color
    styles = {status: Style.parse(style) for status, style in RUN_STYLES.items()}
    line = _line(head, widths)
    yield Style(dim=True).render(line) if is_colored else line
    for record, row in zip(records, rows, strict=True):
        style = styles[RunStatus(record.status)] if is_colored else None
        yield _line(row, widths, style)


def _row(record: RunRecord) -> _Row:
    seconds = seconds_of(record)
    return _Row(
        record.run_id,
        printable_line(record.job_name),
        printable_line(state_of(record)),
        utc_time(record.start_time) if record.start_time else "",
        "" if seconds is None else duration(seconds),
        f"{sum(record.steps.values()):,}" if record.steps else "",
    )


def _line(row: _Row, widths: _Widths, style: Style | None = None) -> str:
    """Return a line, with ``style`` for the status."""
    job = row.job
    if cell_len(job) > widths.job:
        job = f"{set_cell_size(job, widths.job - 1)}…"
    status = row.status if style is None else style.render(row.status)
    cells = (
        set_cell_size(row.run, widths.run),
        set_cell_size(job, widths.job),
        status + " " * (widths.status - cell_len(row.status)),
        set_cell_size(row.started, widths.started),
        row.took.rjust(widths.took),
        row.steps.rjust(widths.steps),
    )
    return _GAP.join(cells).rstrip()

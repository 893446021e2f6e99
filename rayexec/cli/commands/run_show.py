"""``rayexec run show``: report on one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.printable import printable_line, printable_text
from rayexec.cli.render.run_lines import report_lines
from rayexec.cli.render.tables import ops_table, results_console
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.errors import StoreError
from rayexec.launch.launched_run import LaunchedRun, locate
from rayexec.launch.monitor import RunMonitor
from rayexec.launch.notes import RecordedRun
from rayexec.launch.run_document import launched_document
from rayexec.store import RunRecord
from rayexec.views.failures import describe_failures, ending_error
from rayexec.views.log_damage import check_log
from rayexec.views.now import ask_now
from rayexec.views.remaining import with_remaining
from rayexec.views.run_columns import RunColumns
from rayexec.views.run_report import RunReport
from rayexec.views.step_times import last_means

__all__ = ["show_run"]

_PATIENCE_S = 1.0  # for the driver, which looks whether somebody asks five times in a second


@with_exit_code
def show_run(location: str | None, run_id: str, *, as_json: bool) -> int:
    """Print the report on a run; of one without a record only its status."""
    with results_on_stdout() as results:
        run = locate(location, run_id)
        if isinstance(run, LaunchedRun):
            _print_launched(results, run, as_json=as_json)
        else:
            record, columns = RunMonitor(run.reader).record(), RunColumns(run.reader)
            described = RunReport(record, columns.summary())
            state = _state(run, record, columns)
            if as_json:
                now = {} if state is None else {"now": state}
                write_json(results, {**described.to_dict(), **now})
            else:
                _print_report(results, described, state)
            results.flush()
            check_log(record, columns)
    return SUCCEEDED


def _state(run: RecordedRun, record: RunRecord, columns: RunColumns) -> dict[str, Any] | None:
    """Return the present state of a run with its least remaining time, None without one."""
    try:
        state = ask_now(run.store, run.reader, record, patience_s=_PATIENCE_S)
    except StoreError:
        return None
    if state is None:
        return None
    columns.read_on()
    earlier, _ = last_means(run.store, record.job_name, columns.steps.ops)
    return with_remaining(columns, state, earlier)


def _print_report(results: TextIO, run: RunReport, state: Mapping[str, Any] | None) -> None:
    results.writelines(f"{line}\n" for line in report_lines(run, state))
    results.flush()
    if run.summary.steps:
        console = results_console(results)
        console.print()
        console.print(ops_table(run))
    parts = describe_failures(run.summary.failures)
    error = ending_error(run.record, run.summary)
    shown = [*parts, *([error] if error else [])]
    results.writelines(f"\n{printable_text(part)}\n" for part in shown)


def _print_launched(results: TextIO, launched: LaunchedRun, *, as_json: bool) -> None:
    if as_json:
        write_json(results, launched_document(launched))
        return
    record, note = launched.record(), launched.note
    lines = [f"Run {record.run_id}: {record.status} ({record.note})", f"Job of: {note.source}"]
    if note.log is not None:
        lines.append(f"Log of its driver: {note.log}")
    lines.append(f"What it printed:   rayexec run logs {launched.run_id}")
    results.writelines(f"{printable_line(line)}\n" for line in lines)

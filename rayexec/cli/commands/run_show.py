"""``rayexec run show``: one run as a whole."""

from __future__ import annotations

from typing import TextIO

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.render.tables import results_console
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.launch.monitor import Vigil
from rayexec.launch.registry import LaunchedElsewhere, LaunchedRun, locate
from rayexec.store.reading import StoredLog
from rayexec.views.run_report import RunReport, brief

__all__ = ["show_run"]


@with_exit_code
def show_run(place: str | None, run_id: str, *, as_json: bool) -> int:
    """Print a run as a whole."""
    with results_on_stdout() as results:
        try:
            _, reader = locate(place, run_id)
        except LaunchedElsewhere as elsewhere:
            return _show_launched(results, elsewhere.launched, as_json=as_json)
        record, log = Vigil(reader).look(), StoredLog(reader)
        report = RunReport(record, log)
        if as_json:
            write_json(results, report.to_dict())
        else:
            results.writelines(f"{line}\n" for line in report.lines())
            results.flush()
            if log.keys:
                console = results_console(results)
                console.print()
                console.print(report.ops_table())
            results.writelines(f"\n{part}\n" for part in report.failures())
    return SUCCEEDED


def _show_launched(results: TextIO, launched: LaunchedRun, *, as_json: bool) -> int:
    """Print what is known of a run without its store."""
    record = launched.now()
    if as_json:
        write_json(
            results, {**brief(record), "source": launched.source, "address": launched.address}
        )
    else:
        results.write(
            f"Run {record.run_id}: {record.status} ({record.note})\nJob of: {launched.source}\n"
        )
        if launched.log is not None:
            results.write(f"Log of its driver: {launched.log}\n")
        results.write(f"What it printed:   rayexec run logs {launched.run_id}\n")
    return SUCCEEDED

"""``rayexec run wait``: the end of a run, awaited."""

from __future__ import annotations

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.render.run_lines import ended_line
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.events import RunStatus
from rayexec.launch.launched_run import LaunchedRun, locate
from rayexec.launch.monitor import await_end
from rayexec.launch.polling import deadline_after
from rayexec.views.run_report import run_row

__all__ = ["wait_for"]


@with_exit_code
def wait_for(location: str | None, run_id: str, *, timeout: float | None, as_json: bool) -> int:
    """Wait until a run is over, for ``timeout`` seconds at most, and print its end."""
    with results_on_stdout() as results:
        deadline = deadline_after(timeout)
        run = locate(location, run_id)
        if isinstance(run, LaunchedRun):
            record = run.wait_until(deadline, say)
        else:
            record = await_end(run.reader, deadline, say)
        if record is None:
            complain(f"run {run_id} is not over after {timeout:g} s.")
            return FAILED
        if as_json:
            write_json(results, run_row(record))
        else:
            results.write(f"{ended_line(record)}\n")
    return SUCCEEDED if record.status == RunStatus.SUCCESS else FAILED

"""``rayexec run wait``: the end of a run, awaited."""

from __future__ import annotations

import time

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.events import RunStatus
from rayexec.launch.monitor import Vigil, awaited
from rayexec.launch.polling import Patience
from rayexec.launch.registry import LaunchedElsewhere, locate
from rayexec.store import RunReader, RunRecord, is_over
from rayexec.views.run_report import brief, ended_line

__all__ = ["wait_for"]

_PATIENCE = 0.2  # seconds between two looks at a run that is waited for


def _over(reader: RunReader, deadline: float | None) -> RunRecord | None:
    """Return a run once it is over; None where it is not by the deadline."""
    vigil = Vigil(reader, say)
    while not is_over(record := vigil.look()):
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(_PATIENCE)
    return record


@with_exit_code
def wait_for(place: str | None, run_id: str, *, timeout: float | None, as_json: bool) -> int:
    """Wait until a run is over; return whether it succeeded."""
    with results_on_stdout() as results:
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            found: RunReader | RunRecord | None = locate(place, run_id)[1]
        except LaunchedElsewhere as elsewhere:
            patience = Patience(elsewhere.launched.run_id)
            awaited_one = awaited(elsewhere.launched, deadline, patience)
            if awaited_one is None:
                patience.give_up()
            found = awaited_one[1] if isinstance(awaited_one, tuple) else awaited_one
        record = found if found is None or isinstance(found, RunRecord) else _over(found, deadline)
        if record is None:
            complain(f"run {run_id} goes on after {timeout:g} s.")
            return FAILED
        if as_json:
            write_json(results, brief(record))
        else:
            results.write(f"{ended_line(record)}\n")
    return SUCCEEDED if record.status == RunStatus.SUCCESS else FAILED

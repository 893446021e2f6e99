"""``rayexec run list``: table of recorded and launched runs."""

from __future__ import annotations

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.render.tables import results_console, runs_table
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.events import RunStatus
from rayexec.launch.monitor import add_launched_runs
from rayexec.store import RunStore, default_store, settled, store_at
from rayexec.views.run_report import run_row

__all__ = ["list_runs"]


@with_exit_code
def list_runs(
    place: str | None, *, job: str | None, status: str | None, limit: int | None, as_json: bool
) -> int:
    """Print the runs of a store."""
    if status is not None and status.upper() not in set(RunStatus):
        complain(f"there is no status {status!r}: it is one of {', '.join(RunStatus)}.")
        return USAGE
    with results_on_stdout() as results:
        store = _store(place)
        known = list(store.list())
        if place is None:
            # What is not of the kind that is asked for does not count.
            most = limit if job is None and status is None else None
            known = sorted(
                add_launched_runs(known, most), key=lambda each: each.start_time, reverse=True
            )
        found = [
            each
            for each in map(settled, known)
            if job in (None, each.job_name) and (status is None or each.status == status.upper())
        ][:limit]
        if as_json:
            write_json(results, [run_row(each) for each in found])
        elif found:
            results_console(results).print(runs_table(found))
        else:
            which = " of that kind" if job is not None or status is not None else ""
            results.write(f"No runs{which} in {store}.\n")
    return SUCCEEDED


def _store(place: str | None) -> RunStore:
    return default_store() if place is None else store_at(place)

"""``rayexec run list``: table of recorded and launched runs."""

from __future__ import annotations

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.render.run_rows import run_rows
from rayexec.cli.render.tables import results_console
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.events import RunStatus
from rayexec.launch.listed_runs import listed_runs
from rayexec.store import default_store, store_at
from rayexec.views.run_report import run_row

__all__ = ["list_runs"]


@with_exit_code
def list_runs(
    location: str | None, *, job: str | None, status: str | None, limit: int | None, as_json: bool
) -> int:
    """Print the runs of a store; of the default one with the runs launched from here."""
    if status is not None and status.upper() not in set(RunStatus):
        complain(f"there is no status {status!r}: it is one of {', '.join(RunStatus)}.")
        return USAGE
    is_filtered = job is not None or status is not None
    with results_on_stdout() as results:
        store = default_store() if location is None else store_at(location)
        # A filter may pass over the newest runs, so the limit must not cut before it.
        at_most = None if is_filtered else limit
        chosen = [
            record
            for record in listed_runs(store, is_default=location is None, limit=at_most)
            if job in (None, record.job_name)
            and (status is None or record.status == status.upper())
        ][:limit]
        if as_json:
            write_json(results, [run_row(record) for record in chosen])
        elif chosen:
            console = results_console(results)
            results.writelines(f"{line}\n" for line in run_rows(chosen, console))
        else:
            of_kind = " of that kind" if is_filtered else ""
            results.write(f"No runs{of_kind} in {store}.\n")
    return SUCCEEDED

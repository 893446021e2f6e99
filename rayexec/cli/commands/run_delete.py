"""``rayexec run delete``: removal of recorded and launched runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rayexec.cli.exit_codes import SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.events import RunStatus
from rayexec.launch.launched_run import LaunchedRun, locate
from rayexec.launch.notes import find_note
from rayexec.store import RunStore, settled

__all__ = ["delete_runs"]


@with_exit_code
def delete_runs(location: str | None, run_ids: Sequence[str], *, force: bool, as_json: bool) -> int:
    """Remove runs: all of them, or none if one is missing or, without ``force``, not over."""
    with results_on_stdout() as results:
        homes: dict[str, RunStore | LaunchedRun] = {}
        for run_id in run_ids:
            run = locate(location, run_id)
            homes[run.run_id] = run if isinstance(run, LaunchedRun) else run.store
        if not force and (running := list(_running(homes))):
            complain(
                f"not removed, since not over: {', '.join(running)}. Remove it all the same with "
                f"--force."
            )
            return USAGE
        for run_id, home in homes.items():
            if not isinstance(home, LaunchedRun):
                home.delete(run_id)
            if location is None and (note := find_note(run_id)) is not None:
                note.remove()
        if as_json:
            write_json(results, {"deleted": list(homes)})
        else:
            results.writelines(f"Removed run {run_id}.\n" for run_id in homes)
    return SUCCEEDED


def _running(homes: dict[str, RunStore | LaunchedRun]) -> Iterator[str]:
    """Yield the runs that are not over."""
    statuses = {
        record.run_id: record.status
        for store in _stores(homes.values())
        for record in map(settled, store.list())
    }
    for run_id, home in homes.items():
        status = home.status if isinstance(home, LaunchedRun) else statuses.get(run_id)
        if status == RunStatus.STARTED:
            yield run_id


def _stores(homes: Iterable[RunStore | LaunchedRun]) -> Iterator[RunStore]:
    """Yield each store once."""
    seen: set[str] = set()
    for home in homes:
        if not isinstance(home, LaunchedRun) and home.identity not in seen:
            seen.add(home.identity)
            yield home

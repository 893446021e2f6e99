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


def _stores(places: Iterable[RunStore | LaunchedRun]) -> Iterator[RunStore]:
    """Yield each store once."""
    known: set[str] = set()
    for each in places:
        if not isinstance(each, LaunchedRun) and each.identity not in known:
            known.add(each.identity)
            yield each


@with_exit_code
def delete_runs(place: str | None, run_ids: Sequence[str], *, force: bool, as_json: bool) -> int:
    """Remove runs, all of them or, where one is not there or goes on, none."""
    with results_on_stdout() as results:
        found: dict[str, RunStore | LaunchedRun] = {}
        for each in run_ids:
            run = locate(place, each)
            found[run.run_id] = run if isinstance(run, LaunchedRun) else run.store
        if not force:
            states = {
                each.run_id: each.status
                for store in _stores(found.values())
                for each in map(settled, store.list())
            }
            notes = [each for each in found.values() if isinstance(each, LaunchedRun)]
            states |= {each.run_id: each.status for each in notes}
            going_on = [each for each in found if states.get(each) == RunStatus.STARTED]
            if going_on:
                complain(
                    f"not removed, since it goes on: {', '.join(going_on)}. Remove it all the "
                    f"same with --force."
                )
                return USAGE
        for each, where in found.items():
            if not isinstance(where, LaunchedRun):
                where.delete(each)
            if place is None and (note := find_note(each)) is not None:
                note.remove()
        if as_json:
            write_json(results, {"deleted": list(found)})
        else:
            results.writelines(f"Removed run {each}.\n" for each in found)
    return SUCCEEDED

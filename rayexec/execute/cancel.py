"""Asking a run to end, from any process that reaches the store in which it is recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rayexec.events import RunStatus
    from rayexec.store import RunReader, RunRecord, RunStore

__all__ = ["ask_to_cancel", "cancel_run"]


def cancel_run(
    run_id: str, *, force: bool = False, store: str | os.PathLike[str] | RunStore | None = None
) -> RunStatus:
    """Ask a run that goes on to end, and return at once.

    Returns the run's status before: STARTED where it was asked, else how it ended. ``run_id`` may
    be the beginning of an id where that is unique; ``store`` is where the run is recorded, as for
    ``execute_job``. With ``force`` its steps get no time to end by themselves. Raises
    RunNotFoundError, and StoreError where the store cannot be written.
    """
    from rayexec.store import default_store, store_at

    found = default_store() if store is None else store_at(store)
    return ask_to_cancel(found, found.open(run_id), "rayexec.cancel_run", force=force).status


def ask_to_cancel(store: RunStore, run: RunReader, via: str, *, force: bool) -> RunRecord:
    """Ask a run of ``store`` to end, where it goes on; return it as it was before."""
    from rayexec.store import CancelRequest, current, is_over

    record = current(run)
    if not is_over(record):
        store.ask(run.run_id, CancelRequest.here(via, force=force))
    return record

"""Requests to cancel a run, from any process with access to its store."""

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
    """Ask a run to end, and return at once.

    Returns the run's status before: STARTED after a request, else the status of its end. ``run_id``
    is an id, or a unique beginning of one. ``store`` is the run's store, as for ``execute_job``.
    With ``force`` there is no grace period for steps. Raises RunNotFoundError, and StoreError if
    the store is not writable.
    """
    from rayexec.store import default_store, store_at

    run_store = default_store() if store is None else store_at(store)
    run = run_store.open(run_id)
    return ask_to_cancel(run_store, run, "rayexec.cancel_run", force=force).status


def ask_to_cancel(store: RunStore, run: RunReader, via: str, *, force: bool) -> RunRecord:
    """Ask a run of ``store`` to end unless it is over; return its record of before."""
    from rayexec.store import CancelRequest, current, is_over

    record = current(run)
    if not is_over(record):
        store.ask(run.run_id, CancelRequest.here(via, force=force))
    return record

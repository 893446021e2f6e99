"""List of runs for pages: filters, counts, and what changed since the last look."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rayexec.errors import RayexecError, StoreError
from rayexec.events import RunStatus
from rayexec.launch.listed_runs import listed_runs
from rayexec.store import RunRecord, RunStore, is_over
from rayexec.store.base import watch
from rayexec.views.now import counts_of, now_of
from rayexec.views.run_report import run_row
from rayexec.web.models.runs import RunsQuery

__all__ = ["RunList", "listed_row"]

#: Looks within that time are one.
_FRESH_S = 0.25
#: So many runs under way show the counts of their steps.
_MOST_COUNTED = 20


class RunList:
    """The runs of a store; methods block, and any thread may call them."""

    def __init__(self, store: RunStore, *, is_default: bool) -> None:
        self._store = store
        self._is_default = is_default
        self._lock = threading.Lock()
        self._records: list[RunRecord] = []
        self._looked = float("-inf")
        #: It is another one after each change.
        self.version = 0
        #: Counts of steps of runs under way, by run id.
        self.counts: dict[str, dict[str, int]] = {}

    def records(self, *, is_fresh: bool = False) -> list[RunRecord]:
        """Return all runs, the newest first; raises StoreError for a store that is gone.

        ``is_fresh`` runs are of a look that began after the call, so they have all that the caller
        has done. Callers that wait for each other share one look.
        """
        asked = time.monotonic()
        with self._lock:
            if self._looked < (asked if is_fresh else asked - _FRESH_S):
                looked = time.monotonic()
                records = listed_runs(self._store, is_default=self._is_default)
                if not records and self._records:
                    self._check_there()
                if records != self._records:
                    self.version += 1
                self._records, self._looked = records, looked
            return self._records

    def count_steps(self, *, asks: bool) -> None:
        """Read how far runs under way are; with ``asks`` their drivers are asked to tell it.

        Not in an object store, where each look at each run costs.
        """
        if self._local_root() is None:
            return
        living = [record for record in self.records() if not is_over(record)]
        counts = {}
        for record in living[:_MOST_COUNTED]:
            with contextlib.suppress(RayexecError):  # It begins, or has just gone.
                if asks:
                    watch(self._store, record.run_id)
                state = now_of(self._store, self._store.open(record.run_id))
                if state is not None:
                    counts[record.run_id] = counts_of(state)
        self.counts = counts

    def row(self, record: RunRecord) -> dict[str, Any]:
        """Return a run as ``ListedRow`` has it, with its steps so far."""
        row = listed_row(record)
        steps = None if row["is_over"] else self.counts.get(record.run_id)
        return row if steps is None else {**row, "steps": steps}

    def _local_root(self) -> str | None:
        root = getattr(self._store, "root", None)
        return root if isinstance(root, str) and "://" not in root else None

    def _check_there(self) -> None:
        root = self._local_root()
        if root is not None:
            path = os.path.expanduser(root)
            if not os.path.isdir(path):
                raise StoreError(
                    f"the run store {root} is gone: it had {len(self._records):,} runs a moment "
                    "ago. This page goes on once it is back."
                )

    def page(self, query: RunsQuery) -> dict[str, Any]:
        """Return the runs of a query, as ``RunsAnswer`` has them."""
        records = self.records(is_fresh=True)
        of_filter = [record for record in records if _is_wanted(record, query)]
        statuses = None if query.status is None else set(query.status.upper().split(","))
        chosen = [
            record for record in of_filter if statuses is None or str(record.status) in statuses
        ]
        first = 0
        if query.before is not None:
            first = sum(1 for record in chosen if _is_until(record, query.before))
        shown = chosen[first : first + query.limit]
        is_more = first + query.limit < len(chosen)
        return {
            "version": self.version,
            "runs": [self.row(record) for record in shown],
            "total": len(chosen),
            "statuses": dict(Counter(str(record.status) for record in of_filter)),
            "jobs": sorted({record.job_name for record in records}),
            "next": _mark(shown[-1]) if is_more else None,
        }

    def find(self, run_id: str | None) -> RunRecord | None:
        """Return the record of a run by its whole id."""
        if run_id is None:
            return None
        return next((each for each in self.records() if each.run_id == run_id), None)

    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs that resumed a run, the newest first."""
        return [record for record in self.records() if record.parent_run_id == run_id]

    def living_descendants(self, run_id: str) -> list[str]:
        """Return the runs that are not over and read values of a run."""
        parents = {record.run_id: record.parent_run_id for record in self.records()}

        def comes_from(record: RunRecord) -> bool:
            seen: set[str] = set()
            ancestor = record.parent_run_id
            while ancestor is not None and ancestor not in seen:
                if ancestor == run_id:
                    return True
                seen.add(ancestor)
                ancestor = parents.get(ancestor)
            return False

        living = [record for record in self.records() if not is_over(record)]
        return [record.run_id for record in living if comes_from(record)]


def listed_row(record: RunRecord) -> dict[str, Any]:
    """Return a run as ``ListedRow`` has it."""
    return {
        **run_row(record),
        "is_over": is_over(record),
        "is_live": record.status == RunStatus.STARTED,
        "origin": dict(record.origin),
        "driver": record.to_dict()["driver"],
        "op_selection": None if record.op_selection is None else list(record.op_selection),
    }


def _is_wanted(record: RunRecord, query: RunsQuery) -> bool:
    if query.job is not None and record.job_name != query.job:
        return False
    if query.tag:
        name, separator, value = query.tag.partition("=")
        if name not in record.tags or (separator and record.tags[name] != value):
            return False
    if query.text:
        wanted = query.text.lower()
        return any(wanted in text.lower() for text in _texts(record))
    return True


def _texts(record: RunRecord) -> Iterable[str]:
    yield record.run_id
    yield record.job_name
    yield record.note or ""
    yield from (record.error or {}).values()
    for name, value in record.tags.items():
        yield f"{name}={value}"


def _mark(record: RunRecord) -> str:
    """Return the position of a run in the list, which holds also once the run is gone."""
    return f"{record.start_time!r},{record.run_id}"


def _is_until(record: RunRecord, mark: str) -> bool:
    """Whether a run is at a position of the list or before it."""
    moment, _, run_id = mark.partition(",")
    try:
        return (-record.start_time, record.run_id) <= (-float(moment), run_id)
    except ValueError:
        return False

"""Recorded runs by job, and the times of ops in them, held for a short while."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import Any

from rayexec.errors import RayexecError
from rayexec.launch.listed_runs import listed_runs
from rayexec.store import RunRecord, is_over
from rayexec.views.run_columns import RunColumns
from rayexec.web.memory_use import take_memory_sparingly
from rayexec.web.session import Session

__all__ = ["RunsOfJobs"]

_LIFETIME_S = 1.0
_RUNS_IN_STATISTICS = 10
_MOST_HELD = 200
# Large runs take longer to read: 100,000 steps 0.2 s.
_MOST_SECONDS = 1.0


class RunsOfJobs:
    """The runs of a server's store by job; a list at most 1 s old."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._listed: tuple[float, dict[str, list[RunRecord]]] = (0.0, {})
        #: Times of ops in a run that is over, by its id.
        self._times: OrderedDict[str, dict[str, tuple[int, float, float]]] = OrderedDict()

    def by_job(self, limit: int) -> dict[str, list[RunRecord]]:
        """Return the newest ``limit`` runs of each job, the newest first."""
        with self._lock:
            listed_at, runs = self._listed
            if not listed_at or time.monotonic() - listed_at > _LIFETIME_S:
                runs = {}
                is_default = self._session.options.store is None
                for record in listed_runs(self._session.store, is_default=is_default):
                    runs.setdefault(record.job_name, []).append(record)
                self._listed = time.monotonic(), runs
        return {job: records[:limit] for job, records in runs.items()}

    def statistics(self, records: Sequence[RunRecord]) -> dict[str, dict[str, Any]]:
        """Return the times of each op in the last runs that are over, by its path."""
        until = time.monotonic() + _MOST_SECONDS
        sums: dict[str, dict[str, Any]] = {}
        for record in islice(filter(is_over, records), _RUNS_IN_STATISTICS):
            if record.run_id not in self._times and time.monotonic() > until:
                break  # the next request has more of them
            for path, (attempts, seconds, longest) in self._times_of(record.run_id).items():
                op = sums.setdefault(
                    path, {"attempts": 0, "seconds": 0.0, "longest": 0.0, "runs": 0}
                )
                op["attempts"] += attempts
                op["seconds"] = round(op["seconds"] + seconds, 6)
                op["longest"] = max(op["longest"], round(longest, 6))
                op["runs"] += 1
        return sums

    def _times_of(self, run_id: str) -> dict[str, tuple[int, float, float]]:
        times = self._times.get(run_id)
        if times is None:
            times = {}
            with contextlib.suppress(RayexecError):  # somebody may have removed it
                take_memory_sparingly()
                columns = RunColumns(self._session.store.open(run_id))
                times = {
                    node.path: (node.attempts, node.seconds, node.longest)
                    for node in columns.ops()
                    if node.attempts
                }
            self._times[run_id] = times
            while len(self._times) > _MOST_HELD:
                self._times.popitem(last=False)
        return times

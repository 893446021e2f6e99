"""Whether launched runs go on: what their records and their clusters tell together, for lists and
while waiting.
"""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from rayexec.errors import EngineError
from rayexec.events import RunStatus
from rayexec.launch.registry import LaunchedRun, launched_runs, noted
from rayexec.store import RunReader, RunRecord, RunStore, current, is_over, settled

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs
    from rayexec.launch.polling import Patience

__all__ = ["Vigil", "awaited", "with_launched"]

_AT_ONCE = 8  # questions about runs that are listed
_PAUSE = 0.2  # seconds between two looks at a run that is about to begin
_SELDOM = 5.0  # seconds between two questions whether a cluster's driver still is there


class Vigil:
    """Watches over a run that goes on by its record, whose driver may have been killed where only
    its cluster sees it.

    The cluster is asked every few seconds at most. ``say`` is told once that it does not answer.
    """

    def __init__(self, reader: RunReader, say: Callable[[str], object] | None = None) -> None:
        self._reader = reader
        self._next = 0.0
        self._say = say

    def look(self) -> RunRecord:
        """Return the run as it stands; one whose driver is gone has failed, or was canceled by
        force.
        """
        record = current(self._reader)
        if not _is_elsewhere(record) or time.monotonic() < self._next:
            return record
        launched = noted(record.run_id)
        if launched is None or launched.address is None:
            return record
        try:
            told = launched.now()
        except EngineError as error:
            if self._say is not None:
                self._say(f"Whether run {record.run_id} still goes on cannot be told: {error}")
            self._say = None
            told = None
        self._next = time.monotonic() + _SELDOM
        if told is None:
            return replace(record, note=f"{launched.address} does not answer")
        latest = (
            current(self._reader) if is_over(told) else record
        )  # it may have ended in good order meanwhile
        return _gone(latest, told) if is_over(told) and not is_over(latest) else latest


def _is_elsewhere(record: RunRecord) -> bool:
    """Whether a run goes on by its record, and its driver cannot be looked for on this host."""
    return (
        not is_over(record)
        and record.driver is not None
        and record.driver.host != socket.gethostname()
    )


def _gone(record: RunRecord, told: RunRecord) -> RunRecord:
    is_canceled = told.status == RunStatus.CANCELED
    status = RunStatus.CANCELED if is_canceled else RunStatus.FAILURE
    return replace(record, status=status, note="driver died")


def with_launched(recorded: Sequence[RunRecord], limit: int | None = None) -> list[RunRecord]:
    """Return runs with those that were launched and are not among them, as their stores or their
    clusters know them.

    Of both, the newest ``limit`` are looked at; ``recorded`` has the newest first.
    """
    clusters = _Clusters()
    notes = {launched.run_id: launched for launched in launched_runs()}
    known = {record.run_id for record in recorded}
    others = [launched for launched in notes.values() if launched.run_id not in known]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(
            lambda record: _judged(record, notes.get(record.run_id), clusters), recorded[:limit]
        )
        return [*found, *pool.map(lambda launched: _told(launched, clusters), others[:limit])]


def _told(launched: LaunchedRun, clusters: _Clusters) -> RunRecord:
    """Return a run that is not in the default store."""
    try:
        there = launched.recorded()
        if there is not None:
            return _judged(there[1].record(), launched, clusters)
        return launched.now(clusters.jobs(launched))
    except EngineError as error:
        return launched.unknown(str(error).partition(": ")[0])


def _judged(record: RunRecord, launched: LaunchedRun | None, clusters: _Clusters) -> RunRecord:
    """Return a run as it is to be shown: one whose driver is gone has failed."""
    record = settled(record)
    if launched is None or launched.address is None or not _is_elsewhere(record):
        return record
    try:
        told = launched.now(clusters.jobs(launched))
    except EngineError:
        return replace(record, note=f"{launched.address} does not answer")
    return _gone(record, told) if is_over(told) else record


class _Clusters:
    """The jobs of clusters, each tried once, since one that is gone takes its time not to answer;
    for many threads.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Jobs | EngineError] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def jobs(self, launched: LaunchedRun) -> Jobs | None:
        """Return the jobs of a run's cluster, None where nobody need be asked; raises EngineError."""
        address = launched.address
        if address is None or launched.ended is not None:
            return None
        with self._locks[address]:
            if address not in self._asked:
                try:
                    self._asked[address] = launched.jobs()
                except EngineError as error:
                    self._asked[address] = error
        jobs = self._asked[address]
        if isinstance(jobs, EngineError):
            raise jobs
        return jobs


def awaited(
    launched: LaunchedRun, deadline: float | None, patience: Patience
) -> tuple[RunStore, RunReader] | RunRecord | None:
    """Wait until a launched run is in its store, which is returned, or over, whose record is; None
    at the deadline.

    Raises EngineError where its cluster cannot be asked, as soon as there is no ``patience`` left.
    """
    jobs: Jobs | None = None

    def asked(launched: LaunchedRun) -> RunRecord:
        nonlocal jobs
        if jobs is None and launched.address is not None:
            jobs = launched.jobs()
        return launched.now(jobs)

    while True:
        launched = noted(launched.run_id) or launched  # it may be canceled meanwhile
        # First, so that what ended meanwhile is looked for once more.
        record = patience.ask(partial(asked, launched))
        found = launched.recorded()
        if found is not None:
            return found
        if record is not None and is_over(record):
            return record
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(_PAUSE)

"""State of launched runs, from their records and the answers of their clusters together."""

from __future__ import annotations

import socket
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from rayexec.errors import EngineError, StoreError
from rayexec.events import RunStatus
from rayexec.launch.cluster_driver import connect_jobs
from rayexec.launch.driver_process import DriverProcess
from rayexec.launch.drivers import driver_of
from rayexec.launch.notes import LaunchNote, RecordedRun, find_note, launch_notes
from rayexec.launch.polling import ClusterPoll
from rayexec.store import RunReader, RunRecord, current, is_over, settled

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs

__all__ = ["RunMonitor", "add_launched_runs", "await_end", "await_recording"]

PARALLEL_QUESTIONS = 8
RECORD_INTERVAL_S = 0.2
CLUSTER_INTERVAL_S = 5.0  # between two questions for one driver


class RunMonitor:
    """Watches the record of a run, and asks the cluster for drivers that died without a word.

    It asks a cluster at most every ``CLUSTER_INTERVAL_S``. ``say`` gets one line if the cluster
    does not answer.
    """

    def __init__(self, reader: RunReader, say: Callable[[str], object] | None = None) -> None:
        self._reader = reader
        self._say = say
        self._next_question = 0.0

    def record(self) -> RunRecord:
        """Return the current record of the run; a run without its driver has ended."""
        record = current(self._reader)
        if not _is_elsewhere(record) or time.monotonic() < self._next_question:
            return record
        note = find_note(record.run_id)
        if note is None or note.address is None:
            return record
        try:
            answer = driver_of(note).record()
        except EngineError as error:
            if self._say is not None:
                self._say(f"Nobody knows whether run {record.run_id} is over: {error}")
            self._say = None
            return replace(record, note=f"{note.address} does not answer")
        finally:
            self._next_question = time.monotonic() + CLUSTER_INTERVAL_S
        if not is_over(answer):
            return record
        latest = current(self._reader)  # its driver may have recorded the end meanwhile
        return latest if is_over(latest) else _without_driver(latest, answer)


def _is_elsewhere(record: RunRecord) -> bool:
    """Whether a run has a driver on another host, by its record."""
    return (
        not is_over(record)
        and record.driver is not None
        and record.driver.host != socket.gethostname()
    )


def _without_driver(record: RunRecord, answer: RunRecord) -> RunRecord:
    """Return the record of a run whose driver is gone by its cluster's answer."""
    is_canceled = answer.status == RunStatus.CANCELED
    status = RunStatus.CANCELED if is_canceled else RunStatus.FAILURE
    return replace(record, status=status, note="driver died")


def add_launched_runs(recorded: Sequence[RunRecord], limit: int | None = None) -> list[RunRecord]:
    """Return the runs of the default store, and those launched from here into other stores.

    ``recorded`` has the newest first. The newest ``limit`` of both are looked at.
    """
    connections = _Connections()
    notes = {note.run_id: note for note in launch_notes()}
    recorded_ids = {record.run_id for record in recorded}
    others = [note for note in notes.values() if note.run_id not in recorded_ids]

    def checked(record: RunRecord) -> RunRecord:
        return _checked(record, notes.get(record.run_id), connections)

    def elsewhere(note: LaunchNote) -> RunRecord:
        return _record_elsewhere(note, connections)

    newest = recorded[:limit]
    with ThreadPoolExecutor(PARALLEL_QUESTIONS) as pool:
        # A store may have many thousands of runs, and nearly all of them are over.
        open_runs = [record for record in newest if not is_over(record)]
        answers = dict(zip(map(id, open_runs), pool.map(checked, open_runs), strict=True))
        here = [answers.get(id(record), record) for record in newest]
        return [*here, *pool.map(elsewhere, others[:limit])]


def _record_elsewhere(note: LaunchNote, connections: _Connections) -> RunRecord:
    """Return the record of a run that is not in the default store."""
    try:
        run = note.recorded()
        if run is not None:
            return _checked(run.reader.record(), note, connections)
        return driver_of(note, connections.connect).record()
    except (EngineError, StoreError) as error:
        return note.record(RunStatus.UNREADABLE, str(error).partition(": ")[0])


def _checked(record: RunRecord, note: LaunchNote | None, connections: _Connections) -> RunRecord:
    """Return a record with the end of a run that lost its driver."""
    record = settled(record)
    if note is None or note.address is None or not _is_elsewhere(record):
        return record
    try:
        answer = driver_of(note, connections.connect).record()
    except EngineError:
        return replace(record, note=f"{note.address} does not answer")
    return _without_driver(record, answer) if is_over(answer) else record


class _Connections:
    """Connections to clusters, for many threads.

    Each address is tried once, since a dead one takes its time to fail.
    """

    def __init__(self) -> None:
        self._results: dict[str, Jobs | EngineError] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def connect(self, address: str) -> Jobs:
        """Return the jobs of a cluster; raises EngineError again for one that failed before."""
        with self._locks[address]:
            if address not in self._results:
                try:
                    self._results[address] = connect_jobs(address)
                except EngineError as error:
                    self._results[address] = error
        result = self._results[address]
        if isinstance(result, EngineError):
            raise result
        return result


def await_recording(
    driver: DriverProcess, deadline: float | None, poll: ClusterPoll
) -> RecordedRun | RunRecord | None:
    """Wait until a launched run is in its store, or over; return the one or the other.

    ``deadline`` is a time of the monotonic clock; None comes back at it. Raises EngineError once
    ``poll`` gives its cluster up.
    """
    while True:
        # Before the look into the store: a run that ends in between is in the store.
        record = poll.ask(driver.record)
        run = driver.note.recorded()
        if run is not None:
            return run
        if record is not None and is_over(record):
            return record
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(RECORD_INTERVAL_S)


def await_end(
    reader: RunReader, deadline: float | None, say: Callable[[str], object] | None = None
) -> RunRecord | None:
    """Wait until a recorded run is over; return its record, or None at the deadline."""
    monitor = RunMonitor(reader, say)
    while not is_over(record := monitor.record()):
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(RECORD_INTERVAL_S)
    return record

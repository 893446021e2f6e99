"""Recorded runs in the words of Dagster: a thin layer over a run store."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from rayexec.definitions.asset_key import AssetKey
from rayexec.definitions.stand_ins.topics import TOPICS
from rayexec.errors import InvariantError, RunNotFoundError, UnsupportedError
from rayexec.events import EventType, RunStatus
from rayexec.run.dagster_run import DagsterRun
from rayexec.store.base import RunStore
from rayexec.store.log_entries import (
    EventLogEntry,
    EventLogRecord,
    EventRecordsFilter,
    EventRecordsResult,
    EventTypes,
)
from rayexec.store.memory import MemoryRunStore
from rayexec.store.reading import StoredLog
from rayexec.store.record import RunRecord as StoredRecord
from rayexec.store.record import settled
from rayexec.store.registry import default_store, store_at
from rayexec.store.runs_filter import RunsFilter

__all__ = ["DagsterInstance", "RunRecord"]

_ALL = RunsFilter()
# Parts of the names of Dagster's methods that rayexec does not have, by their topic.
_PARTS_OF_NAMES = {
    "assets": ("asset",),
    "partitions": ("partition", "backfill"),
    "schedules": ("schedule",),
    "sensors": ("sensor",),
}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run and its moments: ``start_time`` and ``end_time`` in seconds since 1970.

    ``storage_id`` counts the runs of the store, from 1 for the oldest.
    """

    storage_id: int
    dagster_run: DagsterRun
    create_timestamp: datetime.datetime
    update_timestamp: datetime.datetime
    start_time: float | None = None
    end_time: float | None = None


class DagsterInstance:
    """Runs in a store, as ``dagster.DagsterInstance`` shows them; ``store`` is the run store.

    Questions read the store anew. Runs with an unreadable record do not appear. A ``with`` block
    removes the directory of ``local_temp`` at its end.
    """

    def __init__(self, store: RunStore, *, directory: str | None = None) -> None:
        self.store = store
        self._directory = directory
        self._is_own_directory = False

    @staticmethod
    def ephemeral(tempdir: str | None = None) -> DagsterInstance:
        """Return an instance whose runs are in memory, and end with it."""
        return DagsterInstance(MemoryRunStore(), directory=tempdir)

    @staticmethod
    def get() -> DagsterInstance:
        """Return the instance of the store at RAYEXEC_HOME, else at ``~/.rayexec``."""
        return DagsterInstance(default_store())

    @staticmethod
    def local_temp(tempdir: str | os.PathLike[str] | None = None) -> DagsterInstance:
        """Return an instance whose runs are in a directory, by default one for its life alone."""
        directory = tempfile.mkdtemp() if tempdir is None else os.fspath(tempdir)
        instance = DagsterInstance(store_at(directory), directory=directory)
        instance._is_own_directory = tempdir is None
        return instance

    def __enter__(self) -> DagsterInstance:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def __repr__(self) -> str:
        return f"<DagsterInstance of {self.store!r}>"

    def __getattr__(self, name: str) -> NoReturn:
        for topic in TOPICS if not name.startswith("_") else ():
            if any(part in name for part in _PARTS_OF_NAMES.get(topic.title, ())):
                raise UnsupportedError(
                    f"{name} of a DagsterInstance was asked for, and rayexec does not have "
                    f"{topic.title}. {topic.advice}",
                    feature=name,
                )
        raise AttributeError(f"a DagsterInstance has no attribute {name!r}.")

    def dispose(self) -> None:
        """Remove the directory that the instance made."""
        if self._is_own_directory and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def is_ephemeral(self) -> bool:
        """Whether the runs are in memory."""
        return isinstance(self.store, MemoryRunStore)

    @property
    def is_persistent(self) -> bool:
        """Whether the runs outlive this process."""
        return not self.is_ephemeral

    @property
    def root_directory(self) -> str:
        """Directory of the runs; for runs in memory a new one, which ``dispose`` removes.

        Raises InvariantError for a store elsewhere.
        """
        directory = self._directory or getattr(self.store, "root", None)
        if directory is None and self.is_ephemeral:
            directory = self._directory = tempfile.mkdtemp()
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
            self._is_own_directory = True
        if directory is None:
            raise InvariantError(f"{self!r} has no directory.")
        return str(directory)

    def storage_directory(self) -> str:
        """Return a directory for files of the user, below that of the runs."""
        return os.path.join(self.root_directory, "storage")

    def get_runs(
        self,
        filters: RunsFilter | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        ascending: bool = False,
    ) -> Sequence[DagsterRun]:
        """Return runs, the newest first; ``cursor`` is the id of the run before them."""
        records = self.get_run_records(filters, limit, ascending=ascending, cursor=cursor)
        return [record.dagster_run for record in records]

    def get_run_ids(
        self,
        filters: RunsFilter | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Sequence[str]:
        """Return the ids of runs, the newest first."""
        return [run.run_id for run in self.get_runs(filters, cursor, limit)]

    def get_runs_count(self, filters: RunsFilter | None = None) -> int:
        """Return the number of runs."""
        return len(self._records(filters))

    def get_run_records(
        self,
        filters: RunsFilter | None = None,
        limit: int | None = None,
        order_by: str | None = None,
        ascending: bool = False,
        cursor: str | None = None,
    ) -> Sequence[RunRecord]:
        """Return runs with their moments, the newest first.

        ``order_by`` is ``start_time`` or ``end_time``, and ``cursor`` the id of the run before.
        """
        positions = {each.run_id: index for index, each in enumerate(self._oldest_first(), 1)}
        records = list(self._records(filters))
        if order_by in ("end_time", "update_timestamp"):
            records.sort(key=_updated, reverse=True)
        if ascending:
            records.reverse()
        if cursor is not None:
            ids = [record.run_id for record in records]
            records = records[ids.index(cursor) + 1 if cursor in ids else 0 :]
        return [_run_record(each, positions[each.run_id]) for each in records[:limit]]

    def get_run_by_id(self, run_id: str) -> DagsterRun | None:
        """Return a run, or None."""
        record = self.get_run_record_by_id(run_id)
        return None if record is None else record.dagster_run

    def get_run_record_by_id(self, run_id: str) -> RunRecord | None:
        """Return a run with its moments, or None."""
        records = self.get_run_records(RunsFilter(run_ids=[run_id]))
        return records[0] if records else None

    def has_run(self, run_id: str) -> bool:
        """Whether there is a run with this id."""
        return self.get_run_by_id(run_id) is not None

    def delete_run(self, run_id: str) -> None:
        """Remove a run and its values; raises RunNotFoundError."""
        self.store.delete(run_id)

    def get_run_tags(self, tag_keys: Sequence[str] = ()) -> Sequence[tuple[str, set[str]]]:
        """Return the tags of all runs: each name with its values."""
        values: dict[str, set[str]] = {}
        for record in self._records(None):
            for key, value in record.tags.items():
                if not tag_keys or key in tag_keys:
                    values.setdefault(key, set()).add(value)
        return sorted(values.items())

    def all_logs(self, run_id: str, of_type: EventTypes = None) -> Sequence[EventLogEntry]:
        """Return the log of a run, in order; ``of_type`` is a type of events or several.

        An unknown run has an empty log.
        """
        return [entry for entry in self._log(run_id) if entry.is_of(of_type)]

    def get_records_for_run(
        self,
        run_id: str,
        cursor: str | None = None,
        of_type: EventTypes = None,
        limit: int | None = None,
        ascending: bool = True,
    ) -> EventRecordsResult:
        """Return a part of the log of a run; ``cursor`` is that of the part before."""
        entries = enumerate(self._log(run_id), 1)
        records = [EventLogRecord(index, each) for index, each in entries if each.is_of(of_type)]
        return _page(records, cursor, limit, ascending=ascending)

    def get_event_records(
        self,
        event_records_filter: EventRecordsFilter,
        limit: int | None = None,
        ascending: bool = False,
    ) -> Sequence[EventLogRecord]:
        """Return events of all runs, the newest first; it reads each log."""
        records = [each for each in self._all_records() if event_records_filter.accepts(each)]
        return _page(records, None, limit, ascending=ascending).records

    def fetch_materializations(
        self,
        records_filter: AssetKey,
        limit: int | None = None,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        """Return materializations of an asset in all runs, the newest first."""
        return self._about(
            EventType.ASSET_MATERIALIZATION, records_filter, limit, cursor, ascending=ascending
        )

    def fetch_observations(
        self,
        records_filter: AssetKey,
        limit: int | None = None,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        """Return observations of an asset in all runs, the newest first."""
        return self._about(
            EventType.ASSET_OBSERVATION, records_filter, limit, cursor, ascending=ascending
        )

    def get_latest_materialization_event(self, asset_key: AssetKey) -> EventLogEntry | None:
        """Return the entry of an asset's latest materialization, or None."""
        records = self.fetch_materializations(asset_key, limit=1).records
        return records[0].event_log_entry if records else None

    def get_latest_materialization_events(
        self, asset_keys: Iterable[AssetKey]
    ) -> Mapping[AssetKey, EventLogEntry | None]:
        """Return the entries of the assets' latest materializations."""
        return {key: self.get_latest_materialization_event(key) for key in asset_keys}

    def get_asset_keys(self) -> Sequence[AssetKey]:
        """Return the keys of the assets that runs materialized or observed."""
        return sorted({each.asset_key for each in self._all_records() if each.asset_key})

    def has_asset_key(self, asset_key: AssetKey) -> bool:
        """Whether a run materialized or observed the asset."""
        return asset_key in self.get_asset_keys()

    def _about(
        self,
        kind: EventType,
        key: AssetKey,
        limit: int | None,
        cursor: str | None,
        *,
        ascending: bool,
    ) -> EventRecordsResult:
        wanted = EventRecordsFilter(kind, getattr(key, "asset_key", key))
        records = [each for each in self._all_records() if wanted.accepts(each)]
        return _page(records, cursor, limit, ascending=ascending)

    def _oldest_first(self) -> Sequence[StoredRecord]:
        records = self.store.list()
        return [each for each in reversed(records) if each.status is not RunStatus.UNREADABLE]

    def _records(self, filters: RunsFilter | None) -> Sequence[StoredRecord]:
        newest_first = map(settled, reversed(self._oldest_first()))
        return list(filter((filters or _ALL).accepts, newest_first))

    def _log(self, run_id: str) -> Iterator[EventLogEntry]:
        try:
            reader = self.store.open(run_id)
        except RunNotFoundError:
            return
        for event in StoredLog(reader).events():
            yield EventLogEntry.of_event(event, reader.run_id)

    def _all_records(self) -> Iterator[EventLogRecord]:
        entries = [entry for run in self._oldest_first() for entry in self._log(run.run_id)]
        entries.sort(key=lambda entry: entry.timestamp)
        for index, entry in enumerate(entries, 1):
            yield EventLogRecord(index, entry)


def _page(
    records: Sequence[EventLogRecord], cursor: str | None, limit: int | None, *, ascending: bool
) -> EventRecordsResult:
    """Return the records behind a cursor, which is the position of the last one before."""
    ordered = list(records) if ascending else list(reversed(records))
    if cursor is not None:
        last = int(cursor)
        ordered = [
            each
            for each in ordered
            if (each.storage_id > last if ascending else each.storage_id < last)
        ]
    page = ordered[:limit]
    return EventRecordsResult(
        page, str(page[-1].storage_id) if page else cursor or "", len(page) < len(ordered)
    )


def _run_record(record: StoredRecord, position: int) -> RunRecord:
    run = DagsterRun(
        record.job_name,
        record.run_id,
        record.run_config,
        op_selection=record.op_selection,
        status=DagsterRun.status_of(record.status),
        tags=record.tags,
        root_run_id=record.root_run_id,
        parent_run_id=record.parent_run_id,
    )
    return RunRecord(
        position,
        run,
        _moment(record.start_time),
        _moment(_updated(record)),
        record.start_time,
        record.end_time,
    )


def _updated(record: StoredRecord) -> float:
    return record.end_time or record.start_time


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)

"""Records of runs in the index of a store."""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.store.base import newest_first, order_of_list
from rayexec.store.index import IndexUnavailableError, StoreIndex
from rayexec.store.record import RunRecord, is_over

__all__ = ["ListedRun", "RunIndex"]

_PARALLEL_READS = 16  # from a store over the network
_FEW_FILES = 50
# A file may change twice within one tick of its file system's clock, so a stamp counts once the
# file has had its time for so long.
_SETTLED_S = 2.0


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run in a listing of its store, before anybody reads its record."""

    run_id: str
    #: Text that changes with the file; the same for all in a store that tells nothing of files.
    stamp: str
    #: Time of the file's last change, in seconds since 1970; None in such a store.
    changed: float | None = None

    @classmethod
    def of_file(cls, run_id: str, path: str) -> ListedRun:
        """Return a run by its ``run.json`` on this machine; raises OSError without the file."""
        status = os.lstat(path)
        times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
        return cls(run_id, f"{status.st_ino} {status.st_size} {times}", status.st_mtime)


class RunIndex:
    """Records of a store's runs, from the index as far as it has them.

    ``read`` returns the content of a run's ``run.json``; with ``is_remote`` several threads call
    it. It is called for each file that changed a moment ago, or has another stamp than in the
    index. In a store without stamps the record of a run that is over counts as final, and each
    other one is read. A process that lists again and again keeps ``remembered``: records with the
    stamps of their files, whose content nobody decodes again.
    """

    def __init__(
        self,
        index: StoreIndex,
        read: Callable[[str], bytes],
        *,
        is_remote: bool,
        remembered: Mapping[str, tuple[str, RunRecord]] | None = None,
    ) -> None:
        self._index = index
        self._read = read
        self._is_remote = is_remote
        self.remembered: Mapping[str, tuple[str, RunRecord]] = remembered or {}

    def records(self, runs: Sequence[ListedRun]) -> list[RunRecord]:
        """Return the records of ``runs`` as ``newest_first`` does, and update the index."""
        former = self.remembered
        same = {
            run.run_id: former[run.run_id][1]
            for run in runs
            if run.changed is not None
            and run.run_id in former
            and former[run.run_id][0] == run.stamp
        }
        others = [run for run in runs if run.run_id not in same]
        if not others:
            return sorted(same.values(), key=order_of_list)
        records = [*same.values(), *self._indexed(others, runs)]
        self._remember(runs, records)
        return sorted(records, key=order_of_list)

    def _remember(self, runs: Sequence[ListedRun], records: Sequence[RunRecord]) -> None:
        settled_before = time.time() - _SETTLED_S
        stamps = {
            run.run_id: run.stamp
            for run in runs
            if run.changed is not None and run.changed < settled_before
        }
        self.remembered = {
            record.run_id: (stamps[record.run_id], record)
            for record in records
            if record.run_id in stamps and record.status != RunStatus.UNREADABLE
        }

    def _indexed(self, runs: Sequence[ListedRun], all_runs: Sequence[ListedRun]) -> list[RunRecord]:
        """Return the records of ``runs``, of which some may be in the index."""
        # Beside remembered records, a few files are read sooner than all rows.
        is_few = len(runs) < len(all_runs) and len(runs) <= _FEW_FILES
        rows = {} if is_few else self._rows()
        outdated = [run.run_id for run in runs if (run.run_id, run.stamp) not in rows]
        if self._is_remote and len(outdated) > 1:
            from concurrent.futures import ThreadPoolExecutor  # It loads slowly, for few stores.

            with ThreadPoolExecutor(_PARALLEL_READS) as pool:
                reads = {run_id: pool.submit(self._read, run_id) for run_id in outdated}
            listing = _Listing(rows, lambda run_id: reads[run_id].result())
        else:
            listing = _Listing(rows, self._read)
        records = newest_first((run.run_id, partial(listing.record, run)) for run in runs)
        self._save(listing.new, {run_id for run_id, _ in rows} - {run.run_id for run in all_runs})
        return records

    def _rows(self) -> dict[tuple[str, str], bytes]:
        """Return the undamaged records of the index, by run id and stamp; none without one."""
        with contextlib.suppress(IndexUnavailableError), self._index.connection() as connection:
            rows = connection.execute("SELECT run_id, stamp, crc, record FROM runs")
            return {
                (run_id, stamp): record
                for run_id, stamp, crc, record in rows
                if isinstance(record, bytes) and zlib.crc32(record) == crc
            }
        return {}

    def _save(self, new: Sequence[tuple[ListedRun, bytes]], gone: set[str]) -> None:
        if not new and not gone:
            return
        rows = [(run.run_id, run.stamp, zlib.crc32(record), record) for run, record in new]
        with contextlib.suppress(IndexUnavailableError), self._index.transaction() as connection:
            connection.executemany("DELETE FROM runs WHERE run_id = ?", [(each,) for each in gone])
            connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", rows)


class _Listing:
    """Reads records from rows of the index, and from the files of runs without a row."""

    def __init__(self, rows: dict[tuple[str, str], bytes], read: Callable[[str], bytes]) -> None:
        self._rows = rows
        self._read = read
        self._now = time.time()
        #: Runs for the index, with the content of their files.
        self.new: list[tuple[ListedRun, bytes]] = []

    def record(self, run: ListedRun) -> RunRecord:
        """Return the record of a run; raises RunNotFoundError and StoreError."""
        row = self._rows.get((run.run_id, run.stamp))
        if row is not None:
            with contextlib.suppress(StoreError):  # The row of another version may be refused.
                return RunRecord.decode(row, run.run_id)
        data = self._read(run.run_id)
        record = RunRecord.decode(data, run.run_id)
        is_lasting = (
            is_over(record) if run.changed is None else run.changed < self._now - _SETTLED_S
        )
        if is_lasting:
            self.new.append((run, data))
        return record

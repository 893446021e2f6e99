"""Run store in memory, as long as its process lives."""

from __future__ import annotations

import pickle
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.errors import StoreError
from rayexec.events import OutputRecord
from rayexec.run.previous_run import FinishedStep
from rayexec.store.base import check_new_id, newest_first, only_match
from rayexec.store.cache_storage import MemoryCache
from rayexec.store.record import RunRecord
from rayexec.store.request import CancelRequest
from rayexec.store.resumes import ResumeNote
from rayexec.store.watching import Recency

__all__ = ["MemoryRunStore"]


@dataclass(slots=True)
class _Run:
    record: bytes
    log: list[bytes] = field(default_factory=list)
    values: dict[str, FinishedStep] = field(default_factory=dict)
    request: bytes | None = None
    resumes: dict[int, ResumeNote] = field(default_factory=dict)
    watched_at: float | None = None
    now: bytes | None = None


class MemoryRunStore:
    """Stores runs in memory; for tests, and for a look at a run right after it.

    It has the bytes of files, so that a run passes through the same encoding.
    """

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self._cache = MemoryCache()
        self.identity = f"memory:{uuid.uuid4()}"

    def __repr__(self) -> str:
        return f"<MemoryRunStore of {len(self._runs)} runs>"

    def create(self, record: RunRecord) -> _MemoryWriter:
        """Begin a run; raises StoreError for an id in use."""
        check_new_id(record.run_id)
        run = _Run(record.encode())
        with self._lock:
            if record.run_id in self._runs:
                raise StoreError(f"there is a run {record.run_id!r} already: give another run id.")
            self._runs[record.run_id] = run
        return _MemoryWriter(run)

    def open(self, run_id: str) -> _MemoryReader:
        """Return a reader of a run; raises RunNotFoundError."""
        whole_id = only_match(run_id, list(self._runs), "memory")
        return _MemoryReader(whole_id, self._runs[whole_id])

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; UNREADABLE ones have the reason as their ``note``."""
        return newest_first(
            (run_id, _MemoryReader(run_id, run).record) for run_id, run in list(self._runs.items())
        )

    def values(self, run_id: str) -> _MemoryValues:
        """Return the storage for values of a run, by its whole id."""
        check_new_id(run_id)
        return _MemoryValues(self._runs[run_id].values)

    def ask(self, run_id: str, request: CancelRequest) -> None:
        """Leave a request for the writer of a run; raises RunNotFoundError."""
        self._runs[only_match(run_id, list(self._runs), "memory")].request = request.encode()

    def watch(self, run_id: str) -> None:
        """Ask the driver of a run for its state; raises RunNotFoundError."""
        self._runs[only_match(run_id, list(self._runs), "memory")].watched_at = time.time()

    def now(self, run_id: str) -> bytes | None:
        """Return the last state of a run; raises RunNotFoundError."""
        return self._runs[only_match(run_id, list(self._runs), "memory")].now

    def resumes(self, run_id: str) -> Sequence[ResumeNote]:
        """Return the notes of runs that resume a run; raises RunNotFoundError."""
        return tuple(self._runs[only_match(run_id, tuple(self._runs), "memory")].resumes.values())

    def add_resume(self, run_id: str, note: ResumeNote) -> bool:
        """Add a note beside a run; return False if another one has its number."""
        run = self._runs[only_match(run_id, list(self._runs), "memory")]
        return run.resumes.setdefault(note.ordinal, note) is note

    def remove_resume(self, run_id: str, note: ResumeNote) -> None:
        """Remove a note, if it still exists."""
        if (run := self._runs.get(run_id)) is not None:
            run.resumes.pop(note.ordinal, None)

    def delete(self, run_id: str) -> None:
        """Remove a run and its values; raises RunNotFoundError."""
        del self._runs[only_match(run_id, list(self._runs), "memory")]

    def cache(self) -> MemoryCache:
        """Return the cache of outputs, which all runs in this store share."""
        return self._cache


class _MemoryWriter:
    interval = 0.5
    poll_interval = 0.2
    watched_interval = 0.1

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._recency = Recency()

    def is_watched(self) -> bool:
        return self._recency.is_recent(self._run.watched_at, time.time(), time.monotonic())

    def write_now(self, data: bytes) -> None:
        self._run.now = data

    def remove_now(self) -> None:
        self._run.now = None

    def append(self, data: bytes) -> None:
        self._run.log.append(data)

    def update(self, record: RunRecord) -> None:
        self._run.record = record.encode()

    def asked(self) -> CancelRequest | None:
        return None if self._run.request is None else CancelRequest.decode(self._run.request)

    def close(self) -> None:
        pass


class _MemoryValue:
    def __init__(self, value: Any) -> None:
        self._parts = (value,) if isinstance(value, bytes) else (value.main, *value.buffers)
        self._parts = tuple([bytes(each) for each in self._parts])
        self.size = sum(map(len, self._parts))

    is_local = True

    def parts(self) -> tuple[bytes, ...]:
        return self._parts

    def load(self) -> Any:
        main, *buffers = self._parts
        return pickle.loads(main, buffers=buffers)


class _MemoryValues:
    is_shared = False

    def __init__(self, committed: dict[str, FinishedStep]) -> None:
        self._committed = committed
        self._before_commit: dict[tuple[str, int], dict[str, _MemoryValue]] = {}

    def writer(self) -> _MemoryValues:
        return self

    def committed(self) -> Mapping[str, FinishedStep]:
        return dict(self._committed)

    def add(self, key: str, attempt_number: int, name: str, value: Any) -> None:
        self._before_commit.setdefault((key, attempt_number), {})[name] = _MemoryValue(value)

    def commit(
        self,
        key: str,
        attempt_number: int,
        outputs: tuple[OutputRecord, ...],
        values: Mapping[str, Any],
    ) -> None:
        before = self._committed.get(key)
        earlier = before.values if before is not None and before.outputs == outputs else {}
        new = {name: _MemoryValue(value) for name, value in values.items()}
        self._committed[key] = FinishedStep(
            outputs, {**earlier, **self._before_commit.pop((key, attempt_number), {}), **new}
        )

    def close(self) -> None:
        pass


class _MemoryReader:
    def __init__(self, run_id: str, run: _Run) -> None:
        self.run_id = run_id
        self._run = run

    def record(self) -> RunRecord:
        return RunRecord.decode(self._run.record, self.run_id)

    def log(self, start: int = 0) -> Iterator[bytes]:
        for part in list(self._run.log):
            if start < len(part):
                yield part[start:]
            start = max(0, start - len(part))

    def is_of_this_user(self) -> bool:
        return True

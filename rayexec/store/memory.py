"""A run store that lives as long as its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rayexec.errors import StoreError
from rayexec.store.base import newest_first, only_match
from rayexec.store.cache import MemoryCache
from rayexec.store.record import RunRecord

__all__ = ["MemoryRunStore"]


@dataclass(slots=True)
class _Run:
    record: bytes
    log: list[bytes] = field(default_factory=list)


class MemoryRunStore:
    """Keeps runs in memory, as the bytes that files would hold; for tests, and for looking at a run right after it."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self._cache = MemoryCache()

    def __repr__(self) -> str:
        return f"<MemoryRunStore of {len(self._runs)} runs>"

    def create(self, record: RunRecord) -> _MemoryWriter:
        """Begin a run; raises StoreError where there is one of that id."""
        run = _Run(record.encode())
        with self._lock:
            if record.run_id in self._runs:
                raise StoreError(f"there is a run {record.run_id!r} already: give another run id.")
            self._runs[record.run_id] = run
        return _MemoryWriter(run)

    def open(self, run_id: str) -> _MemoryReader:
        """Return a run by its id or the beginning of it; raises RunNotFoundError."""
        found = only_match(run_id, list(self._runs), "memory")
        return _MemoryReader(found, self._runs[found])

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; one that cannot be read is UNREADABLE, and its ``note`` tells why."""
        return newest_first((run_id, _MemoryReader(run_id, run).record) for run_id, run in list(self._runs.items()))

    def delete(self, run_id: str) -> None:
        """Remove a run; raises RunNotFoundError."""
        del self._runs[only_match(run_id, list(self._runs), "memory")]

    def cache(self) -> MemoryCache:
        """Return where outputs of cached ops are kept, for runs in this process."""
        return self._cache


class _MemoryWriter:
    interval = 0.5

    def __init__(self, run: _Run) -> None:
        self._run = run

    def append(self, data: bytes) -> None:
        self._run.log.append(data)

    def update(self, record: RunRecord) -> None:
        self._run.record = record.encode()

    def close(self) -> None:
        pass


class _MemoryReader:
    def __init__(self, run_id: str, run: _Run) -> None:
        self.run_id = run_id
        self._run = run

    def record(self) -> RunRecord:
        return RunRecord.decode(self._run.record, self.run_id)

    def log(self) -> Iterator[bytes]:
        yield from list(self._run.log)

"""Files by which readers and the driver of a run meet: ``watched`` and ``now.json``.

A reader touches ``watched``. While that file is younger than 10 s, the driver replaces ``now.json``
a few times a second.
"""

from __future__ import annotations

import time

from rayexec.errors import StoreError
from rayexec.store.file_errors import as_store_error
from rayexec.store.files import Files

__all__ = ["MOST_NOW_BYTES", "WATCHED_S", "NowFiles", "Recency"]

#: Seconds for which one look counts.
WATCHED_S = 10.0
#: Bytes of a state that a reader takes.
MOST_NOW_BYTES = 1024 * 1024
_WATCHED, _NOW = "watched", "now.json"


class Recency:
    """Tells whether something that leaves a moment behind has happened of late.

    The moments may be of another host's clock, so a change counts as happening now.
    """

    def __init__(self) -> None:
        self._moment: float | None = None
        self._seen_at = 0.0

    def is_recent(self, moment: float | None, wall_clock: float, clock: float) -> bool:
        """Whether ``moment`` is new, or was within the last 10 s; None stands for never."""
        if moment is None:
            self._moment = None
            return False
        if moment != self._moment:
            is_first = self._moment is None
            self._moment, self._seen_at = moment, clock
            if is_first and abs(wall_clock - moment) > WATCHED_S:
                self._seen_at = clock - WATCHED_S
        return clock - self._seen_at < WATCHED_S


class NowFiles:
    """The two files of one run, in its directory."""

    def __init__(self, files: Files, directory: str) -> None:
        self._files = files
        self._directory = directory
        self._recency = Recency()

    def watch(self) -> None:
        """Note that somebody watches the run; raises StoreError."""
        with as_store_error("the run cannot be watched"):
            self._files.touch(self._directory, _WATCHED)

    def is_watched(self) -> bool:
        """Whether somebody watches the run; raises StoreError."""
        with as_store_error("the run cannot be watched"):
            moment = self._files.modified(f"{self._directory}/{_WATCHED}")
        return self._recency.is_recent(moment, time.time(), time.monotonic())

    def write(self, data: bytes) -> None:
        """Replace the state; raises StoreError."""
        with as_store_error("the state of the run cannot be written"):
            self._files.replace(self._directory, _NOW, data)

    def remove(self) -> None:
        """Remove the state; raises StoreError."""
        with as_store_error("the state of the run cannot be removed"):
            self._files.delete_file(f"{self._directory}/{_NOW}")

    def read(self) -> bytes | None:
        """Return the state, None without any; raises StoreError, also for far too many bytes."""
        with as_store_error("the state of the run cannot be read"):
            try:
                data = self._files.read(f"{self._directory}/{_NOW}", 0, MOST_NOW_BYTES + 1)
            except FileNotFoundError:
                return None
        if len(data) > MOST_NOW_BYTES:
            raise StoreError("the state of the run is too large to be one.")
        return data

"""Frames of a log by their positions, so that a reader need not keep what it has read."""

from __future__ import annotations

import time
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from rayexec.errors import StoreError
from rayexec.store.base import RunReader, log_part
from rayexec.store.columns import RECORDS, kind_of, open_frame
from rayexec.store.frames import HEADER_BYTES, FrameReader

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LogFrames", "ReadFrame"]

_MOST_CACHED_BYTES = 16 * 1024 * 1024  # of frames that were read again


class ReadFrame(NamedTuple):
    """A frame of a log: its position among all, its kind, and its table."""

    position: int
    kind: str
    table: pa.Table


class LogFrames:
    """Reads the frames of a growing log, and single ones again.

    ``read_bytes``, ``unread_bytes`` and ``is_damaged`` are as in ``StoredLog``.
    """

    def __init__(self, reader: RunReader) -> None:
        self.read_bytes = 0
        self.unread_bytes = 0
        self.is_damaged = False
        self._reader = reader
        # The position of each frame's body in the log, and its bytes.
        self._starts, self._lengths = array("q"), array("q")
        self._cached: OrderedDict[int, pa.Table] = OrderedDict()
        self._cached_bytes = 0
        #: Moment of the last look at a single frame, by the monotonic clock.
        self.last_use = 0.0

    def __len__(self) -> int:
        return len(self._starts)

    def read_on(self) -> Iterator[ReadFrame]:
        """Yield the frames that were added since; raises StoreError as the store does."""
        frames = FrameReader(self._reader.log(self.read_bytes))
        for body in frames:
            table = open_frame(body)
            self._starts.append(self.read_bytes + HEADER_BYTES)
            self._lengths.append(len(body))
            self.read_bytes += HEADER_BYTES + len(body)
            yield ReadFrame(len(self._starts) - 1, kind_of(table), table)
        self.unread_bytes, self.is_damaged = frames.unread_bytes, frames.is_damaged

    def records(self, index: int) -> pa.Table:
        """Return the table of a frame again; the last few stay in memory."""
        self.last_use = time.monotonic()
        table = self._cached.get(index)
        if table is not None:
            self._cached.move_to_end(index)
            return table
        start, length = self._starts[index], self._lengths[index]
        body = log_part(self._reader, start, length)
        if len(body) < length:
            raise StoreError("the log is not as long as it was: somebody has cut it.")
        table = open_frame(memoryview(body))
        if kind_of(table) != RECORDS:
            raise StoreError("the log has changed since it was read.")
        self._cached[index] = table
        self._cached_bytes += table.nbytes
        while self._cached_bytes > _MOST_CACHED_BYTES and len(self._cached) > 1:
            self._cached_bytes -= self._cached.popitem(last=False)[1].nbytes
        return table

    def drop_cached(self) -> bool:
        """Drop the frames that stay in memory; return whether there were any."""
        had_frames = bool(self._cached)
        self._cached.clear()
        self._cached_bytes = 0
        return had_frames

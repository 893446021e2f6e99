"""Answer of a batch in the making: entries of finished calls, and large outputs beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.engine.packed_values import Packed
from rayexec.engine.ray.protocol.entries import Columns, StoredOutput, pack_entry
from rayexec.engine.ray.worker.journal import Journal
from rayexec.events import Attempt

__all__ = ["Answer", "Entries"]

_LIMIT_BYTES = 1024 * 1024  # of small outputs; a batch ends beyond
_PLAIN_OVERHEAD_BYTES = 24  # of a plain success, beside its output


class Entries:
    """Entries of a batch so far; another thread may read them at any time."""

    def __init__(self) -> None:
        self._items: list[bytes | Columns] = []
        self._next = -1  # the position that continues the last columns
        self._columns: Columns = (0, [], [], [])

    def succeeded(self, position: int, started: float, ended: float, output: bytes) -> None:
        """Add a plain success."""
        if position != self._next:
            self._columns = (position, [], [], [])
            self._items.append(self._columns)
        self._next = position + 1
        _, starts, ends, outputs = self._columns
        starts.append(started)
        ends.append(ended)
        outputs.append(output)  # last: a reader goes by the count of outputs

    def add(self, entry: bytes) -> None:
        """Add the result of ``pack_entry``."""
        self._next = -1
        self._items.append(entry)

    def so_far(self) -> list[bytes | Columns]:
        """Return a copy for ``unpack_entries``."""
        items: list[bytes | Columns] = []
        for item in list(self._items):
            if isinstance(item, bytes):
                items.append(item)
            else:
                first, starts, ends, outputs = item
                whole = len(outputs)
                items.append((first, starts[:whole], ends[:whole], outputs[:whole]))
        return items


class Answer:
    """Collects finished calls of a batch, in the entries and in the journal."""

    def __init__(self, entries: Entries, journal: Journal, output_count: int) -> None:
        self.journal = journal
        #: Large outputs, by index among the task's returns; the last may be a list of references.
        self.payloads: list[Packed | list[Any] | None] = [None] * output_count
        #: True where no call may start any more: after a large output, or an interrupt.
        self.is_full = False
        self._entries = entries
        self._size = 0
        # Bytes of the outputs of the current call.
        self._call_bytes = 0
        # References of large values of dynamic outputs, whose count nobody knows before.
        self._references: list[Any] = []
        # Count of large outputs in Ray's stream.
        self._streamed = 0

    def succeeded(self, position: int, started: float, ended: float, packed: bytes) -> None:
        """Add a plain success."""
        self.journal.succeeded(position, started, ended, packed)
        self._entries.succeeded(position, started, ended, packed)
        self._size = size = self._size + len(packed) + _PLAIN_OVERHEAD_BYTES
        if size > _LIMIT_BYTES:
            self.is_full = True

    def add(self, position: int, row: Attempt, stored: Mapping[str, StoredOutput]) -> None:
        """Add a finished call."""
        entry = pack_entry(position, row._replace(output_bytes=self._call_bytes), stored)
        self._call_bytes = 0
        self.journal.finished(entry)
        self._entries.add(entry)
        self._size += len(entry)
        if self._size > _LIMIT_BYTES:
            self.is_full = True

    def store(self, packed: bytes | Packed, *, is_dynamic: bool = False) -> StoredOutput:
        """Store an output of the current call; return its form in the call's entry."""
        if isinstance(packed, bytes):
            self._call_bytes += len(packed)
            return packed
        self._call_bytes += packed.nbytes
        self.is_full = True
        if is_dynamic:
            return self._put(packed)
        index = self.payloads.index(None)
        self.payloads[index] = packed
        return index

    def _put(self, packed: Packed) -> int:
        """Put a large value into the object store; return its index, a negative number."""
        import ray

        if not self._references:
            self.payloads[-1] = self._references
        self._references.append(ray.put(packed))
        return -len(self._references)

    def store_streamed(self, packed: bytes | Packed) -> StoredOutput:
        """Store an output of a batch that streams: a large one is an item of Ray's stream."""
        if isinstance(packed, bytes):
            self._call_bytes += len(packed)
            return packed
        self._call_bytes += packed.nbytes
        self._streamed += 1
        return self._streamed - 1

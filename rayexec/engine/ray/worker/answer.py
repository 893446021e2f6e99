"""What a batch answers, as it comes to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.engine.packed_values import Packed
from rayexec.engine.ray.protocol.answer import Entries, pack_entry
from rayexec.engine.ray.protocol.journal import Journal
from rayexec.events import Attempt

__all__ = ["Answer"]

_LIMIT = 1024 * 1024  # bytes of small outputs after which a batch comes back
_OVERHEAD = 24  # bytes that a plain success takes beside its output


class Answer:
    """The calls of a batch that are over, each in the entries and in the journal, and the large
    outputs beside them.

    ``payloads`` has ``places`` for these. ``is_full`` tells that no call may start any more: a
    large output came, or somebody wants the batch to end.
    """

    def __init__(self, entries: Entries, journal: Journal, places: int) -> None:
        self.journal = journal
        self.payloads: list[Packed | list[Any] | None] = [None] * places
        self.is_full = False
        self._entries = entries
        self._size = 0
        # Bytes of the outputs of the call that is made now.
        self._made = 0
        # References of large values of dynamic outputs, of which nobody knows before how many there
        # will be.
        self._references: list[Any] = []
        # Large outputs that were items of a stream.
        self._streamed = 0

    def succeeded(self, position: int, started: float, ended: float, packed: bytes) -> None:
        """Take a call that went plainly well."""
        self.journal.succeeded(position, started, ended, packed)
        self._entries.succeeded(position, started, ended, packed)
        self._size = size = self._size + len(packed) + _OVERHEAD
        if size > _LIMIT:
            self.is_full = True

    def add(self, position: int, row: Attempt, stored: Mapping[str, bytes | int]) -> None:
        """Take a call that is over, with what stands for its outputs in an entry."""
        entry = pack_entry(position, row._replace(output_bytes=self._made), stored)
        self._made = 0
        self.journal.finished(entry)
        self._entries.add(entry)
        self._size += len(entry)
        if self._size > _LIMIT:
            self.is_full = True

    def take(self, packed: bytes | Packed, *, is_dynamic: bool = False) -> bytes | int:
        """Take an output of the call that is made now; return what stands for it in the entry of
        the call.
        """
        if isinstance(packed, bytes):
            self._made += len(packed)
            return packed
        self._made += packed.nbytes
        self.is_full = True
        if is_dynamic:
            return self._put(packed)
        place = self.payloads.index(None)
        self.payloads[place] = packed
        return place

    def _put(self, packed: Packed) -> int:
        """Put a large value into the object store; return its place, as a negative number."""
        import ray

        if not self._references:
            self.payloads[-1] = self._references
        self._references.append(ray.put(packed))
        return -len(self._references)

    def take_streamed(self, packed: bytes | Packed) -> bytes | int:
        """Do the same in a batch that streams: a large output is an item of the stream."""
        if isinstance(packed, bytes):
            self._made += len(packed)
            return packed
        self._made += packed.nbytes
        self._streamed += 1
        return self._streamed - 1

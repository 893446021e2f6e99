"""Cache of outputs of ops, by digests of everything that the outputs depend on.

    <root>/cache/<first two digits>/<digest>

A file has the outputs of one step. It begins with blobs, each at a multiple of 64 bytes, so that it
can be mapped. A frame of JSON follows, with the origin, the outputs, and offset, length and CRC-32
of each blob. The file ends with the offset of that frame. An output's first blob is its pickle, the
others are its large buffers. A writer writes a file under a hidden name and moves it, so that the
file is complete or absent. Of several writers the last one wins.
"""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.errors import StoreError
from rayexec.former_names import load_stored
from rayexec.run.cached_outputs import CachedOutput, CacheEntry, CacheOrigin
from rayexec.store.file_errors import as_store_error
from rayexec.store.frames import frame, whole_frames
from rayexec.store.record import LAST_MOMENT_S, check_version

__all__ = ["MAPPED_FROM_BYTES", "CacheRecord", "StepCache"]

# Version of the files; a greater one is unreadable for older versions of rayexec.
_SCHEMA_VERSION = 1
_END = struct.Struct("<Q4s")  # offset of the frame of JSON, and _MARK
_MARK = b"RXSC"
_ALIGNMENT_BYTES = 64
# Buffers of at least so many bytes are blobs of their own, and such files are mapped.
MAPPED_FROM_BYTES = 64 * 1024
_FAILURE = "the cache"
# Names of Ray's classes in the pickles of references.
_PASSING = (b"\x8c\x09ObjectRef", b"\x8c\x0bActorHandle")


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """Entry of the cache in a list."""

    key: str
    #: Bytes.
    size: int
    #: Step with the outputs; None for an entry that cannot be read.
    origin: CacheOrigin | None
    #: Reason why the entry cannot be read.
    note: str | None = None
    #: The number of steps that reused it; None where nothing counts them.
    hits: int | None = None


class StepCache:
    """Cache of outputs by the keys of their steps; subclasses store the bytes."""

    is_shared = True

    def find(self, key: str) -> CacheEntry | None:
        """Return the entry of a key, None where there is none.

        Raises StoreError for a damaged entry, and the errors of unpickling its values.
        """
        view = self._read(key)
        if view is None:
            return None
        header = _header(view)
        outputs = []
        for name, blobs in header["outputs"]:
            main, *buffers = [_blob(view, *blob) for blob in blobs]
            outputs.append(CachedOutput(name, *load_stored(main, buffers)))
        self._count_hit(key)
        return CacheEntry(_origin(header), outputs)

    def begin(self, key: str, origin: CacheOrigin) -> _Filling:
        """Begin a new entry."""
        return _Filling(self, key, origin)

    def list(self) -> list[CacheRecord]:
        """Return all entries, the newest first and unreadable ones last."""
        records = [self._describe(key, size) for key, size in self._all()]
        return sorted(
            records,
            key=lambda record: (-record.origin.created if record.origin else 0.0, record.key),
        )

    def _describe(self, key: str, size: int) -> CacheRecord:
        try:
            with self._opened(key) as file:
                file.seek(max(0, size - _END.size))
                begins, mark = _END.unpack(file.read(_END.size))
                if mark != _MARK or begins >= size:
                    raise StoreError(f"the cache entry {key[:12]} is damaged.")
                file.seek(begins)
                header = _read_header(memoryview(file.read(size - _END.size - begins)))
                return CacheRecord(key, size, _origin(header), hits=self._hits(key))
        except (OSError, struct.error, StoreError) as error:
            return CacheRecord(key, size, None, str(error) or "it is damaged.")

    def delete(self, key: str) -> None:
        """Remove an entry, if it still exists."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Remove the files of writers that were killed more than a day ago, if there are any."""

    # Caches that count the steps that reuse an entry implement these two.

    def _count_hit(self, key: str) -> None:
        """Count a step that reuses an entry; raises nothing, since the step goes on."""

    def _hits(self, key: str) -> int | None:
        return None

    # Subclasses implement these: the bytes of an entry, the entry as a file to read, a new file,
    # its end as an entry or as none, and a list of keys and sizes.

    def _read(self, key: str) -> memoryview | None:
        raise NotImplementedError

    def _opened(self, key: str) -> Any:
        raise NotImplementedError

    def _new(self, key: str) -> Any:
        raise NotImplementedError

    def _put(self, file: Any, key: str) -> None:
        raise NotImplementedError

    def _drop(self, file: Any) -> None:
        raise NotImplementedError

    def _all(self) -> Iterator[tuple[str, int]]:
        raise NotImplementedError


class _Filling:
    """Entry in the making; it writes each output at once, so that none stays in memory."""

    def __init__(self, cache: StepCache, key: str, origin: CacheOrigin) -> None:
        self._cache = cache
        self._key = key
        self._origin = origin
        self._file: Any = None
        self._size = 0
        self._outputs: list[tuple[str, list[tuple[int, int, int]]]] = []

    def add(self, output: CachedOutput) -> None:
        """Write an output as it is now; raises StoreError, and the errors of pickling it."""
        # Plain pickle only: a class that cloudpickle sends by value comes back as another class,
        # and type checks refuse its objects.
        buffers: list[pickle.PickleBuffer] = []
        values = (output.value, output.metadata, output.handled)

        def stays(buffer: pickle.PickleBuffer) -> bool:
            # Buffers inside of the pickle stay writable, as in the value that the op made.
            is_small = buffer.raw().nbytes < MAPPED_FROM_BYTES
            if not is_small:
                buffers.append(buffer)
            return is_small

        main = pickle.dumps(values, protocol=5, buffer_callback=stays)
        if any(mark in main for mark in _PASSING):
            raise TypeError("it holds a reference of Ray's, whose object ends with the run")
        with as_store_error(_FAILURE):
            blobs = [self._write(memoryview(main)), *[self._write(each.raw()) for each in buffers]]
        self._outputs.append((output.name, blobs))

    def _write(self, view: memoryview) -> tuple[int, int, int]:
        if self._file is None:
            self._file = self._cache._new(self._key)
        gap = -self._size % _ALIGNMENT_BYTES
        if gap:
            self._file.write(bytes(gap))
        begins = self._size + gap
        self._file.write(view)
        self._size = begins + view.nbytes
        return begins, view.nbytes, zlib.crc32(view)

    def commit(self) -> None:
        """Add the entry to the cache; raises StoreError."""
        header = {
            "schema_version": _SCHEMA_VERSION,
            "origin": self._origin._asdict(),
            "outputs": self._outputs,
        }
        with as_store_error(_FAILURE):
            if self._file is None:
                self._file = self._cache._new(self._key)
            self._file.write(frame(json.dumps(header).encode()) + _END.pack(self._size, _MARK))
            self._cache._put(self._file, self._key)
        self._file = None

    def discard(self) -> None:
        """Remove the unfinished file; raises StoreError."""
        file, self._file = self._file, None
        if file is not None:
            with as_store_error(_FAILURE):
                self._cache._drop(file)


def _header(view: memoryview) -> Mapping[str, Any]:
    if len(view) < _END.size:
        raise StoreError("the cache entry is cut short.")
    begins, mark = _END.unpack_from(view, len(view) - _END.size)
    if mark != _MARK or begins > len(view):
        raise StoreError("the cache entry is damaged.")
    return _read_header(view[begins : len(view) - _END.size])


def _read_header(part: memoryview) -> Mapping[str, Any]:
    body = next(whole_frames([part]), None)
    if body is None:
        raise StoreError("the cache entry is damaged.")
    try:
        header: dict[str, Any] = json.loads(bytes(body))
        check_version(header["schema_version"], "the cache entry", _SCHEMA_VERSION)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreError("the cache entry is damaged.") from None
    return header


def _blob(view: memoryview, begins: int, size: int, check: int) -> memoryview:
    blob = view[begins : begins + size]
    if blob.nbytes != size or zlib.crc32(blob) != check:
        raise StoreError("the cache entry is damaged.")
    return blob


def _origin(header: Mapping[str, Any]) -> CacheOrigin:
    """Return the origin of an entry; raises StoreError for an odd one, which anybody may write."""
    try:
        origin = CacheOrigin(**header["origin"])
        is_valid = 0 <= origin.created < LAST_MOMENT_S and all(
            isinstance(text, str) for text in origin[:-1]
        )
    except (KeyError, TypeError):
        is_valid = False
    if not is_valid:
        raise StoreError("the cache entry is damaged: it has no valid origin.")
    return origin

"""What cached ops yielded, kept by the digests of all it depends on: one file a step.

    <root>/cache/<first two digits>/<digest>

A file is blobs, each at a multiple of 64 bytes so that it can be mapped; a frame of JSON that tells
which step it was, which outputs there are, and where their blobs are, with a CRC-32 each; and at
the end where that frame begins. Of each output the first blob is the pickle, further ones its large
buffers. A file is written under a hidden name and moved, so that it is whole or not there, and the
last of several is what is found.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import os
import pickle
import shutil
import struct
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from rayexec.errors import StoreError
from rayexec.former_names import load_stored
from rayexec.run.cached_outputs import CachedOutput, CacheEntry, CacheOrigin
from rayexec.store.file_errors import told
from rayexec.store.frames import frame, whole_frames
from rayexec.store.record import check_version

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["CacheRecord", "FilesCache", "LocalCache", "MemoryCache", "StepCache"]

# Of the files; greater where an older rayexec could not read them any more.
_VERSION = 1
_END = struct.Struct("<Q4s")  # where the frame of JSON begins, and the mark of these files
_MARK = b"RXSC"
_ALIGNED = 64
_APART = 64 * 1024  # bytes from which a buffer is a blob of its own, and a file is mapped
_PIECE = 8 * 1024 * 1024  # bytes that are copied at a time
_LEFT = 86_400.0  # seconds after which nobody is taken to be writing still
_DIGITS = frozenset("0123456789abcdef")
_WHERE = "the cache"


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """An entry as a list shows it: its key, its size in bytes, whose outputs it has; or why it
    cannot be read.
    """

    key: str
    size: int
    origin: CacheOrigin | None
    note: str | None = None


class StepCache:
    """Keeps outputs by the keys of their steps; how and where, subclasses say."""

    is_shared = True

    def find(self, key: str) -> CacheEntry | None:
        """Return the entry of a key, None where there is none.

        Raises StoreError for one that cannot be read, and whatever unpickling its values does.
        """
        view = self._read(key)
        if view is None:
            return None
        header = _header(view)
        outputs = []
        for name, blobs in header["outputs"]:
            main, *buffers = [_blob(view, *blob) for blob in blobs]
            outputs.append(CachedOutput(name, *load_stored(main, buffers)))
        return CacheEntry(_origin(header), outputs)

    def begin(self, key: str, origin: CacheOrigin) -> _Filling:
        """Return an entry that is to be filled."""
        return _Filling(self, key, origin)

    def list(self) -> list[CacheRecord]:
        """Return all entries, the newest first; those that cannot be read at the end."""
        found = [self._describe(key, size) for key, size in self._all()]
        return sorted(
            found, key=lambda each: (-each.origin.created if each.origin else 0.0, each.key)
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
                return CacheRecord(key, size, _origin(header))
        except (OSError, struct.error, StoreError) as error:
            return CacheRecord(key, size, None, str(error) or "it is damaged.")

    def delete(self, key: str) -> None:
        """Remove an entry; it is no matter if there is none any more."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Remove what writers that were killed more than a day ago have left, where they leave
        anything.
        """

    # What is asked of subclasses: the bytes of an entry, a file for a new one, what becomes of
    # that, and all there are.

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
    """An entry in the making: outputs are written as they come, so that they need not stay."""

    def __init__(self, cache: StepCache, key: str, origin: CacheOrigin) -> None:
        self._cache = cache
        self._key = key
        self._origin = origin
        self._file: Any = None
        self._size = 0
        self._outputs: list[tuple[str, list[tuple[int, int, int]]]] = []

    def add(self, output: CachedOutput) -> None:
        """Write an output as it is now; raises what pickling it raises, and StoreError."""
        # Plain pickle alone: a class that travels by value comes back as another one, which type
        # checks refuse.
        buffers: list[pickle.PickleBuffer] = []
        values = (output.value, output.metadata, output.handled)

        def stays(buffer: pickle.PickleBuffer) -> bool:
            # What comes out of the pickle itself can be written to, as what the op made.
            is_small = buffer.raw().nbytes < _APART
            if not is_small:
                buffers.append(buffer)
            return is_small

        main = pickle.dumps(values, protocol=5, buffer_callback=stays)
        with told(_WHERE):
            blobs = [self._write(memoryview(main)), *[self._write(each.raw()) for each in buffers]]
        self._outputs.append((output.name, blobs))

    def _write(self, view: memoryview) -> tuple[int, int, int]:
        if self._file is None:
            self._file = self._cache._new(self._key)
        gap = -self._size % _ALIGNED
        if gap:
            self._file.write(bytes(gap))
        begins = self._size + gap
        self._file.write(view)
        self._size = begins + view.nbytes
        return begins, view.nbytes, zlib.crc32(view)

    def commit(self) -> None:
        """Put the entry in its place; raises StoreError."""
        header = {
            "schema_version": _VERSION,
            "origin": self._origin._asdict(),
            "outputs": self._outputs,
        }
        with told(_WHERE):
            if self._file is None:
                self._file = self._cache._new(self._key)
            self._file.write(frame(json.dumps(header).encode()) + _END.pack(self._size, _MARK))
            self._cache._put(self._file, self._key)
        self._file = None

    def discard(self) -> None:
        """Remove what was written; raises StoreError."""
        file, self._file = self._file, None
        if file is not None:
            with told(_WHERE):
                self._cache._drop(file)


def _header(view: memoryview) -> Mapping[str, Any]:
    if len(view) < _END.size:
        raise StoreError("the cache entry is cut short.")
    begins, mark = _END.unpack_from(view, len(view) - _END.size)
    if mark != _MARK or begins > len(view):
        raise StoreError("the cache entry is damaged.")
    return _read_header(view[begins : len(view) - _END.size])


def _read_header(part: memoryview) -> Mapping[str, Any]:
    body = next(whole_frames([part]), None)  # type: ignore[list-item]  # a part of a log may be any bytes
    if body is None:
        raise StoreError("the cache entry is damaged.")
    header: dict[str, Any] = json.loads(bytes(body))
    check_version(header["schema_version"], "the cache entry", _VERSION)
    return header


def _blob(view: memoryview, begins: int, size: int, check: int) -> memoryview:
    blob = view[begins : begins + size]
    if blob.nbytes != size or zlib.crc32(blob) != check:
        raise StoreError("the cache entry is damaged.")
    return blob


def _origin(header: Mapping[str, Any]) -> CacheOrigin:
    return CacheOrigin(**header["origin"])


class MemoryCache(StepCache):
    """Keeps entries in this process's memory, as the bytes that files would hold."""

    is_shared = False

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}

    def delete(self, key: str) -> None:
        """Remove an entry."""
        self._entries.pop(key, None)

    def _read(self, key: str) -> memoryview | None:
        found = self._entries.get(key)
        return None if found is None else memoryview(found)

    def _opened(self, key: str) -> io.BytesIO:
        return io.BytesIO(self._entries.get(key, b""))

    def _new(self, key: str) -> io.BytesIO:
        return io.BytesIO()

    def _put(self, file: io.BytesIO, key: str) -> None:
        self._entries[key] = file.getvalue()

    def _drop(self, file: io.BytesIO) -> None:
        pass

    def _all(self) -> Iterator[tuple[str, int]]:
        for key, entry in list(self._entries.items()):
            yield key, len(entry)


class LocalCache(StepCache):
    """Keeps entries in files of this machine below ``root``, and maps large ones."""

    # Not by pyarrow, whose import takes longer than most of what is kept would.

    def __init__(self, root: str) -> None:
        self.root = root

    def _path(self, key: str) -> str:
        return f"{self.root}/{key[:2]}/{key}"

    def delete(self, key: str) -> None:
        """Remove an entry."""
        with told(_WHERE), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def _read(self, key: str) -> memoryview | None:
        with told(_WHERE):
            try:
                with open(self._path(key), "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size < _APART:
                        return memoryview(file.read())
                    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
            except FileNotFoundError:
                return None

    def _opened(self, key: str) -> BinaryIO:
        return open(self._path(key), "rb")

    def _new(self, key: str) -> BinaryIO:
        directory = f"{self.root}/{key[:2]}"
        path = f"{directory}/.{uuid.uuid4().hex}"
        try:
            return open(path, "xb")
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            return open(path, "xb")

    def _put(self, file: BinaryIO, key: str) -> None:
        file.close()
        os.replace(file.name, self._path(key))

    def _drop(self, file: BinaryIO) -> None:
        with contextlib.suppress(
            OSError
        ):  # what a full disk did not take is of no account any more
            file.close()
        os.unlink(file.name)

    def sweep(self) -> None:
        """Remove what writers that were killed more than a day ago have left."""
        before = time.time() - _LEFT
        for each in self._files():
            with told(_WHERE), contextlib.suppress(FileNotFoundError):
                if each.name.startswith(".") and each.stat().st_mtime < before:
                    os.unlink(each.path)

    def _all(self) -> Iterator[tuple[str, int]]:
        for each in self._files():
            if _DIGITS.issuperset(each.name):
                with contextlib.suppress(FileNotFoundError):  # just removed
                    yield each.name, each.stat().st_size

    def _files(self) -> Iterator[os.DirEntry[str]]:
        with told(_WHERE), contextlib.suppress(FileNotFoundError):
            for directory in os.scandir(self.root):
                if directory.is_dir():
                    yield from os.scandir(directory.path)


class FilesCache(StepCache):
    """Keeps entries below ``root`` of a file system of ``pyarrow.fs``.

    ``moves`` tells whether files can be moved at once there; where they cannot, closing one makes
    it whole.
    """

    def __init__(self, filesystem: FileSystem, root: str, *, moves: bool) -> None:
        self._filesystem = filesystem
        self.root = root
        self._moves = moves

    @property
    def is_shared(self) -> bool:  # type: ignore[override]  # it depends on the file system
        """Whether the file system can be reached from other processes."""
        try:
            pickle.dumps(self._filesystem)
        except Exception:  # one of the user's own may raise anything
            return False
        return True

    def _path(self, key: str) -> str:
        return f"{self.root}/{key[:2]}/{key}"

    def delete(self, key: str) -> None:
        """Remove an entry."""
        with told(_WHERE), contextlib.suppress(FileNotFoundError):
            self._filesystem.delete_file(self._path(key))

    def _read(self, key: str) -> memoryview | None:
        with told(_WHERE):
            try:
                with self._opened(key) as file:
                    return memoryview(file.read_buffer())
            except FileNotFoundError:
                return None

    def _opened(self, key: str) -> Any:
        return self._filesystem.open_input_file(self._path(key))

    def _new(self, key: str) -> Any:
        return tempfile.SpooledTemporaryFile(_PIECE)  # it is closed where it is put or dropped

    def _put(self, file: Any, key: str) -> None:
        directory, path = f"{self.root}/{key[:2]}", self._path(key)
        self._filesystem.create_dir(directory, recursive=True)
        written = f"{directory}/.{uuid.uuid4().hex}" if self._moves else path
        with file, self._filesystem.open_output_stream(written) as stream:
            file.seek(0)
            shutil.copyfileobj(file, stream, _PIECE)
        if self._moves:
            self._filesystem.move(written, path)

    def _drop(self, file: Any) -> None:
        file.close()

    def _all(self) -> Iterator[tuple[str, int]]:
        from pyarrow import fs

        with told(_WHERE):
            found = self._filesystem.get_file_info(
                fs.FileSelector(self.root, allow_not_found=True, recursive=True)
            )
        for each in found:
            if each.type == fs.FileType.File and _DIGITS.issuperset(each.base_name):
                yield each.base_name, each.size

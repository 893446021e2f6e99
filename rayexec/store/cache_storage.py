"""Storage of cached outputs: in memory, in local files, and in any file system of pyarrow.fs."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import pickle
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from rayexec.config.file_owners import trusted_owners
from rayexec.run.file_modes import make_directories, new_file
from rayexec.store.cache import MAPPED_FROM_BYTES, StepCache
from rayexec.store.file_errors import as_store_error

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["FilesCache", "LocalCache", "MemoryCache"]

_COPIED_BYTES = 8 * 1024 * 1024  # at a time
_ABANDONED_AFTER_S = 86_400.0  # since the last write; no writer takes that long
_LEVELS = 3  # directories above an entry: of its first digits, the cache, and the store's
_DIGITS = frozenset("0123456789abcdef")
_FAILURE = "the cache"
_COUNT_ENDING = ".hits"
# A link under that name may be a stranger's, and leads anywhere.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class MemoryCache(StepCache):
    """Cache in the memory of this process, with the bytes of a file for each entry."""

    is_shared = False

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self._counts: Counter[str] = Counter()

    def delete(self, key: str) -> None:
        """Remove an entry."""
        self._entries.pop(key, None)
        self._counts.pop(key, None)

    def _count_hit(self, key: str) -> None:
        self._counts[key] += 1

    def _hits(self, key: str) -> int:
        return self._counts[key]

    def _read(self, key: str) -> memoryview | None:
        entry = self._entries.get(key)
        return None if entry is None else memoryview(entry)

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
    """Cache in files of this machine below ``root``; large entries are mapped.

    A file beside an entry has a byte for each step that reused it. Several processes may add to it
    at once, and nothing of it is read but its size.
    """

    # Without pyarrow: its import takes longer than most ops that are cached.

    def __init__(self, root: str) -> None:
        self.root = root
        self._owners = trusted_owners()  # here, since a worker may have no list of them

    def _path(self, key: str) -> str:
        return f"{self.root}/{key[:2]}/{key}"

    def delete(self, key: str) -> None:
        """Remove an entry."""
        for path in (self._path(key), self._count_path(key)):
            with as_store_error(_FAILURE), contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _count_path(self, key: str) -> str:
        return f"{self._path(key)}{_COUNT_ENDING}"

    def _count_hit(self, key: str) -> None:
        # The step has its outputs, whether or not this user may write here.
        with contextlib.suppress(OSError):
            file = os.open(self._count_path(key), _APPEND, 0o600)
            try:
                os.write(file, b".")
            finally:
                os.close(file)

    def _hits(self, key: str) -> int:
        try:
            return os.stat(self._count_path(key), follow_symlinks=False).st_size
        except OSError:
            return 0

    def _read(self, key: str) -> memoryview | None:
        with as_store_error(_FAILURE):
            try:
                with self._opened(key) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size < MAPPED_FROM_BYTES:
                        return memoryview(file.read())
                    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
            except FileNotFoundError:
                return None

    def _opened(self, key: str) -> BinaryIO:
        return self._owners.open(self._path(key), _LEVELS)

    def _new(self, key: str) -> BinaryIO:
        directory = f"{self.root}/{key[:2]}"
        path = f"{directory}/.{uuid.uuid4().hex}"
        try:
            return _named(path)
        except FileNotFoundError:
            make_directories(directory, os.path.dirname(self.root))
            return _named(path)

    def _put(self, file: BinaryIO, key: str) -> None:
        file.close()
        os.replace(file.name, self._path(key))

    def _drop(self, file: BinaryIO) -> None:
        with contextlib.suppress(OSError):  # A full disk may fail the close; the file goes anyway.
            file.close()
        os.unlink(file.name)

    def sweep(self) -> None:
        """Remove the files of writers that were killed more than a day ago."""
        before = time.time() - _ABANDONED_AFTER_S
        for file in self._files():
            with as_store_error(_FAILURE), contextlib.suppress(FileNotFoundError):
                if file.name.startswith(".") and file.stat().st_mtime < before:
                    os.unlink(file.path)

    def _all(self) -> Iterator[tuple[str, int]]:
        for file in self._files():
            if _DIGITS.issuperset(file.name):
                with contextlib.suppress(FileNotFoundError):  # Somebody has just removed it.
                    yield file.name, file.stat().st_size

    def _files(self) -> Iterator[os.DirEntry[str]]:
        with as_store_error(_FAILURE), contextlib.suppress(FileNotFoundError):
            for directory in os.scandir(self.root):
                if directory.is_dir():
                    yield from os.scandir(directory.path)


def _named(path: str) -> BinaryIO:
    """Return a new file that has its path for a name."""
    return open(path, "xb", opener=lambda name, flags: new_file(name))


class FilesCache(StepCache):
    """Cache below ``root`` of a file system of ``pyarrow.fs``.

    ``moves`` is for file systems with atomic moves. In others a file appears as it is closed.
    """

    def __init__(self, filesystem: FileSystem, root: str, *, moves: bool) -> None:
        self._filesystem = filesystem
        self.root = root
        self._moves = moves

    @property
    def is_shared(self) -> bool:  # type: ignore[override]  # depends on the file system
        """Whether other processes can use the file system: whether it pickles."""
        try:
            pickle.dumps(self._filesystem)
        except Exception:  # A file system of the user's may raise anything.
            return False
        return True

    def _path(self, key: str) -> str:
        return f"{self.root}/{key[:2]}/{key}"

    def delete(self, key: str) -> None:
        """Remove an entry."""
        with as_store_error(_FAILURE), contextlib.suppress(FileNotFoundError):
            self._filesystem.delete_file(self._path(key))

    def _read(self, key: str) -> memoryview | None:
        with as_store_error(_FAILURE):
            try:
                with self._opened(key) as file:
                    return memoryview(file.read_buffer())
            except FileNotFoundError:
                return None

    def _opened(self, key: str) -> Any:
        return self._filesystem.open_input_file(self._path(key))

    def _new(self, key: str) -> Any:
        return tempfile.SpooledTemporaryFile(_COPIED_BYTES)  # ``_put`` or ``_drop`` closes it.

    def _put(self, file: Any, key: str) -> None:
        directory, path = f"{self.root}/{key[:2]}", self._path(key)
        self._filesystem.create_dir(directory, recursive=True)
        temporary = f"{directory}/.{uuid.uuid4().hex}" if self._moves else path
        with file, self._filesystem.open_output_stream(temporary) as stream:
            file.seek(0)
            shutil.copyfileobj(file, stream, _COPIED_BYTES)
        if self._moves:
            self._filesystem.move(temporary, path)

    def _drop(self, file: Any) -> None:
        file.close()

    def _all(self) -> Iterator[tuple[str, int]]:
        from pyarrow import fs

        with as_store_error(_FAILURE):
            files = self._filesystem.get_file_info(
                fs.FileSelector(self.root, allow_not_found=True, recursive=True)
            )
        for file in files:
            if file.type == fs.FileType.File and _DIGITS.issuperset(file.base_name):
                yield file.base_name, file.size

"""Files of a run store: on this machine, or in any file system of ``pyarrow.fs``.

Paths have slashes. Methods raise OSError, and FileNotFoundError for a missing file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rayexec.config.file_owners import trusted_owners
from rayexec.errors import StoreError
from rayexec.run.file_modes import make_directories, new_file

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["ArrowFiles", "Files", "LocalFiles", "SizedFile", "read_regular"]


_LEVELS = 3  # directories above a record: that of the run, of all runs, and the store's


class SizedFile(NamedTuple):
    """A file of a directory, by its name, and its bytes."""

    name: str
    size: int


class Files(Protocol):
    """Files below the root of a store."""

    #: Whether files grow; in an object store a file appears whole, and never changes.
    appends: bool

    def exists(self, path: str) -> bool:
        """Whether there is a file, or anything else, in a directory that is no link."""

    def read(self, path: str, start: int = 0, length: int = -1) -> bytes:
        """Return the content of a regular file, from byte ``start``; -1 reads to its end."""

    def is_of_this_user(self, path: str) -> bool:
        """Whether certainly no other user has written the record of a run."""

    def replace(self, directory: str, name: str, data: bytes) -> None:
        """Replace a file, completely or not at all."""

    def touch(self, directory: str, name: str) -> None:
        """Have a file be new, and make it where it lacks."""

    def modified(self, path: str) -> float | None:
        """Return the moment of a file's last change, in seconds since 1970; None without one."""

    def reserve(self, path: str, size: int) -> None:
        """Make a file that takes so many bytes; an object store needs none."""

    def replace_within(self, directory: str, name: str, data: bytes, reserved: str) -> None:
        """Replace a file by a reserved one, which needs no more room than that one has."""

    def create(self, directory: str, name: str, rest: str, data: bytes) -> bool:
        """Make the only file of a directory whose name begins with ``name``; ``rest`` may follow.

        Return False if there is another one, also if both were made at once.
        """

    def append(self, path: str) -> Any:
        """Return a stream that makes a file and writes to it; readers see each write at once."""

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, unless it exists."""

    def directories(self, path: str) -> list[str]:
        """Return the names of the directories in a directory, without links; none if it lacks."""

    def files(self, path: str) -> list[SizedFile]:
        """Return the files of a directory, by their names; none if it lacks."""

    def delete_file(self, path: str) -> None:
        """Remove a file, if it exists."""

    def delete_directory(self, path: str) -> None:
        """Remove a directory with all that is in it."""


class LocalFiles:
    """Files of this machine below ``root``; new ones have the modes of ``run.file_modes``."""

    appends = True

    def __init__(self, root: str) -> None:
        self.root = root

    def exists(self, path: str) -> bool:
        """Whether there is a file, or anything else, in a directory that is no link."""
        return not os.path.islink(os.path.dirname(path)) and os.path.lexists(path)

    def read(self, path: str, start: int = 0, length: int = -1) -> bytes:
        """Return the content of a regular file, from byte ``start``; -1 reads to its end."""
        return read_regular(path, start, length)

    def is_of_this_user(self, path: str) -> bool:
        """Whether certainly no other user has written the record of a run.

        This user owns the file, and no others than trusted ones may change it, or put another file
        in its place.
        """
        try:
            with trusted_owners().open(path, _LEVELS) as file:
                return os.fstat(file.fileno()).st_uid == os.geteuid()
        except (OSError, StoreError):
            return False

    def replace(self, directory: str, name: str, data: bytes) -> None:
        """Replace a file, completely or not at all."""
        temporary = f"{directory}/.{uuid.uuid4().hex}.json"
        try:
            with os.fdopen(new_file(temporary), "wb") as stream:
                stream.write(data)
            os.replace(temporary, f"{directory}/{name}")
        except BaseException:
            with contextlib.suppress(OSError):  # There may be no temporary file yet.
                os.unlink(temporary)
            raise

    def touch(self, directory: str, name: str) -> None:
        """Have a file be new, and make it where it lacks."""
        try:
            os.utime(f"{directory}/{name}", follow_symlinks=False)
        except FileNotFoundError:
            self.replace(directory, name, b"")

    def modified(self, path: str) -> float | None:
        """Return the moment of a regular file's last change; None without one."""
        try:
            status = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_mtime if stat.S_ISREG(status.st_mode) else None

    def reserve(self, path: str, size: int) -> None:
        """Make a file that takes so many bytes."""
        # Random bytes, since a file system that compresses would give zeros no room.
        with os.fdopen(new_file(path), "wb", buffering=0) as stream:
            _write_all(stream.fileno(), os.urandom(size))

    def replace_within(self, directory: str, name: str, data: bytes, reserved: str) -> None:
        """Replace a file by a reserved one, which needs no more room than that one has."""
        file = os.open(reserved, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _write_all(file, data)
            os.ftruncate(file, len(data))
        finally:
            os.close(file)
        os.replace(reserved, f"{directory}/{name}")

    def create(self, directory: str, name: str, rest: str, data: bytes) -> bool:
        """Make the only file of a directory of that name; ``rest`` is its suffix."""
        temporary = f"{directory}/.{uuid.uuid4().hex}"
        with os.fdopen(new_file(temporary), "wb") as stream:
            stream.write(data)
        try:  # Nobody sees it before it is whole.
            os.link(temporary, f"{directory}/{name}{os.path.splitext(rest)[1]}")
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        return True

    def append(self, path: str) -> Any:
        """Return a stream that makes a file and writes to it, without a buffer."""
        return _Appending(new_file(path, os.O_APPEND))

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, unless it exists."""
        make_directories(path, self.root)

    def directories(self, path: str) -> list[str]:
        """Return the names of the directories in a directory, without links; none if it lacks."""
        with _entries(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def files(self, path: str) -> list[SizedFile]:
        """Return the regular files of a directory, by their names; none if it lacks."""
        with _entries(path) as entries:
            listed = []
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # It has just been removed.
                    if entry.is_file(follow_symlinks=False):
                        listed.append(SizedFile(entry.name, entry.stat().st_size))
        return sorted(listed)

    def delete_file(self, path: str) -> None:
        """Remove a file, if it exists; a directory under that name stays."""
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(path)

    def delete_directory(self, path: str) -> None:
        """Remove a directory with all that is in it; links in it go, and not their targets."""
        shutil.rmtree(path)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


class _Appending:
    """Descriptor that closes with its owner, as a file of pyarrow does."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: memoryview) -> int:
        """Write a part of ``data``, and return its bytes."""
        return os.write(self._descriptor, data)

    def truncate(self, size: int) -> None:
        """Cut the file to its first bytes."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()


def read_regular(path: str, start: int = 0, length: int = -1) -> bytes:
    """Return up to ``length`` bytes of a regular file of this machine, from byte ``start``.

    Raises OSError for anything else under that name: a pipe would block for ever, and a link may
    lead anywhere.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(f"{path} is no regular file")
        stream.seek(start)
        return stream.read(length)


@contextlib.contextmanager
def _entries(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    try:
        scan = os.scandir(path)
    except FileNotFoundError:
        yield iter(())
        return
    with scan:
        yield scan


class ArrowFiles:
    """Files in a file system of ``pyarrow.fs``; a file appears as its writer closes it."""

    appends = False

    def __init__(self, filesystem: FileSystem) -> None:
        self.filesystem = filesystem

    def exists(self, path: str) -> bool:
        """Whether there is a file, or anything else."""
        from pyarrow import fs

        return bool(self.filesystem.get_file_info(path).type != fs.FileType.NotFound)

    def read(self, path: str, start: int = 0, length: int = -1) -> bytes:
        """Return the content of a file, from byte ``start``; -1 reads to its end."""
        with self.filesystem.open_input_file(path) as stream:
            stream.seek(start)
            data: bytes = stream.read(None if length < 0 else length)
        return data

    def is_of_this_user(self, path: str) -> bool:
        """Return False: such a store does not tell who wrote a file."""
        return False

    def replace(self, directory: str, name: str, data: bytes) -> None:
        """Replace a file, completely or not at all."""
        with self.filesystem.open_output_stream(f"{directory}/{name}") as stream:
            stream.write(data)

    def touch(self, directory: str, name: str) -> None:
        """Have a file be new."""
        self.replace(directory, name, b"")

    def modified(self, path: str) -> float | None:
        """Return the moment of a file's last change; None without one."""
        from pyarrow import fs

        info = self.filesystem.get_file_info(path)
        moment = info.mtime_ns if info.type == fs.FileType.File else None
        return None if moment is None else moment / 1e9

    def reserve(self, path: str, size: int) -> None:
        """Do nothing: an object store does not fill up."""

    def replace_within(self, directory: str, name: str, data: bytes, reserved: str) -> None:
        """Replace a file, completely or not at all."""
        self.replace(directory, name, data)

    def create(self, directory: str, name: str, rest: str, data: bytes) -> bool:
        """Make the only file of a directory whose name begins with ``name``; ``rest`` follows.

        An object store refuses no second object of a name. So each writer takes a name of its own,
        and looks for others: of two at once neither gets it.
        """
        self.replace(directory, f"{name}{rest}", data)
        if len([file for file in self.files(directory) if file.name.startswith(name)]) == 1:
            return True
        self.delete_file(f"{directory}/{name}{rest}")
        return False

    def append(self, path: str) -> Any:
        """Return a stream that makes a file."""
        return self.filesystem.open_output_stream(path)

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, unless it exists."""
        self.filesystem.create_dir(path, recursive=True)

    def directories(self, path: str) -> list[str]:
        """Return the names of the directories in a directory; none if it lacks."""
        from pyarrow import fs

        return [info.base_name for info in self._listed(path) if info.type == fs.FileType.Directory]

    def files(self, path: str) -> list[SizedFile]:
        """Return the files of a directory, by their names; none if it lacks."""
        from pyarrow import fs

        return sorted(
            SizedFile(info.base_name, info.size)
            for info in self._listed(path)
            if info.type == fs.FileType.File
        )

    def _listed(self, path: str) -> list[Any]:
        from pyarrow import fs

        listed: list[Any] = self.filesystem.get_file_info(
            fs.FileSelector(path, allow_not_found=True)
        )
        return listed

    def delete_file(self, path: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(path)

    def delete_directory(self, path: str) -> None:
        """Remove a directory with all that is in it."""
        self.filesystem.delete_dir(path)

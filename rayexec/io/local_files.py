"""Files of ops on this machine, under names of their own; ops pass handles of them on."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO, Any

from rayexec.definitions.contexts import InitResourceContext
from rayexec.definitions.resource import resource
from rayexec.definitions.schemas.config_types import Field, Noneable
from rayexec.errors import InvariantError
from rayexec.io.filesystem import storage_of
from rayexec.run.file_modes import make_directories, new_file

__all__ = ["FileHandle", "LocalFileHandle", "LocalFiles", "local_file_manager"]


class FileHandle(ABC):
    """A file in the place of its content, for ops to pass on."""

    @property
    @abstractmethod
    def path_desc(self) -> str:
        """The path, to show it."""


class LocalFileHandle(FileHandle):
    """A file of this machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def path(self) -> str:
        """The path."""
        return self._path

    @property
    def path_desc(self) -> str:
        """The path."""
        return self._path


class LocalFiles:
    """Has files in ``base_dir`` on this machine, for this user alone; their names are random."""

    def __init__(self, base_dir: str) -> None:
        self.base_dir = base_dir
        self._temporary: list[str] = []

    def copy_handle_to_local_temp(self, file_handle: FileHandle) -> str:
        """Copy the file to a temporary file of this machine and return its path."""
        with self.read(file_handle) as source:
            descriptor, path = tempfile.mkstemp()
            self._temporary.append(path)
            with os.fdopen(descriptor, "wb") as copy:
                shutil.copyfileobj(source, copy)
        return path

    def delete_local_temp(self) -> None:
        """Delete the temporary files."""
        while self._temporary:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary.pop())

    @contextlib.contextmanager
    def read(self, file_handle: FileHandle, mode: str = "rb") -> Iterator[Any]:
        """Open the file for the ``with`` block; InvariantError for another mode or handle."""
        if mode not in ("r", "rb"):
            raise InvariantError(f"a file is read with mode 'r' or 'rb', got {mode!r}.")
        if not isinstance(file_handle, LocalFileHandle):
            raise InvariantError(
                f"a LocalFiles reads LocalFileHandles, got {type(file_handle).__name__}."
            )
        with open(file_handle.path, mode, encoding=None if mode == "rb" else "utf-8") as file:
            yield file

    def read_data(self, file_handle: FileHandle) -> bytes:
        """Return the content of the file."""
        with self.read(file_handle) as file:
            content: bytes = file.read()
        return content

    def write(self, file_obj: IO[Any], mode: str = "wb", ext: str | None = None) -> LocalFileHandle:
        """Write the content of a file object to a new file; ``ext`` ends its name."""
        base = os.path.abspath(os.path.expanduser(self.base_dir))
        make_directories(base, base)
        path = os.path.join(base, str(uuid.uuid4()) + ("" if ext is None else f".{ext}"))
        with os.fdopen(new_file(path), mode, encoding=None if "b" in mode else "utf-8") as file:
            shutil.copyfileobj(file_obj, file)
        return LocalFileHandle(path)

    def write_data(self, data: bytes, ext: str | None = None) -> LocalFileHandle:
        """Write bytes to a new file and return its handle; InvariantError for anything else."""
        if not isinstance(data, bytes):
            raise InvariantError(f"write_data takes bytes, got {type(data).__name__}.")
        return self.write(io.BytesIO(data), "wb", ext)


@resource(config_schema={"base_dir": Field(Noneable(str), is_required=False)})
def local_file_manager(context: InitResourceContext) -> Iterator[LocalFiles]:
    """Files of ops on this machine; without ``base_dir``, below the home of the run's driver.

    Temporary copies are deleted at the end.
    """
    config = context.resource_config or {}
    manager = LocalFiles(config.get("base_dir") or f"{storage_of(context)}/file_manager")
    try:
        yield manager
    finally:
        manager.delete_local_temp()

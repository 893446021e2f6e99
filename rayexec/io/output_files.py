"""Files of outputs: their paths, and writing one whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from rayexec.config.file_owners import trusted_owners
from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.run.file_modes import make_directories, new_file

__all__ = ["OutputFile", "file_at", "file_of", "upstream_of"]

# On these file systems a file appears only once it is complete, and a move is a copy.
_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
_LOCAL = "local"  # likewise a name of pyarrow
# File systems take names of 255 bytes; suffixes and temporary names need some of them.
_MOST_NAME_BYTES = 200
_COPIED_BYTES = 8 * 1024 * 1024  # at a time


class OutputFile:
    """File of an output: a file system of ``pyarrow.fs``, and the path there.

    ``levels`` are the directories above it, up to the ``base_dir`` of its manager.
    """

    __slots__ = ("_levels", "filesystem", "path")

    def __init__(self, filesystem: Any, path: str, levels: int) -> None:
        self.filesystem = filesystem
        self.path = path
        self._levels = levels

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return int(self.filesystem.get_file_info(self.path).size)

    def open_trusted(self) -> Any:
        """Open the file for reading, to unpickle its content.

        Raises StrangerError where another user of this machine could have written it. The files of
        any other place do not show who writes there.
        """
        if self.filesystem.type_name == _LOCAL:
            return trusted_owners().open(self.path, self._levels)
        return self.filesystem.open_input_file(self.path)

    def write(self, fill: Callable[[Any], None]) -> None:
        """Write the file with ``fill``, which gets a stream.

        The file appears once it is complete. Nobody ever sees half of it, neither if ``fill``
        raises nor if the process is killed. On this machine it has a mode of ``run.file_modes``.
        """
        filesystem = self.filesystem
        if filesystem.type_name in _OBJECT_STORES:
            # Closing the stream makes the file, so nothing may fail once it is open.
            with tempfile.TemporaryFile() as local:
                fill(local)
                local.seek(0)
                with filesystem.open_output_stream(self.path) as stream:
                    shutil.copyfileobj(local, stream, _COPIED_BYTES)
            return
        directory, _, name = self.path.rpartition("/")
        temporary = f"{directory}/.{uuid.uuid4().hex}.{name[:_MOST_NAME_BYTES]}"
        if filesystem.type_name == _LOCAL:
            self._write_here(fill, directory, temporary)
            return
        filesystem.create_dir(directory, recursive=True)
        try:
            with filesystem.open_output_stream(temporary) as stream:
                fill(stream)
            filesystem.move(temporary, self.path)
        except BaseException:
            # The first error counts, also where there is no temporary file to delete.
            with contextlib.suppress(OSError):
                filesystem.delete_file(temporary)
            raise

    def _write_here(self, fill: Callable[[Any], None], directory: str, temporary: str) -> None:
        base = "/".join(self.path.split("/")[: -self._levels])
        make_directories(directory, base)
        try:
            with os.fdopen(new_file(temporary), "wb") as stream:
                fill(stream)
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def file_of(base_dir: str, context: OutputContext, suffix: str = "") -> OutputFile:
    """Return the file of an output below ``base_dir``, a path or a URI of ``pyarrow.fs``.

    Its path is ``<run id>/<step key>/<output>``, with ``/<mapping key>`` for a dynamic output.
    Letters, digits and ``_.-`` stay; all other characters are percent-encoded. So different outputs
    have different files on every file system.
    """
    return file_at(base_dir, [_name(part) for part in context.get_identifier()], suffix)


def file_at(base_dir: str, parts: Sequence[str], suffix: str = "") -> OutputFile:
    """Return the file below ``base_dir`` with these names of directories, and its own at last."""
    from pyarrow import fs

    if "://" in base_dir:
        filesystem, base = fs.FileSystem.from_uri(base_dir)
    else:
        filesystem, base = fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(base_dir))
    path = "/".join((base.replace(os.sep, "/").rstrip("/"), *parts)) + suffix
    return OutputFile(filesystem, path, len(parts))


def _name(part: str) -> str:
    """Return a file name for ``part``: one of its own, without characters of special meaning."""
    safe = quote(part, safe="").replace("~", "%7E")
    if not safe.strip("."):
        safe = safe.replace(".", "%2E")
    if len(safe) > _MOST_NAME_BYTES:  # No other name has a tilde.
        digest = hashlib.sha256(part.encode()).hexdigest()[:32]
        safe = f"{safe[: _MOST_NAME_BYTES - 33]}~{digest}"
    return safe


def upstream_of(context: InputContext) -> OutputContext:
    """Return the output behind an input; raises ValueError for an input without one."""
    if context.upstream_output is None:
        raise ValueError("nothing is connected to it, so there is no file to load")
    return context.upstream_output

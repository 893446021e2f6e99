"""Files of outputs: their paths, and writing one whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from rayexec.definitions.io_contexts import InputContext, OutputContext

__all__ = ["OutputFile", "file_of", "upstream_of"]

# On these file systems a file appears only once it is complete, and a move is a copy.
_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})
# File systems take names of 255 bytes; suffixes and temporary names need some of them.
_MOST_NAME_BYTES = 200
_COPIED_BYTES = 8 * 1024 * 1024  # at a time


class OutputFile:
    """File of an output: a file system of ``pyarrow.fs``, and the path there."""

    __slots__ = ("filesystem", "path")

    def __init__(self, filesystem: Any, path: str) -> None:
        self.filesystem = filesystem
        self.path = path

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return int(self.filesystem.get_file_info(self.path).size)

    def write(self, fill: Callable[[Any], None]) -> None:
        """Write the file with ``fill``, which gets a stream.

        The file appears once it is complete. Nobody ever sees half of it, neither if ``fill``
        raises nor if the process is killed.
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
        filesystem.create_dir(directory, recursive=True)
        temporary = f"{directory}/.{uuid.uuid4().hex}.{name[:_MOST_NAME_BYTES]}"
        try:
            with filesystem.open_output_stream(temporary) as stream:
                fill(stream)
            filesystem.move(temporary, self.path)
        except BaseException:
            # The first error counts, also where there is no temporary file to delete.
            with contextlib.suppress(OSError):
                filesystem.delete_file(temporary)
            raise


def file_of(base_dir: str, context: OutputContext, suffix: str = "") -> OutputFile:
    """Return the file of an output below ``base_dir``, a path or a URI of ``pyarrow.fs``.

    Its path is ``<run id>/<step key>/<output>``, with ``/<mapping key>`` for a dynamic output.
    Letters, digits and ``_.-`` stay; all other characters are percent-encoded. So different outputs
    have different files on every file system.
    """
    from pyarrow import fs

    if "://" in base_dir:
        filesystem, base = fs.FileSystem.from_uri(base_dir)
    else:
        filesystem, base = fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(base_dir))
    parts = map(_name, context.get_identifier())
    return OutputFile(
        filesystem, "/".join((base.replace(os.sep, "/").rstrip("/"), *parts)) + suffix
    )


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

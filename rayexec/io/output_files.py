"""Where a file of an output lies, and how it gets there whole."""

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

__all__ = ["Place", "place_of", "upstream_of"]

# File systems on which a file appears only once all of it is written, and where moving is copying.
_WHOLE = frozenset({"s3", "gcs", "abfs"})
_LONGEST = (
    200  # bytes of a name; file systems take 255, of which some go to a suffix or a temporary name
)
_PIECE = 8 * 1024 * 1024  # bytes that are copied at a time


class Place:
    """A file: its file system, of ``pyarrow.fs``, and its path there."""

    __slots__ = ("filesystem", "path")

    def __init__(self, filesystem: Any, path: str) -> None:
        self.filesystem = filesystem
        self.path = path

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return int(self.filesystem.get_file_info(self.path).size)

    def write(self, fill: Callable[[Any], None]) -> None:
        """Let ``fill`` write into a stream, and put what it wrote in the file's place once that is
        complete.

        Nobody ever sees half a file there, whether ``fill`` raises or the process is killed.
        """
        filesystem = self.filesystem
        if filesystem.type_name in _WHOLE:
            # Closing a stream is what makes its file, so nothing may fail any more once it is open.
            with tempfile.TemporaryFile() as local:
                fill(local)
                local.seek(0)
                with filesystem.open_output_stream(self.path) as stream:
                    shutil.copyfileobj(local, stream, _PIECE)
            return
        directory, _, name = self.path.rpartition("/")
        filesystem.create_dir(directory, recursive=True)
        written = f"{directory}/.{uuid.uuid4().hex}.{name[:_LONGEST]}"
        try:
            with filesystem.open_output_stream(written) as stream:
                fill(stream)
            filesystem.move(written, self.path)
        except BaseException:
            with contextlib.suppress(
                OSError
            ):  # it was not even begun; why it failed is what counts
                filesystem.delete_file(written)
            raise


def place_of(base_dir: str, context: OutputContext, suffix: str = "") -> Place:
    """Return the place of an output below ``base_dir``, a path or a URI that ``pyarrow.fs`` knows.

    That is ``<run id>/<step key>/<output>``, for a dynamic output with ``/<mapping key>``. What is
    not a letter, a digit or one of ``_.-`` is percent-encoded, so that different outputs have
    different files everywhere.
    """
    from pyarrow import fs

    if "://" in base_dir:
        filesystem, base = fs.FileSystem.from_uri(base_dir)
    else:
        filesystem, base = fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(base_dir))
    parts = map(_name, context.get_identifier())
    return Place(filesystem, "/".join((base.replace(os.sep, "/").rstrip("/"), *parts)) + suffix)


def _name(part: str) -> str:
    """Return ``part`` as the name of a file: another for each, without what file systems or shells
    read into it.
    """
    safe = quote(part, safe="").replace("~", "%7E")
    if not safe.strip("."):
        safe = safe.replace(".", "%2E")
    if len(safe) > _LONGEST:  # a tilde stands in no other name
        digest = hashlib.sha256(part.encode()).hexdigest()[:32]
        safe = f"{safe[: _LONGEST - 33]}~{digest}"
    return safe


def upstream_of(context: InputContext) -> OutputContext:
    """Return the output that an input comes from; raises ValueError where there is none."""
    if context.upstream_output is None:
        raise ValueError("nothing is connected to it, so there is no file to load")
    return context.upstream_output

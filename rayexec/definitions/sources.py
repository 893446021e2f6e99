"""Sources of a job's local code, for nodes without them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["SourceFile", "SourceRoot", "Sources", "content_digest"]


class SourceFile(NamedTuple):
    """A file of the sources."""

    #: Bytes.
    size: int
    #: Time of the last change, in nanoseconds since 1970.
    changed: int
    digest: bytes


class SourceRoot(NamedTuple):
    """A directory on Python's path, and its files that travel."""

    path: str
    #: Whether all Python files travel, and not just single modules and packages.
    is_whole: bool
    #: By path from the directory.
    files: Mapping[str, SourceFile]
    #: Paths that stay behind: ignored files, and data and compiled parts of packages.
    left: tuple[str, ...] = ()


class Sources(NamedTuple):
    """Directories of local code with the contents of their files."""

    roots: tuple[SourceRoot, ...]
    #: The contents of all files in order, compressed by zlib.
    contents: bytes
    #: Ids of nodes with the same files.
    near: frozenset[str]
    digest: str

    def files(self) -> Iterator[tuple[int, str, SourceFile]]:
        """Yield index of the root, path and file, in the order of the contents."""
        for root_index, root in enumerate(self.roots):
            for path, file in root.files.items():
                yield root_index, path, file


def content_digest(content: bytes) -> bytes:
    """Return the digest of a file's content."""
    return hashlib.sha256(content).digest()

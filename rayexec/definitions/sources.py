"""The sources of a job's local code, as they travel to nodes that lack them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["SourceFile", "SourceRoot", "Sources", "content_digest"]


class SourceFile(NamedTuple):
    """One file: bytes, when it was changed (nanoseconds since 1970), and the digest of its content."""

    size: int
    changed: int
    digest: bytes


class SourceRoot(NamedTuple):
    """A directory from which modules are imported, and what of it travels, by paths from there.

    ``is_whole`` is for one of which all Python files travel; of any other it is single modules and
    packages. ``left`` are paths of what does not though it is there: what is ignored, and data and
    compiled parts of packages.
    """

    path: str
    is_whole: bool
    files: Mapping[str, SourceFile]
    left: tuple[str, ...] = ()


class Sources(NamedTuple):
    """Directories of local code, and the contents of all their files one after another, compressed
    by zlib.

    ``near`` are the ids of the nodes that are known to have the same files.
    """

    roots: tuple[SourceRoot, ...]
    contents: bytes
    near: frozenset[str]
    digest: str

    def files(self) -> Iterator[tuple[int, str, SourceFile]]:
        """Yield the place of the root, the path and the facts of each file, in the order of the
        contents.
        """
        for place, root in enumerate(self.roots):
            for path, file in root.files.items():
                yield place, path, file


def content_digest(content: bytes) -> bytes:
    """Return what tells the contents of files apart."""
    return hashlib.sha256(content).digest()

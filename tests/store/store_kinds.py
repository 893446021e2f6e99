"""Every kind of run store."""

from __future__ import annotations

from pathlib import Path

from pyarrow import fs

from rayexec.store import DirectoryRunStore, MemoryRunStore, RunStore

__all__ = ["KINDS", "make_store"]

KINDS = ("memory", "path", "uri", "subtree", "segments")


def make_store(kind: str, directory: Path) -> RunStore:
    """Return a run store: in memory, or of files on different file systems, the last of which
    cannot append.
    """
    if kind == "memory":
        return MemoryRunStore()
    if kind == "path":
        return DirectoryRunStore(directory / "of runs")
    if kind == "uri":
        return DirectoryRunStore(f"file://{directory}/runs")
    if kind == "subtree":
        return DirectoryRunStore(
            "below", fs.SubTreeFileSystem(str(directory), fs.LocalFileSystem())
        )
    return DirectoryRunStore("bucket", fs._MockFileSystem())

"""Run stores that the contract suites run over; ``KINDS`` names them."""

from __future__ import annotations

from pathlib import Path

from pyarrow import fs

from rayexec.store import DirectoryRunStore, MemoryRunStore, RunStore, register_store, store_at

__all__ = ["KINDS", "in_memory", "make_store"]

_IN_MEMORY: dict[str, MemoryRunStore] = {}


def in_memory(address: str) -> MemoryRunStore:
    """Return the store of an address, as the factory of a registered scheme does."""
    return _IN_MEMORY.setdefault(address, MemoryRunStore())


KINDS = ("memory", "registered", "path", "uri", "subtree", "segments")


def make_store(kind: str, directory: Path) -> RunStore:
    """Return a run store: in memory, or of files on different file systems, the last of which
    cannot append.
    """
    if kind == "memory":
        return MemoryRunStore()
    if kind == "registered":
        register_store("contract", in_memory)
        return store_at(f"contract://{directory}")
    if kind == "path":
        return DirectoryRunStore(directory / "of runs")
    if kind == "uri":
        return DirectoryRunStore(f"file://{directory}/runs")
    if kind == "subtree":
        return DirectoryRunStore(
            "below", fs.SubTreeFileSystem(str(directory), fs.LocalFileSystem())
        )
    return DirectoryRunStore("bucket", fs._MockFileSystem())

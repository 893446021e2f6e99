"""Loaded code of a worker process: kept from run to run, within bounds."""

from __future__ import annotations

import gc

from rayexec.engine.ray.worker.run_code import Code

__all__ = ["CodeCache"]

_MOST_PACKAGES = 64
_MOST_BYTES = 16 * 2**20  # of pickles, beside the newest one
_WORTH_A_COLLECTION_BYTES = 2**20


class CodeCache:
    """Loaded packages by digest; those that were used last stay.

    A package counts with the size of its pickle. The one that was added last always stays.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Code] = {}
        self._sizes: dict[str, int] = {}

    def __getitem__(self, digest: str) -> Code:
        """Return a loaded package, the last one in the order from now on."""
        code = self._loaded[digest] = self._loaded.pop(digest)
        return code

    def __contains__(self, digest: str) -> bool:
        return digest in self._loaded

    def __len__(self) -> int:
        return len(self._loaded)

    def make_room(self, size: int) -> None:
        """Drop packages until one of so many bytes, and nothing beyond the bounds, has room."""
        dropped = 0
        while self._loaded and (
            len(self._loaded) >= _MOST_PACKAGES or sum(self._sizes.values()) > _MOST_BYTES
        ):
            digest = next(iter(self._loaded))
            del self._loaded[digest]
            dropped += self._sizes.pop(digest)
        if dropped + size > _WORTH_A_COLLECTION_BYTES and dropped:
            gc.collect()  # functions and their globals are circles

    def add(self, digest: str, code: Code, size: int) -> None:
        """Add a loaded package with a pickle of ``size`` bytes."""
        self._loaded[digest] = code
        self._sizes[digest] = size

    def clear(self) -> None:
        """Drop all packages."""
        self._loaded.clear()
        self._sizes.clear()

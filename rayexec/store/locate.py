"""Which store a run goes to."""

from __future__ import annotations

import os

from rayexec.store.base import RunStore
from rayexec.store.directory import DirectoryRunStore

__all__ = ["default_store", "is_default", "store_at"]

_HOME, _DEFAULT = "RAYEXEC_HOME", "~/.rayexec"


def is_default() -> bool:
    """Whether nobody said where runs are to be kept, so that it is below the user's home directory."""
    return not os.environ.get(_HOME)


def default_store() -> DirectoryRunStore:
    """Return the store that RAYEXEC_HOME names, a path or a URI; not set, that is ``~/.rayexec``."""
    return DirectoryRunStore(os.environ.get(_HOME) or _DEFAULT)


def store_at(place: str | os.PathLike[str] | RunStore) -> RunStore:
    """Return the store at a path or URI; a store is returned as it is."""
    return DirectoryRunStore(place) if isinstance(place, (str, os.PathLike)) else place

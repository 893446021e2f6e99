"""Registry of run stores: factories by schemes of addresses."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

from rayexec.run.file_modes import withdraw_access
from rayexec.store.base import RunStore

__all__ = ["StoreFactory", "default_store", "is_default", "register_store", "store_at"]

StoreFactory: TypeAlias = Callable[[str], RunStore]

_HOME, _DEFAULT = "RAYEXEC_HOME", "~/.rayexec"

# A path has no scheme. pyarrow.fs knows several schemes that nobody registers.
_PATH = ""
_DIRECTORY = "rayexec.store.directory:DirectoryRunStore"
_FACTORIES: dict[str, str | StoreFactory] = {_PATH: _DIRECTORY}


def register_store(scheme: str, factory: str | StoreFactory) -> None:
    """Let ``factory`` make the stores with addresses of a scheme (``scheme://…``).

    ``factory`` takes the whole address and returns a RunStore; as a string it is
    ``module:attribute`` and loads when an address needs it. A second call with the same scheme
    replaces the first. Each process registers its stores anew.
    """
    _FACTORIES[scheme] = factory


def store_at(location: str | os.PathLike[str] | RunStore) -> RunStore:
    """Return the store at a path or URI; a store is returned as it is.

    Raises StoreError for a URI of an unknown scheme.
    """
    if not isinstance(location, (str, os.PathLike)):
        return location
    address = os.fspath(location)
    scheme, separator, _ = address.partition("://")
    factory = _FACTORIES.get(scheme if separator else _PATH, _DIRECTORY)
    if isinstance(factory, str):
        module, _, attribute = factory.partition(":")
        factory = getattr(import_module(module), attribute)
    store: RunStore = factory(address)
    return store


def is_default() -> bool:
    """Whether runs go below the user's home directory, since RAYEXEC_HOME names no store."""
    return not os.environ.get(_HOME)


def default_store() -> RunStore:
    """Return the store at RAYEXEC_HOME, a path or a URI, else at ``~/.rayexec``.

    Other users lose the access to ``~/.rayexec`` that earlier versions gave them.
    """
    if is_default():
        withdraw_access(os.path.expanduser(_DEFAULT))
    return store_at(os.environ.get(_HOME) or _DEFAULT)

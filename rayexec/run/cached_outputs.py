"""Cached outputs of ops with ``@op(cache=True)``, as earlier runs leave them to later ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from rayexec.definitions.op import OpDefinition
from rayexec.events import Handling

__all__ = [
    "CacheEntry",
    "CacheEntryWriter",
    "CacheOrigin",
    "CachedOutput",
    "OutputCache",
    "RunCache",
]


class CacheOrigin(NamedTuple):
    """The step that made the outputs of an entry."""

    #: The id of its run.
    run_id: str
    #: Its key.
    step_key: str
    #: The name of its op.
    op: str
    #: The version of its op's code.
    code_version: str
    #: The moment of the entry, in seconds since 1970.
    created: float


class CachedOutput(NamedTuple):
    """One output of an entry."""

    #: The name of the output, with a mapping key for a dynamic one (``result[k]``).
    name: str
    #: The value, or a stand-in for a value that an IO manager stores.
    value: Any
    #: The metadata of the output.
    metadata: dict[str, Any] | None
    #: The record of the IO manager's work, None without one.
    handled: Handling | None


class CacheEntry(NamedTuple):
    """All outputs of a step."""

    #: The step.
    origin: CacheOrigin
    #: Its outputs.
    outputs: Sequence[CachedOutput]


class CacheEntryWriter(Protocol):
    """Writes one entry; every method may raise any exception of the storage behind it."""

    def add(self, output: CachedOutput) -> None:
        """Add an output in its present state."""

    def commit(self) -> None:
        """Publish the entry at once, in place of an earlier one."""

    def discard(self) -> None:
        """Remove all traces of the entry."""


class OutputCache(Protocol):
    """Entries by keys of steps."""

    #: Whether a pickled copy in another process finds the same entries.
    is_shared: bool

    def find(self, key: str) -> CacheEntry | None:
        """Return the entry of a key; raises any exception of the storage behind it."""

    def begin(self, key: str, origin: CacheOrigin) -> CacheEntryWriter:
        """Return a writer for a new entry."""


@dataclass(frozen=True, slots=True)
class RunCache:
    """The cache of one run."""

    #: The entries.
    entries: OutputCache
    #: Whether steps reuse entries; otherwise they run, and replace them.
    reuse: bool = True
    # The ops without any caching that this process has warned of.
    _warned_of: set[str] = field(default_factory=set)

    def was_warned_of(self, op: OpDefinition) -> bool:
        """Mark an op without any caching as warned of; return whether it was before."""
        if op.name in self._warned_of:
            return True
        self._warned_of.add(op.name)
        return False

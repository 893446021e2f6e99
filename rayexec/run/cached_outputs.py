"""What steps yielded in earlier runs, as the steps of later ones find it (``@op(cache=True)``)."""

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
    """The step that outputs come from, its op, and when they were kept (seconds since 1970)."""

    run_id: str
    step_key: str
    op: str
    code_version: str
    created: float


class CachedOutput(NamedTuple):
    """An output by the name it is stored as (``result``, ``result[k]``), with what was recorded of
    it.

    Where an IO manager has the value it is what stands for it.
    """

    name: str
    value: Any
    metadata: dict[str, Any] | None
    handled: Handling | None


class CacheEntry(NamedTuple):
    """All that a step yielded, and which step that was."""

    origin: CacheOrigin
    outputs: Sequence[CachedOutput]


class CacheEntryWriter(Protocol):
    """An entry in the making; every method may raise whatever keeps it from being made."""

    def add(self, output: CachedOutput) -> None:
        """Take an output as it is now."""

    def commit(self) -> None:
        """Put the entry where it is found, at once and in the place of one that is there."""

    def discard(self) -> None:
        """Leave nothing of it."""


class OutputCache(Protocol):
    """Where outputs are kept by the keys of their steps.

    ``is_shared`` tells whether other processes that it is pickled to find what is kept here, and
    the reverse.
    """

    is_shared: bool

    def find(self, key: str) -> CacheEntry | None:
        """Return what is kept under ``key``; raises whatever keeps it from being read."""

    def begin(self, key: str, origin: CacheOrigin) -> CacheEntryWriter:
        """Return an entry that is to be filled."""


@dataclass(frozen=True, slots=True)
class RunCache:
    """The memory of a run; where it does not ``reuse``, steps of cached ops run, and what they
    yield is kept anew.
    """

    entries: OutputCache
    reuse: bool = True
    # The ops of which this process has said that they cannot be cached.
    _warned_of: set[str] = field(default_factory=set)

    def was_warned_of(self, op: OpDefinition) -> bool:
        """Whether it was said before that ``op`` cannot be cached; from now on it was."""
        if op.name in self._warned_of:
            return True
        self._warned_of.add(op.name)
        return False

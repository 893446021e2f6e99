"""What an earlier run has that a later one goes on from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from rayexec.events import OutputRecord
from rayexec.names import node_path

__all__ = [
    "FinishedStep",
    "PreviousRun",
    "SelectedSteps",
    "StoredValue",
    "ValueStorage",
    "ValueWriter",
]


class StoredValue(Protocol):
    """A value that a run store holds; it can be pickled, and loaded by any process that reaches the
    store.
    """

    @property
    def size(self) -> int:
        """Its bytes, as they are stored."""

    @property
    def is_local(self) -> bool:
        """Whether it is certain to be reached from this machine only."""

    def load(self) -> Any:
        """Return the value; raises StoreError where it cannot be read."""

    def parts(self) -> Sequence[Any]:
        """Return its pickle and the buffers that this refers to; raises StoreError."""


class ValueWriter(Protocol):
    """Writes values of one run; used by one thread of one process.

    A value is as engines pack it: bytes, or an object with ``main`` and ``buffers``. Raises
    StoreError where the store cannot be written.
    """

    def add(self, key: str, number: int, name: str, value: Any) -> None:
        """Write a value ahead of the commit of its attempt."""

    def commit(
        self, key: str, number: int, outputs: tuple[OutputRecord, ...], values: Mapping[str, Any]
    ) -> None:
        """Write that an attempt of a step succeeded, with what it yielded, at once or not at all."""

    def close(self) -> None:
        """Let go of what is open."""


class FinishedStep(NamedTuple):
    """A step that succeeded in an earlier run: what it yielded, and by name those of the values
    that are stored.

    ``source_nodes`` are the paths of the nodes that it took from, None where that is not known.
    """

    outputs: tuple[OutputRecord, ...]
    values: Mapping[str, StoredValue]
    source_nodes: frozenset[str] | None = None


class ValueStorage(Protocol):
    """Where a run's values are stored; ``is_shared`` where other processes reach it by a pickled
    copy.
    """

    is_shared: bool

    def writer(self) -> ValueWriter:
        """Return a writer of its own, for whoever asks."""

    def committed(self) -> Mapping[str, FinishedStep]:
        """Return what is stored of each step, by its key; raises StoreError where that cannot be
        read.
        """


@dataclass(frozen=True, slots=True)
class SelectedSteps:
    """The steps that somebody asked to run: their ``keys``, and nodes whose steps to come are
    chosen, too.

    ``earlier_keys`` are the keys of all steps that the earlier run had.
    """

    keys: frozenset[str]
    nodes: frozenset[str]
    earlier_keys: Collection[str]

    def includes(self, key: str) -> bool:
        """Whether a step is chosen."""
        return key in self.keys or (key not in self.earlier_keys and node_path(key) in self.nodes)


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """An earlier run: what its steps came to by their keys, and which steps run anew (None: those
    that are not done).

    A step that is neither chosen nor done is left out.
    """

    run_id: str
    finished: Mapping[str, FinishedStep] = field(default_factory=dict)
    selected: SelectedSteps | None = None

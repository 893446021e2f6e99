"""Previous runs, as a resumed run sees them, and the storage of values that they leave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """A value in a run store; any process with access to the store can unpickle and load it."""

    @property
    def size(self) -> int:
        """Its bytes, as the store holds them."""

    @property
    def is_local(self) -> bool:
        """Whether only processes on this machine are certain to reach it."""

    def load(self) -> Any:
        """Return the value; raises StoreError."""

    def parts(self) -> Sequence[Any]:
        """Return its pickle and the buffers behind it; raises StoreError."""


class ValueWriter(Protocol):
    """Writes values of one run, in one thread of one process.

    A value is packed by an engine: bytes, or an object with ``main`` and ``buffers``. The methods
    raise StoreError when the store refuses a write.
    """

    def add(self, key: str, attempt_number: int, name: str, value: Any) -> None:
        """Write a value ahead of the commit of its attempt."""

    def commit(
        self,
        key: str,
        attempt_number: int,
        outputs: tuple[OutputRecord, ...],
        values: Mapping[str, Any],
    ) -> None:
        """Write the success of an attempt and its outputs, all at once or not at all."""

    def close(self) -> None:
        """Close open files and connections."""


class FinishedStep(NamedTuple):
    """A step that succeeded in an earlier run."""

    #: Its outputs.
    outputs: tuple[OutputRecord, ...]
    #: The stored values among its outputs, by name.
    values: Mapping[str, StoredValue]
    #: The paths of the nodes of its sources, None where the log lacks them.
    source_nodes: frozenset[str] | None = None


class ValueStorage(Protocol):
    """Storage for the values of one run."""

    #: Whether other processes reach the storage by a pickled copy.
    is_shared: bool

    def writer(self) -> ValueWriter:
        """Return a new writer."""

    def committed(self) -> Mapping[str, FinishedStep]:
        """Return the committed steps, by key; raises StoreError."""


@dataclass(frozen=True, slots=True)
class SelectedSteps:
    """The steps of a resumed run that somebody selected."""

    #: The keys of selected steps.
    keys: frozenset[str]
    #: The paths of nodes whose new steps are selected, too.
    nodes: frozenset[str]
    #: The keys of all steps of the earlier run; no other step is new.
    earlier_keys: Collection[str]

    def includes(self, key: str) -> bool:
        """Return whether a step is selected."""
        return key in self.keys or (key not in self.earlier_keys and node_path(key) in self.nodes)


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """An earlier run that a run resumes."""

    #: The id of the earlier run.
    run_id: str
    #: Its finished steps, by key.
    finished: Mapping[str, FinishedStep] = field(default_factory=dict)
    #: The steps to run again, None for those that are not finished.
    #:
    #: A step that is neither selected nor finished is left out.
    selected: SelectedSteps | None = None
    #: The paths of nodes with other config now, which are not among ``finished`` for that reason.
    changed: tuple[str, ...] = ()
    #: The paths of nodes among ``finished`` with other config of resources or IO managers now.
    with_other_resources: tuple[str, ...] = ()

    def with_changes(self, again: Collection[str], by_resources: Collection[str]) -> PreviousRun:
        """Return the earlier run without the finished steps of the nodes ``again``.

        Those in ``by_resources`` keep theirs.
        """
        nodes = {node_path(key) for key in self.finished}
        changed = nodes.intersection(again)
        finished = self.finished
        if changed:
            finished = {
                key: each for key, each in finished.items() if node_path(key) not in changed
            }
        others = nodes.intersection(by_resources) - changed
        return replace(
            self,
            finished=finished,
            changed=tuple(sorted(changed)),
            with_other_resources=tuple(sorted(others)),
        )

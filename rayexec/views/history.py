"""History of a run, live or stored, as views read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from rayexec.events import (
    Attempt,
    BatchFacts,
    Event,
    ResourceRecord,
    StepBlockedData,
    StepsRestored,
)

__all__ = ["Entry", "RunHistory"]

Entry: TypeAlias = Event | Attempt | ResourceRecord | StepsRestored


class RunHistory(Protocol):
    """Records of a run so far; the log of a live run and a stored log both have these names.

    Steps are indices into ``keys``. An attempt is a pair of step and attempt number.
    """

    @property
    def keys(self) -> Sequence[str]:
        """The keys of the steps so far."""

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""

    def entries(self) -> Iterator[Entry]:
        """Yield the records in order; plain successes as attempts like any other."""

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts in the order of their returns."""

    @property
    def predecessors(self) -> Sequence[Sequence[int]] | None:
        """For each step the steps before it; None in the log of an older rayexec."""

    @property
    def blocked(self) -> Mapping[tuple[int, int], StepBlockedData]:
        """Attempts that waited for a limit of tags or pools; none before the run is over."""

    @property
    def batches(self) -> Mapping[int, BatchFacts]:
        """Facts of the batches so far, by id."""

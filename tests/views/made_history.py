"""A history of a run that a test writes itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rayexec.events import Attempt, BatchFacts, StepBlockedData
from rayexec.views.history import Entry


@dataclass
class MadeHistory:
    """A history of the steps ``keys``; the op of a step is its key without mapping keys."""

    keys: Sequence[str]
    made_entries: Sequence[Entry]
    predecessors: Sequence[Sequence[int]] | None = None
    blocked: Mapping[tuple[int, int], StepBlockedData] = field(default_factory=dict)
    batches: Mapping[int, BatchFacts] = field(default_factory=dict)

    def op_of(self, step: int) -> str:
        return self.keys[step].partition("[")[0]

    def entries(self) -> Iterator[Entry]:
        return iter(self.made_entries)

    def attempts(self) -> Iterator[Attempt]:
        return (entry for entry in self.made_entries if isinstance(entry, Attempt))

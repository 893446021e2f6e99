"""A batch under way on Ray, as the driver knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rayexec.engine.process_facts import Told
from rayexec.events import BatchFacts, LogLine
from rayexec.run.spec import Batch

__all__ = ["SubmittedBatch"]


@dataclass(slots=True)
class SubmittedBatch:
    """A batch under way: the references of its answer, when it was submitted, and where its journal
    is.

    ``origins`` are the steps behind the references that it takes. ``heard`` is the last place of
    which an entry came already, by a report: since then the step may have been tried again,
    elsewhere. Of a batch that streams, ``stream`` gives the references of large outputs as they
    come, which go into ``large``, and that of the answer at last; ``told`` is how many of its
    values were told meanwhile. ``made`` are the bytes of the outputs that came so far. ``logged``
    is the place of the call that told of its lines last, and those lines.
    """

    work: Batch
    refs: list[Any]
    submitted: float
    journal: str
    origins: dict[Any, int]
    heard: int = -1
    stream: Any = None
    large: list[Any] = field(default_factory=list)
    told: int = 0
    made: int = 0
    logged: tuple[int, tuple[LogLine, ...]] = (-1, ())

    def facts(self, told: Told | None, *, ended: float = 0.0) -> BatchFacts:
        """Return what is known of the batch, which a worker ``told`` of."""
        number, submitted, calls = self.work.id, self.submitted, len(self.work.calls)
        if told is None:
            return BatchFacts(number, submitted=submitted, ended=ended, calls=calls)
        host, node_id, pid, began, worker_ended, loading, peak, given = told
        over = worker_ended or ended
        return BatchFacts(
            number,
            host,
            node_id,
            pid,
            submitted,
            began,
            over,
            loading,
            peak,
            given,
            self.made,
            calls,
        )

    @property
    def step(self) -> int:
        """The step that runs now, as far as is known."""
        calls = self.work.calls
        return calls[min(self.heard + 1, len(calls) - 1)].step

"""State of a batch between its submission to Ray and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rayexec.engine.ray.protocol.worker_facts import WorkerFacts
from rayexec.events import BatchFacts, LogLine
from rayexec.run.spec import Batch

__all__ = ["SubmittedBatch"]


@dataclass(slots=True)
class SubmittedBatch:
    """A batch that Ray has."""

    work: Batch
    #: References of the answer, its envelope first.
    refs: list[Any]
    #: Time of the submission, in seconds since 1970.
    submitted: float
    #: Name of the journal, on the node that runs the batch.
    journal: str
    #: Steps behind the references among its inputs.
    origins: dict[Any, int]
    #: Position of the last call with a report. Its step may have another attempt elsewhere by now.
    last_position: int = -1
    #: Ray's stream of large outputs, for a batch that streams; the answer is its last item.
    stream: Any = None
    #: References that the stream gave so far.
    stream_refs: list[Any] = field(default_factory=list)
    #: Count of values that came before the answer.
    yielded: int = 0
    #: Bytes of the outputs so far.
    output_bytes: int = 0
    #: Position of the call that logged last, and its lines.
    logged: tuple[int, tuple[LogLine, ...]] = (-1, ())

    def facts(self, worker: WorkerFacts | None, *, ended: float = 0.0) -> BatchFacts:
        """Return the facts of the batch, with those of its worker where there are any."""
        batch_id, submitted, calls = self.work.id, self.submitted, len(self.work.calls)
        if worker is None:
            return BatchFacts(batch_id, submitted=submitted, ended=ended, calls=calls)
        return BatchFacts(
            batch_id,
            worker.host,
            worker.node_id,
            worker.pid,
            submitted,
            worker.began,
            worker.ended or ended,
            worker.loading,
            worker.peak_rss,
            worker.input_bytes,
            self.output_bytes,
            calls,
        )

    @property
    def step(self) -> int:
        """The running step, by the last report."""
        calls = self.work.calls
        return calls[min(self.last_position + 1, len(calls) - 1)].step

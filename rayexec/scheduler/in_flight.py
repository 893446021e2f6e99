"""Batches between their submission to the engine and its answer."""

from __future__ import annotations

from collections.abc import Mapping

from rayexec.plan.model import Call
from rayexec.run.spec import Batch
from rayexec.scheduler.wait_reasons import BatchProgress

__all__ = ["BatchInFlight", "InFlight"]


class BatchInFlight:
    """A batch without an answer of the engine."""

    __slots__ = ("class_id", "has_begun", "outstanding", "size", "submitted_at")

    def __init__(self, class_id: int, outstanding: dict[int, Call], submitted_at: float) -> None:
        #: The scheduling class of its steps.
        self.class_id = class_id
        #: The calls without a report, by step.
        self.outstanding = outstanding
        #: The number of its calls.
        self.size = len(outstanding)
        #: The moment of its submission, on the scheduler's clock.
        self.submitted_at = submitted_at
        #: Whether the engine reported that a worker began it.
        self.has_begun = False


class InFlight:
    """Numbers batches and remembers them until the engine answers."""

    def __init__(self) -> None:
        #: The batches, by id, in the order of their submission.
        self.by_id: dict[int, BatchInFlight] = {}
        self._next_id = 0

    def submit(self, class_id: int, calls: tuple[Call, ...], budget: float, now: float) -> Batch:
        """Return a new batch."""
        batch = Batch(self._next_id, calls, budget)
        self._next_id += 1
        self.by_id[batch.id] = BatchInFlight(class_id, {call[0]: call for call in calls}, now)
        return batch

    def begin(self, batch_id: int) -> int | None:
        """Mark a batch as begun; return its scheduling class, None if it had begun or is over."""
        batch = self.by_id.get(batch_id)
        if batch is None or batch.has_begun:
            return None
        batch.has_begun = True
        return batch.class_id

    def has(self, batch_id: int, step: int) -> bool:
        """Return whether a batch is in flight and has not reported a step."""
        batch = self.by_id.get(batch_id)
        return batch is not None and step in batch.outstanding

    def progress(self, now: float) -> list[BatchProgress]:
        """Return how far batches are, in the order of their submission; any thread may call it."""
        batches = []
        for batch in list(self.by_id.values()):
            step = _first(batch.outstanding)
            if step is not None:
                age, is_first = now - batch.submitted_at, len(batch.outstanding) == batch.size
                batches.append(BatchProgress(batch.class_id, step, batch.has_begun, age, is_first))
        return batches


def _first(calls: Mapping[int, Call]) -> int | None:
    """Return the step of the first call, None for no call, or during a change by another thread."""
    try:
        return next(iter(calls), None)
    except RuntimeError:
        return None

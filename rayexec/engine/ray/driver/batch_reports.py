"""Reports of running batches: messages of workers, and what they become for the scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rayexec.engine.ray.driver.shared_limits import SharedLimits
from rayexec.engine.ray.driver.step_values import StepValues
from rayexec.engine.ray.driver.submitted_batch import SubmittedBatch
from rayexec.engine.ray.protocol.worker_messages import (
    BatchBegun,
    CallsFinished,
    LinesLogged,
    ValuesYielded,
    decode,
)
from rayexec.errors import InvariantError
from rayexec.events import Attempt, LiveLines, Successes
from rayexec.plan.base import Plan
from rayexec.run.spec import Call
from rayexec.scheduler.messages import BatchProgressed, BatchStarted, EngineReport, StepYielded

__all__ = ["BatchReports"]


class BatchReports:
    """Reads reports into ``values``, and returns each as an event.

    ``in_flight`` has the run's batches by id, and changes with them. The answer of a batch may
    overtake its reports; these mean nothing any more then.
    """

    def __init__(
        self,
        plan: Plan,
        streams: frozenset[int],
        values: StepValues,
        shared: SharedLimits,
        in_flight: dict[int, SubmittedBatch],
    ) -> None:
        self._plan = plan
        self._streams = streams
        self._values = values
        self._shared = shared
        self._in_flight = in_flight

    def read(self, body: bytes) -> EngineReport:
        """Return the event in the body of a message."""
        message = decode(body)
        match message:
            case CallsFinished():
                return self._progress(message)
            case LinesLogged(batch_id, lines):
                return self._lines(batch_id, lines)
            case ValuesYielded():
                return self._yielded(message)
            case BatchBegun(batch_id):
                if batch_id in self._in_flight:
                    self._shared.begun(batch_id)
                return BatchStarted(batch_id)
        raise InvariantError(f"{type(message).__name__} is no report of a batch")

    def _progress(self, message: CallsFinished) -> BatchProgressed:
        batch = self._in_flight.get(message.batch_id)
        if batch is None:
            return BatchProgressed(message.batch_id, (), ())
        rows = self.accept(batch, message.entries, message.pid, None)
        calls = batch.work.calls
        returned = tuple([calls[position].step for position in message.returned])
        return BatchProgressed(message.batch_id, rows, returned)

    def _yielded(self, message: ValuesYielded) -> StepYielded:
        """Store values of a running step."""
        batch = self._in_flight.get(message.batch_id)
        if batch is None:
            return StepYielded(message.batch_id, -1, ())
        step = batch.work.calls[0].step
        outputs = self._values.of(step)
        names = []
        for name, packed in message.values:
            handle: Any = packed
            if packed is None:
                try:
                    handle = next(batch.stream)
                except StopIteration:  # it ended before its time, as its answer will say
                    break
                # Consumers get the reference from the values; one here would keep the object.
                batch.stream_refs.append(None)
            outputs.setdefault(name, handle)
            names.append(name)
        batch.yielded += len(names)
        return StepYielded(message.batch_id, step, tuple(names))

    def _lines(self, batch_id: int, lines: LiveLines) -> EngineReport:
        """Name the step behind lines, and keep them in case its worker dies."""
        batch, position = self._in_flight.get(batch_id), lines.step
        if batch is None or position <= batch.last_position:
            return BatchProgressed(batch_id, (), ())
        earlier = batch.logged[1] if batch.logged[0] == position else ()
        batch.logged = position, earlier + lines.logs
        call: Call = batch.work.calls[position]
        return lines._replace(step=call.step, attempt_number=call.attempt)

    def accept(
        self, batch: SubmittedBatch, items: Sequence[Any], pid: int, refs: Sequence[Any] | None
    ) -> tuple[Attempt | Successes, ...]:
        """Store the outputs of finished calls; return their rows.

        Without ``refs``, calls with large outputs wait for the answer.
        """
        calls = batch.work.calls
        is_streaming = self._plan.template_of[calls[0].step] in self._streams
        rows, batch.last_position = self._values.accept(
            items,
            calls,
            pid,
            batch.work.id,
            batch.last_position,
            refs,
            yielded=batch.yielded if is_streaming else None,
        )
        for row in rows:
            batch.output_bytes += (
                sum(row.sizes) if isinstance(row, Successes) else max(0, row.output_bytes)
            )
        return rows

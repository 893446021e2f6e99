"""Writer of a run's log: collects records and writes them as frames."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from rayexec.events import (
    END_BY_OUTCOME,
    Attempt,
    BatchFacts,
    Event,
    LiveLines,
    ResourceRecord,
    StepBlockedData,
    StepEnd,
    StepsRestored,
    Successes,
    counts_by_end,
    ends_of,
)
from rayexec.names import node_path
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.store.base import RunWriter
from rayexec.store.columns import (
    ATTEMPT,
    BATCH,
    BLOCKED,
    EVENT,
    LIVE,
    RESOURCE,
    Rows,
    StepSignature,
    steps_frame,
)
from rayexec.store.encoding import (
    attempt_text,
    batch_text,
    blocked_text,
    event_text,
    live_text,
    resource_text,
)

__all__ = ["LogWriter"]

_MOST_ROWS = 50_000  # that wait to be written
# A frame has a price of its own. So where many steps end, frames do not come more often than this,
# also while somebody watches: nobody sees single steps there.
_BUSY_ROWS, _BUSY_INTERVAL_S = 500, 0.3

_Written: TypeAlias = (
    Event | Attempt | Successes | ResourceRecord | LiveLines | BatchFacts | StepsRestored
)

# One byte for the end of a step. It is 0 without an end, also before a retry.
_CODE_BY_END: dict[StepEnd, int] = {
    end: code for code, end in enumerate(StepEnd, 1) if end is not StepEnd.NOT_RUN
}
_CODE_BY_OUTCOME = {outcome: _CODE_BY_END[end] for outcome, end in END_BY_OUTCOME.items()}
_SUCCEEDED, _REUSED = _CODE_BY_END[StepEnd.SUCCEEDED], _CODE_BY_END[StepEnd.REUSED]


class LogWriter:
    """Writes the log of one run: the steps of ``plan`` as it grows, and the records.

    ``write_if_due`` writes after ``writer.interval`` seconds, or 50,000 rows; of a busy run no more
    often than each 0.3 s. Raises StoreError.
    """

    def __init__(
        self, plan: Plan, writer: RunWriter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._clock = clock
        # Records that wait to be written, and the number of their rows.
        self._pending: list[_Written] = []
        self._waiting = 0
        self._due = clock() + writer.interval
        self._steps_written = 0
        self._signatures: dict[StepSignature, int] = {}
        self._signatures_written = 0
        # Steps with inputs from mapped steps that have not all come yet.
        self._unsettled: set[int] = set()
        # Outputs without metadata by template; a plan gets no further templates.
        self._plain_outputs = plan.records_by_template
        # End of each step by its last attempt; a step with lost outputs may succeed again.
        self._ends = bytearray()
        self._skipped = 0
        #: Numbers of steps that were skipped, or never run, by the path of their node.
        self.unrun: Counter[str] = Counter()
        #: The number of attempts so far.
        self.attempts = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Counts of the written steps by their ends."""
        ended = {end: self._ends.count(code) for end, code in _CODE_BY_END.items()}
        ended[StepEnd.SKIPPED] = self._skipped
        counts = counts_by_end(ended, len(self._plan.steps))
        return {end.value: count for end, count in counts.items()}

    @property
    def ends(self) -> bytearray:
        """A byte for the end of each written step by its last attempt, 0 without one."""
        return self._ends

    def code_of(self, end: StepEnd) -> int:
        """Return the byte of an end."""
        return _CODE_BY_END[end]

    def add(self, record: _Written) -> None:
        """Add a record; a later call writes it."""
        self._pending.append(record)
        self._waiting += len(record.steps) if isinstance(record, (Successes, StepsRestored)) else 1

    def write_if_due(self) -> float | None:
        """Write the records if they are due; else return the seconds until then."""
        if not self._waiting:
            return None
        left = self._due - self._clock()
        if left > 0 and self._waiting < _MOST_ROWS:
            return left
        self.write()
        return None

    def write(self, blocked: Mapping[tuple[int, int], StepBlockedData] | None = None) -> None:
        """Write all records; at the end of the run also waits for limits, by step and attempt."""
        # The objects here are short-lived and without circles, so a garbage collection would only
        # look through the run's plan.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            data = self._steps()
            is_busy = self._waiting > _BUSY_ROWS
            pending, self._pending, self._waiting = self._pending, [], 0
            rows = self._rows(pending)
            for (step, attempt_number), wait in (blocked or {}).items():
                text = blocked_text(wait)
                rows.add(BLOCKED, 0.0, 0.0, text, step=step, attempt_number=attempt_number)
            if rows:
                data += rows.frame()
        finally:
            if was_enabled:
                gc.enable()
        if data:
            self._writer.append(data)
        interval = self._writer.interval
        self._due = self._clock() + (max(interval, _BUSY_INTERVAL_S) if is_busy else interval)

    def _rows(self, records: Iterable[_Written]) -> Rows:
        rows, steps, plain = Rows(), self._plan.steps, self._plain_outputs
        ends = self._ends
        ends.extend(bytes(len(steps) - len(ends)))
        together: list[Attempt] = []  # plain attempts in a row
        for record in records:
            if isinstance(record, Attempt):
                step, outcome = record.step, record.outcome
                ends[step] = _CODE_BY_OUTCOME.get(outcome, 0)
                self.attempts += 1
                if record.is_plain and record.outputs == plain[steps[step].template]:
                    together.append(record)
                    continue
            if together:
                rows.add_attempts(together)
                together = []
            if isinstance(record, Successes):
                for step in record.steps:
                    ends[step] = _SUCCEEDED
                self.attempts += len(record.steps)
                rows.add_successes(record)
            elif isinstance(record, Attempt):
                step, attempt_number, outcome, started, ended = record[:5]
                if record.reused is not None:
                    ends[step] = _REUSED
                detail = attempt_text(record, plain[steps[step].template])
                rows.add(
                    ATTEMPT,
                    started,
                    ended,
                    detail,
                    step=step,
                    attempt_number=attempt_number,
                    outcome=outcome,
                    pid=record.pid,
                    batch=record.batch,
                    output_bytes=record.output_bytes,
                )
            elif isinstance(record, StepsRestored):
                for step in record.steps:
                    ends[step] = _REUSED
                rows.add_restored(record.steps)
            elif isinstance(record, BatchFacts):
                began, ended = record.began, record.ended
                rows.add(
                    BATCH,
                    began,
                    ended,
                    batch_text(record),
                    pid=record.pid,
                    batch=record.batch_id,
                )
            elif isinstance(record, ResourceRecord):
                rows.add(RESOURCE, record.started, record.ended, resource_text(record))
            elif isinstance(record, LiveLines):
                step, attempt_number, pid, moment = record[:4]
                rows.add(
                    LIVE,
                    moment,
                    moment,
                    live_text(record),
                    step=step,
                    attempt_number=attempt_number,
                    pid=pid,
                )
            else:
                ended_steps = ends_of(record)
                if ended_steps is not None:
                    if ended_steps.end is StepEnd.SKIPPED:
                        self._skipped += len(ended_steps.steps)
                    self.unrun.update([node_path(str(step)) for step in ended_steps.steps])
                rows.add(EVENT, record.timestamp, record.timestamp, event_text(record))
        if together:
            rows.add_attempts(together)
        return rows

    def _steps(self) -> bytes:
        """Return a frame of new steps, and of steps with new inputs; no bytes without any."""
        plan = self._plan
        steps = plan.steps
        indices = list(range(self._steps_written, len(steps)))
        self._steps_written = len(steps)
        if isinstance(plan, RunPlan):
            waiting = plan.collecting_steps.keys()
            settled = sorted(self._unsettled - waiting)
            self._unsettled = set(waiting)
            indices = settled + indices
        if not indices:
            return b""
        names = [tuple(template.op.outs) for template in plan.templates]
        ops = [template.op.name for template in plan.templates]
        index_of: dict[tuple[int, tuple[str, ...]], int] = {}
        signatures = []
        for index in indices:
            step = steps[index]
            fed = plan.upstream_names(index) if step.inputs else ()
            shared = step.template, fed
            signature_index = index_of.get(shared)
            if signature_index is None:
                signature = StepSignature(ops[step.template], fed, names[step.template])
                signature_index = self._signatures.setdefault(signature, len(self._signatures))
                index_of[shared] = signature_index
            signatures.append(signature_index)
        new = list(self._signatures.items())[self._signatures_written :]
        self._signatures_written = len(self._signatures)
        predecessors = plan.predecessors
        return steps_frame(
            indices,
            [steps[index].key for index in indices],
            signatures,
            [predecessors[index] for index in indices],
            [(index, signature) for signature, index in new],
        )

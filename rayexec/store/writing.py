"""Recording a run: records in, frames out, in batches."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from rayexec.events import (
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    BatchFacts,
    Event,
    EventType,
    LiveLines,
    ResourceRecord,
    StepBlockedData,
    StepsRestored,
    Successes,
)
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

_MOST_ROWS = 50_000

_Written: TypeAlias = (
    Event | Attempt | Successes | ResourceRecord | LiveLines | BatchFacts | StepsRestored
)

# How a step ended, or that it did not.
_OPEN, _SUCCEEDED, _FAILED, _REUSED = range(4)
_HOW_ENDED = {SUCCESS: _SUCCEEDED, FAILURE: _FAILED, RETRY: _OPEN}


class LogWriter:
    """Writes the log of one run: the steps of ``plan`` as they come to be known, and records as
    they are added.

    Whenever it is asked, what has waited for ``writer.interval`` seconds is written, and what is
    50,000 rows. Raises StoreError where it cannot be.
    """

    def __init__(
        self, plan: Plan, writer: RunWriter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._clock = clock
        # What is not written yet, and how many rows it makes.
        self._pending: list[_Written] = []
        self._waiting = 0
        self._due = clock() + writer.interval
        self._known = 0  # steps that are written
        self._forms: dict[StepSignature, int] = {}
        self._forms_written = 0
        # Steps whose inputs are known once they may start.
        self._unsettled: set[int] = set()
        # Outputs of a step by its template, where they have neither metadata nor an IO manager.
        self._plain_outputs = plan.records_by_template  # of all templates: there come no others
        # How each step ended, by the last of its attempts: one whose outputs were lost may succeed
        # again.
        self._marks = bytearray()
        self._skipped = 0
        # The attempts that were written.
        self.attempts = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """How many steps succeeded, were taken over, failed, were skipped, and did not run, by what
        was written.
        """
        marks = self._marks
        reused = marks.count(_REUSED)
        counted = {
            "succeeded": marks.count(_SUCCEEDED),
            **({"reused": reused} if reused else {}),
            "failed": marks.count(_FAILED),
            "skipped": self._skipped,
        }
        return {**counted, "not run": len(self._plan.steps) - sum(counted.values())}

    def add(self, record: _Written) -> None:
        """Take a record, to be written with others."""
        self._pending.append(record)
        self._waiting += len(record.steps) if isinstance(record, (Successes, StepsRestored)) else 1

    def write_if_due(self) -> float | None:
        """Write what waits where it has waited long enough; else return for how many seconds it may
        wait still.
        """
        if not self._waiting:
            return None
        left = self._due - self._clock()
        if left > 0 and self._waiting < _MOST_ROWS:
            return left
        self.write()
        return None

    def write(self, blocked: Mapping[tuple[int, int], StepBlockedData] | None = None) -> None:
        """Write all that waits.

        At the end of the run ``blocked`` are the attempts (step and number) that waited for a
        limit, which is known then.
        """
        # Nothing that is made here stays or makes circles, so a collector would only look through
        # the run's plan.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            data = self._steps()
            pending, self._pending, self._waiting = self._pending, [], 0
            rows = self._rows(pending)
            for (step, number), waited in (blocked or {}).items():
                rows.add(BLOCKED, 0.0, 0.0, blocked_text(waited), step=step, number=number)
            if rows:
                data += rows.frame()
        finally:
            if was_enabled:
                gc.enable()
        if data:
            self._writer.append(data)
        self._due = self._clock() + self._writer.interval

    def _rows(self, records: Iterable[_Written]) -> Rows:
        rows, steps, plain = Rows(), self._plan.steps, self._plain_outputs
        marks = self._marks
        marks.extend(bytes(len(steps) - len(marks)))
        together: list[Attempt] = []  # plain attempts one behind the other
        for record in records:
            if isinstance(record, Attempt):
                step, outcome = record.step, record.outcome
                marks[step] = _HOW_ENDED[outcome]
                self.attempts += 1
                if record.is_plain and record.outputs == plain[steps[step].template]:
                    together.append(record)
                    continue
            if together:
                rows.add_attempts(together)
                together = []
            if isinstance(record, Successes):
                for step in record.steps:
                    marks[step] = _SUCCEEDED
                self.attempts += len(record.steps)
                rows.add_successes(record)
            elif isinstance(record, Attempt):
                step, number, outcome, started, ended = record[:5]
                if record.reused is not None:
                    marks[step] = _REUSED
                detail = attempt_text(record, plain[steps[step].template])
                rows.add(
                    ATTEMPT,
                    started,
                    ended,
                    detail,
                    step=step,
                    number=number,
                    outcome=outcome,
                    pid=record.pid,
                    batch_number=record.batch,
                    output_bytes=record.output_bytes,
                )
            elif isinstance(record, StepsRestored):
                for step in record.steps:
                    marks[step] = _REUSED
                rows.add_restored(record.steps)
            elif isinstance(record, BatchFacts):
                began, ended = record.began, record.ended
                rows.add(
                    BATCH,
                    began,
                    ended,
                    batch_text(record),
                    pid=record.pid,
                    batch_number=record.batch_id,
                )
            elif isinstance(record, ResourceRecord):
                rows.add(RESOURCE, record.started, record.ended, resource_text(record))
            elif isinstance(record, LiveLines):
                step, number, pid, moment = record[:4]
                rows.add(LIVE, moment, moment, live_text(record), step=step, number=number, pid=pid)
            else:
                self._skipped += record.event_type is EventType.STEP_SKIPPED
                rows.add(EVENT, record.timestamp, record.timestamp, event_text(record))
        if together:
            rows.add_attempts(together)
        return rows

    def _steps(self) -> bytes:
        """Return a frame of the steps that are new, or whose inputs came to be known; nothing where
        there are none.
        """
        plan = self._plan
        steps = plan.steps
        indices = list(range(self._known, len(steps)))
        self._known = len(steps)
        if isinstance(plan, RunPlan):
            waiting = plan.collecting_steps.keys()
            settled = sorted(self._unsettled - waiting)
            self._unsettled = set(waiting)
            indices = settled + indices
        if not indices:
            return b""
        names = [tuple(template.op.outs) for template in plan.templates]
        ops = [template.op.name for template in plan.templates]
        numbers: dict[tuple[int, tuple[str, ...]], int] = {}
        forms = []
        for index in indices:
            step = steps[index]
            fed = plan.upstream_names(index) if step.inputs else ()
            shared = step.template, fed
            number = numbers.get(shared)
            if number is None:
                form = StepSignature(ops[step.template], fed, names[step.template])
                number = numbers[shared] = self._forms.setdefault(form, len(self._forms))
            forms.append(number)
        new = [
            (number, form) for form, number in self._forms.items() if number >= self._forms_written
        ]
        self._forms_written = len(self._forms)
        before = plan.predecessors
        after = [before[index] for index in indices]
        return steps_frame(indices, [steps[index].key for index in indices], forms, after, new)

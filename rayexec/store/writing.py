"""Recording a run: records in, frames out, in batches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    Event,
    EventType,
    ResourceRecord,
    StepBlockedData,
    Successes,
)
from rayexec.plan.growing import GrowingPlan
from rayexec.plan.model import FromStep, Plan
from rayexec.store.base import RunWriter
from rayexec.store.coding import attempt_text, blocked_text, event_text, resource_text
from rayexec.store.columns import ATTEMPT, BLOCKED, EVENT, PLAIN, RESOURCE, Form, Rows, steps_frame

__all__ = ["LogWriter"]

_MOST_ROWS = 50_000
_MOST_SIZE = 8_000_000  # characters of details

# The fields of an attempt in which nothing stands of a plain one, beside those that are columns and its outputs.
_PID = Attempt._fields.index("pid")
_OUTPUTS = Attempt._fields.index("outputs")
_PLAIN = tuple([Attempt._field_defaults.get(name) for name in Attempt._fields])
_PLAIN_BEFORE, _PLAIN_AFTER = _PLAIN[_OUTPUTS + 1 : _PID], _PLAIN[_PID + 1 :]


class LogWriter:
    """Writes the log of one run: the steps of ``plan`` as they come to be known, and records as they are added.

    Rows are written every ``writer.interval`` seconds, or where 50,000 of them wait, whenever it is asked. Raises
    StoreError where they cannot be.
    """

    def __init__(self, plan: Plan, writer: RunWriter, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._writer = writer
        self._clock = clock
        self._rows = Rows()
        self._written = clock()
        self._known = 0  # steps that are written
        self._forms: dict[Form, int] = {}
        self._forms_written = 0
        # Steps whose inputs are known once they may start.
        self._unsettled: set[int] = set()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many steps so far succeeded, failed, were skipped, and did not run."""
        counted = {each: self._counts[each] for each in ("succeeded", "failed", "skipped")}
        return {**counted, "not run": len(self._plan.steps) - sum(counted.values())}

    def add(self, record: Event | Attempt | Successes | ResourceRecord) -> None:
        """Take a record; write what waits where that is due."""
        rows = self._rows
        if isinstance(record, Successes):
            rows.add_plain(record.steps, record.numbers, record.started, record.ended, record.pid)
            self._counts["succeeded"] += len(record.steps)
        elif isinstance(record, Attempt):
            self._add_attempt(record)
        elif isinstance(record, ResourceRecord):
            rows.add(RESOURCE, record.started, record.ended, resource_text(record))
        else:
            self._counts["skipped"] += record.event_type is EventType.STEP_SKIPPED
            rows.add(EVENT, record.timestamp, record.timestamp, event_text(record))
        self.write_if_due()

    def _add_attempt(self, attempt: Attempt) -> None:
        step, number, outcome, started, ended = attempt[:5]
        outputs = self._plan.records_by_template[self._plan.steps[step].template]
        is_plain = (
            outcome == SUCCESS
            and attempt.outputs == outputs
            and attempt[_OUTPUTS + 1 : _PID] == _PLAIN_BEFORE
            and attempt[_PID + 1 :] == _PLAIN_AFTER
        )
        self._rows.add(
            PLAIN if is_plain else ATTEMPT,
            started,
            ended,
            None if is_plain else attempt_text(attempt),
            step=step,
            number=number,
            outcome=outcome,
            pid=attempt.pid,
        )
        self._counts["succeeded"] += outcome == SUCCESS
        self._counts["failed"] += outcome == FAILURE

    def add_blocked(self, blocked: Mapping[tuple[int, int], StepBlockedData]) -> None:
        """Take which attempts (step and number) waited for a limit, which is known once the run is over."""
        for (step, number), data in blocked.items():
            self._rows.add(BLOCKED, 0.0, 0.0, blocked_text(data), step=step, number=number)

    def write_if_due(self) -> float | None:
        """Write what waits where it has waited long enough; else return for how many seconds it may wait still."""
        rows = self._rows
        if not rows:
            return None
        left = self._written + self._writer.interval - self._clock()
        if left > 0 and len(rows) < _MOST_ROWS and rows.size < _MOST_SIZE:
            return left
        self.write()
        return None

    def write(self) -> None:
        """Write all that waits."""
        data = self._steps()
        if self._rows:
            rows, self._rows = self._rows, Rows()
            data += rows.frame()
        if data:
            self._writer.append(data)
        self._written = self._clock()

    def _steps(self) -> bytes:
        """Return a frame of the steps that are new, or whose inputs came to be known; nothing where there are none."""
        plan = self._plan
        steps = plan.steps
        indices = list(range(self._known, len(steps)))
        self._known = len(steps)
        if isinstance(plan, GrowingPlan):
            waiting = plan.collecting.keys()
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
            inputs = step.inputs
            if not inputs:
                fed: tuple[str, ...] = ()
            elif len(inputs) == 1 and len(inputs[0].sources) == 1 and not inputs[0].is_nothing:
                fed = (inputs[0].name,) if type(inputs[0].sources[0]) is FromStep else ()
            else:
                fed = plan.upstream_names(index)
            shared = step.template, fed
            number = numbers.get(shared)
            if number is None:
                form = Form(ops[step.template], fed, names[step.template])
                number = numbers[shared] = self._forms.setdefault(form, len(self._forms))
            forms.append(number)
        new = [(number, form) for form, number in self._forms.items() if number >= self._forms_written]
        self._forms_written = len(self._forms)
        return steps_frame(indices, [steps[index].key for index in indices], forms, new)

"""Log of a run in the process that drives it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from rayexec.events import (
    Attempt,
    BatchFacts,
    Event,
    LiveLines,
    Record,
    ResourceRecord,
    StepBlockedData,
    StepsRestored,
    Successes,
    expand_attempt,
    expand_event,
    expand_live,
    expand_resource,
)
from rayexec.placement.limits import MAX_CONCURRENT, Placement
from rayexec.plan import Plan
from rayexec.plan.model import Call
from rayexec.scheduler.past_waits import Wait, explain_waits

__all__ = ["Record", "RunLog"]

_MOST_LIVE_MESSAGES = 1_000  # of one attempt that still runs; later ones push out earlier ones


class RunLog:
    """Log of a run while it runs and after.

    Records stay packed as they arrive. Events and waits are computed when somebody reads them.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        #: Records as they arrived, in order; a worker's plain successes are one record in columns.
        self.records: list[Record] = []
        #: Limits of the run; None until it has started.
        self.placement: Placement | None = None
        #: Whether nothing more will come.
        self.is_over = False
        self._keys: list[str] = []
        self._batches: dict[int, BatchFacts] = {}
        self._submissions: list[tuple[float, Sequence[Call]]] = []
        self._blocked: dict[tuple[int, int], StepBlockedData] = {}
        self._is_blocked_complete = False
        # Events, and the number of records that they come from.
        self._expanded: tuple[int, list[Event]] = (0, [])
        # Waits, and the number of records that they come from.
        self._waits: tuple[int, list[Wait]] = (-1, [])
        # Messages of attempts without a record, by step and attempt number.
        self._live: dict[tuple[int, int], deque[LiveLines]] = {}

    def append(self, record: Record) -> None:
        """Add a record."""
        self.records.append(record)
        if self._live and isinstance(record, Attempt):
            self._live.pop((record.step, record.attempt_number), None)

    def add_live_lines(self, lines: LiveLines) -> None:
        """Add lines of an attempt that still runs; the attempt's record will replace them."""
        attempt = (lines.step, lines.attempt_number)
        self._live.setdefault(attempt, deque(maxlen=_MOST_LIVE_MESSAGES)).append(lines)

    def batch_submitted(self, moment: float, calls: Sequence[Call]) -> None:
        """Note that the engine got a batch at ``moment``, in seconds since 1970."""
        self._submissions.append((moment, calls))

    def batch_ended(self, facts: BatchFacts) -> None:
        """Note facts about a batch; later facts replace earlier ones."""
        self._batches[facts.batch_id] = facts

    @property
    def keys(self) -> Sequence[str]:
        """Keys of the steps, by their indices."""
        steps = self._plan.steps
        self._keys.extend([steps[index].key for index in range(len(self._keys), len(steps))])
        return self._keys

    @property
    def predecessors(self) -> Sequence[Sequence[int]]:
        """Steps that each step takes values from."""
        return self._plan.predecessors

    @property
    def batches(self) -> Mapping[int, BatchFacts]:
        """Facts about batches, by the numbers that attempts have in ``batch``."""
        return self._batches

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""
        return self._plan.op_of(step).name

    @property
    def waits(self) -> list[Wait]:
        """Waits of the attempts so far, in the order in which the attempts started."""
        count, waits = self._waits
        if count != len(self.records) and self.placement is not None:
            began = next((each.timestamp for each in self.records if isinstance(each, Event)), 0.0)
            waits = explain_waits(
                self._plan, self.placement, began, self._submissions, self.attempts()
            )
            self._waits = len(self.records), waits
        return waits

    def expand(self, record: Record | LiveLines) -> Iterator[Event]:
        """Yield the events of one record, or of lines of a running attempt."""
        if isinstance(record, (Attempt, Successes)):
            return chain.from_iterable(map(self._expand_attempt, self.attempts_of(record)))
        job = self._plan.job_name
        if isinstance(record, ResourceRecord):
            return expand_resource(record, job_name=job)
        if isinstance(record, StepsRestored):  # Nothing happened in these steps.
            return iter(())
        if isinstance(record, LiveLines):
            return expand_live(record, self._plan.steps[record.step].key, job)
        return iter((expand_event(record, job, self._expanded[1]),))

    def _expand_attempt(self, attempt: Attempt) -> Iterator[Event]:
        key = self._plan.steps[attempt.step].key
        return expand_attempt(
            attempt,
            key,
            self._plan.upstream_names(attempt.step),
            self._blocked.get((attempt.step, attempt.attempt_number)),
            self._plan.job_name,
        )

    def attempts_of(self, record: Record) -> Iterator[Attempt]:
        """Yield the attempts of one record; records of other kinds have none."""
        if isinstance(record, Successes):
            yield from record.rows(self._plan.output_records)
        elif isinstance(record, Attempt):
            yield record

    def entries(self) -> Iterator[Event | Attempt | ResourceRecord | StepsRestored]:
        """Yield the records so far in their order, each success as an attempt of its own."""
        for record in self.records:
            if isinstance(record, Successes):
                yield from self.attempts_of(record)
            else:
                yield record

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts so far, in the order in which their results came back."""
        return chain.from_iterable(map(self.attempts_of, self.records))

    def events(self) -> Sequence[Event]:
        """Return the events so far in the order of their records.

        Once the run is over, they include waits for limits. Lines of attempts that never came back
        follow at the end.
        """
        count, events = self._expanded
        if self.is_over and not count:
            self._find_blocked()
        for record in self.records[count:]:
            events.extend(self.expand(record))
        self._expanded = (len(self.records), events)
        if self.is_over and self._live:
            for lines in sorted(
                chain.from_iterable(self._live.values()), key=lambda lines: lines.time
            ):
                events.extend(self.expand(lines))
            self._live = {}
        return events

    def _find_blocked(self) -> None:
        if self._is_blocked_complete:
            return
        self._is_blocked_complete = True
        limits = (
            {limit.name for limit in self.placement.limits} if self.placement is not None else set()
        )
        if not limits - {MAX_CONCURRENT}:
            return
        steps = self._plan.steps
        for wait in self.waits:
            if wait.is_blocked and wait.reason is not None:
                held_by = tuple([steps[each].key for each in wait.held_by])
                self._blocked[wait.step, wait.attempt_number] = StepBlockedData(
                    wait.reason, wait.seconds, held_by
                )

    @property
    def blocked(self) -> Mapping[tuple[int, int], StepBlockedData]:
        """Waits for limits of tags and pools, by step and attempt number; empty before the end."""
        if self.is_over and not self._expanded[0]:
            self._find_blocked()
        return self._blocked

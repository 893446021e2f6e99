"""The log of one run: packed rows as they arrive, events and waits when somebody reads them."""

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
    expand_live,
    expand_resource,
)
from rayexec.placement.limits import MAX_CONCURRENT, Placement
from rayexec.plan import Plan
from rayexec.plan.model import Call
from rayexec.scheduler.past_waits import Wait, explain_waits

__all__ = ["Record", "RunLog"]

_LIVE = 1_000  # messages of one attempt that goes on which are kept, the latest


class RunLog:
    """Keeps every record of a run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.records: list[Record] = []
        # What limits the run; None until it has started.
        self.placement: Placement | None = None
        self._submissions: list[tuple[float, Sequence[Call]]] = []
        # Whether nothing more will come.
        self.is_over = False
        self._blocked: dict[tuple[int, int], StepBlockedData] = {}
        self._expanded: tuple[int, list[Event]] = (0, [])
        self._waits: tuple[int, list[Wait]] = (-1, [])
        # What attempts that are not over were told of, by step and number.
        self._live: dict[tuple[int, int], deque[LiveLines]] = {}

    def append(self, record: Record) -> None:
        """Keep a record."""
        self.records.append(record)
        if self._live and isinstance(record, Attempt):
            self._live.pop((record.step, record.number), None)

    def tell(self, lines: LiveLines) -> None:
        """Keep what an attempt has logged and printed until it is recorded itself."""
        self._live.setdefault((lines.step, lines.number), deque(maxlen=_LIVE)).append(lines)

    def submitted(self, moment: float, calls: Sequence[Call]) -> None:
        """Keep that a batch was handed to the engine at ``moment`` (seconds since 1970)."""
        self._submissions.append((moment, calls))

    @property
    def waits(self) -> list[Wait]:
        """How each attempt so far came to start, in the order in which they did."""
        count, waits = self._waits
        if count != len(self.records) and self.placement is not None:
            began = next((each.timestamp for each in self.records if isinstance(each, Event)), 0.0)
            waits = explain_waits(
                self._plan, self.placement, began, self._submissions, self.attempts()
            )
            self._waits = len(self.records), waits
        return waits

    def expand(self, record: Record | LiveLines) -> Iterator[Event]:
        """Yield the events that a record stands for, or what is known of an attempt before there is
        one.
        """
        if isinstance(record, (Attempt, Successes)):
            return chain.from_iterable(map(self._expand_attempt, self.rows(record)))
        if isinstance(record, ResourceRecord):
            return expand_resource(record)
        if isinstance(record, StepsRestored):  # nothing happened
            return iter(())
        if isinstance(record, LiveLines):
            return expand_live(record, self._plan.steps[record.step].key)
        return iter((record,))

    def _expand_attempt(self, attempt: Attempt) -> Iterator[Event]:
        key = self._plan.steps[attempt.step].key
        return expand_attempt(
            attempt,
            key,
            self._plan.upstream_names(attempt.step),
            self._blocked.get((attempt.step, attempt.number)),
        )

    def rows(self, record: Record) -> Iterator[Attempt]:
        """Yield the attempts that a record tells of, none where it tells of something else."""
        if isinstance(record, Successes):
            yield from record.rows(self._plan.output_records)
        elif isinstance(record, Attempt):
            yield record

    @property
    def events(self) -> list[Event]:
        """All events so far, in the order of the records; once the run is over also what limits
        kept steps waiting.

        Behind them then what was told of attempts that never came back.
        """
        count, events = self._expanded
        if self.is_over and not count:
            self._find_blocked()
        for record in self.records[count:]:
            events.extend(self.expand(record))
        self._expanded = (len(self.records), events)
        if self.is_over and self._live:
            for lines in sorted(
                chain.from_iterable(self._live.values()), key=lambda each: each.time
            ):
                events.extend(self.expand(lines))
            self._live = {}
        return events

    def _find_blocked(self) -> None:
        """Look which steps waited for a limit of tags or pools, where there is one."""
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
        """Which attempts, by step and number, a limit of tags or pools kept waiting; none before
        the run is over.
        """
        if self.is_over and not self._blocked and not self._expanded[0]:
            self._find_blocked()
        return self._blocked

    @property
    def keys(self) -> list[str]:
        """The keys of the steps so far, by index."""
        return [step.key for step in self._plan.steps]

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""
        return self._plan.op_of(step).name

    @property
    def predecessors(self) -> Sequence[Sequence[int]]:
        """For each step the steps before it."""
        return self._plan.predecessors

    @property
    def batches(self) -> Mapping[int, BatchFacts]:
        """Facts of batches by number; only a stored log has any."""
        return {}

    def entries(self) -> Iterator[Event | Attempt | ResourceRecord | StepsRestored]:
        """Yield the records so far in order; plain successes as attempts like any other."""
        for record in self.records:
            if isinstance(record, Successes):
                yield from self.rows(record)
            else:
                yield record

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts so far, in the order in which they came back."""
        return chain.from_iterable(map(self.rows, self.records))

"""Log of a run as a store has it, read without the code of the job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from rayexec.events import (
    DRIVER_BATCH,
    FAILURE,
    UNKNOWN_BYTES,
    Attempt,
    BatchFacts,
    DeliveredLines,
    Event,
    LiveLines,
    OutputRecord,
    ResourceRecord,
    StepBlockedData,
    StepsRestored,
    blocked_event,
    expand_attempt,
    expand_event,
    expand_live,
    expand_resource,
)
from rayexec.store.base import RunReader
from rayexec.store.columns import (
    ATTEMPT,
    BATCH,
    BLOCKED,
    EVENT,
    LIVE,
    PLAIN,
    RECORDS,
    RESTORED,
    StepSignature,
    kind_of,
    new_signatures,
    open_frame,
)
from rayexec.store.encoding import read_attempt, read_batch, read_event, read_live, read_text
from rayexec.store.frames import HEADER_BYTES, FrameReader

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FollowedLog", "StoredLog"]

_COLUMNS = ("kind", "step", "number", "outcome", "started", "ended", "pid", "detail")
# Columns that logs of schema version 1 lack, and the value that their rows have there.
_LATER_COLUMNS = {"slice": DRIVER_BATCH, "output_bytes": UNKNOWN_BYTES}


class StoredLog:
    """Log of a run up to the last ``read_on``: the steps of the run, and its records in order."""

    def __init__(self, reader: RunReader) -> None:
        self.keys: list[str] = []
        #: Bytes of the frames so far, and bytes behind them.
        self.read_bytes = 0
        self.unread_bytes = 0
        #: Whether the bytes behind are more than the beginning of one frame, as a writer leaves it
        #: that is killed, or as it writes it now.
        self.is_damaged = False
        self._reader = reader
        self._step_tables: list[pa.Table] = []
        self._signatures: list[StepSignature] = []  # by step
        self._signature_of: dict[int, StepSignature] = {}  # by the log's numbers
        self._tables: list[pa.Table] = []
        # Each of these comes from the first tables only, as many as its count says.
        self._predecessors: list[Sequence[int]] | None = []
        self._predecessor_tables = 0
        self._batches: dict[int, BatchFacts] = {}
        self._batch_tables = 0
        self._blocked: dict[tuple[int, int], StepBlockedData] = {}
        self._blocked_tables = 0
        self._failure: list[Event] = []  # the first one of a step, once it is expanded
        self.read_on()

    def read_on(self) -> None:
        """Read the frames that were added since; raises StoreError as the store does."""
        frames = FrameReader(self._reader.log(self.read_bytes))
        for body in frames:
            self.read_bytes += HEADER_BYTES + len(body)
            table = open_frame(body)
            if kind_of(table) == RECORDS:
                self._tables.append(table)
                continue
            self._signature_of |= new_signatures(table)
            columns = (table[name].to_pylist() for name in ("step", "key", "form"))
            for step, key, form in zip(*columns, strict=True):
                if step < len(self.keys):
                    self._signatures[step] = self._signature_of[form]
                else:
                    self.keys.append(key)
                    self._signatures.append(self._signature_of[form])
            self._step_tables.append(table)
        self.unread_bytes, self.is_damaged = frames.unread_bytes, frames.is_damaged

    @property
    def predecessors(self) -> Sequence[Sequence[int]] | None:
        """Steps that each step takes values from; None where an older rayexec recorded none."""
        predecessors = self._predecessors
        if predecessors is None:
            return None
        predecessors.extend([()] * (len(self.keys) - len(predecessors)))
        for table in self._step_tables[self._predecessor_tables :]:
            if "after" not in table.column_names:
                self._predecessors = None
                return None
            columns: list[list[Any]] = [table[name].to_pylist() for name in ("step", "after")]
            for step, after in zip(*columns, strict=True):
                predecessors[step] = after
        self._predecessor_tables = len(self._step_tables)
        return predecessors

    @property
    def batches(self) -> Mapping[int, BatchFacts]:
        """Facts about batches, by the numbers that attempts have in ``batch``.

        A log of schema version 1 has none.
        """
        from pyarrow import compute

        for table in self._tables[self._batch_tables :]:
            if "slice" not in table.column_names:
                continue
            rows = table.filter(compute.field("kind") == BATCH)
            names = ("detail", "slice", "started", "ended", "pid")
            for row in zip(*(rows[name].to_pylist() for name in names), strict=True):
                facts = read_batch(*row)
                self._batches[facts.batch_id] = facts
        self._batch_tables = len(self._tables)
        return self._batches

    @property
    def blocked(self) -> Mapping[tuple[int, int], StepBlockedData]:
        """Waits for limits of tags and pools, by step and attempt number; empty before the end."""
        from pyarrow import compute

        for table in reversed(self._tables[self._blocked_tables :]):
            rows = table.filter(compute.field("kind") == BLOCKED)
            if not rows.num_rows:  # A run writes its waits last.
                break
            for step, attempt_number, detail in zip(
                *(rows[name].to_pylist() for name in ("step", "number", "detail")), strict=True
            ):
                self._blocked[step, attempt_number] = read_text(detail)
        self._blocked_tables = len(self._tables)
        return self._blocked

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""
        return self._signatures[step].op

    def spent(self) -> dict[str, tuple[int, float]]:
        """Return the number of attempts of each op, and their seconds in total."""
        from pyarrow import compute

        spent: dict[str, tuple[int, float]] = {}
        for table in self._tables:
            rows = table.filter(compute.field("kind").isin([PLAIN, ATTEMPT]))
            took = rows.append_column("took", compute.subtract(rows["ended"], rows["started"]))
            sums = took.group_by("step").aggregate([("took", "sum"), ("took", "count")])
            names = ("step", "took_sum", "took_count")
            for step, seconds, count in zip(
                *(sums[name].to_pylist() for name in names), strict=True
            ):
                attempts, before = spent.get(op := self.op_of(step), (0, 0.0))
                spent[op] = attempts + count, before + seconds
        return spent

    def __len__(self) -> int:
        """Return the number of records, live lines included."""
        return sum(table.num_rows for table in self._tables)

    def _rows(self, first: int = 0) -> Iterator[tuple[Any, ...]]:
        for table in self._tables[first:]:
            columns = [table[name].to_pylist() for name in _COLUMNS]
            later = [
                table[name].to_pylist()
                if name in table.column_names
                else itertools.repeat(absent, table.num_rows)
                for name, absent in _LATER_COLUMNS.items()
            ]
            yield from zip(*columns, *later, strict=True)

    def _live(self) -> list[LiveLines]:
        """Return the lines of attempts without a record, in the order of their times."""
        from pyarrow import compute

        first = next(
            (
                index
                for index, table in enumerate(self._tables)
                if compute.min(table["kind"]).as_py() == LIVE
            ),
            len(self._tables),
        )
        left: dict[tuple[int, int], list[LiveLines]] = {}
        for kind, step, attempt_number, _, moment, _, pid, detail, *_ in self._rows(first):
            if kind == LIVE:
                left.setdefault((step, attempt_number), []).append(
                    _live_lines(step, attempt_number, moment, pid, detail)
                )
            elif kind in (PLAIN, ATTEMPT):
                left.pop((step, attempt_number), None)
        return sorted(
            (lines for parts in left.values() for lines in parts), key=lambda part: part.time
        )

    def entries(self) -> Iterator[Event | Attempt | ResourceRecord | StepsRestored]:
        """Yield the records in their order, each success as an attempt of its own."""
        return (each for each in self._records() if not isinstance(each, LiveLines | _Blocked))

    def _records(
        self, first: int = 0
    ) -> Iterator[Event | Attempt | ResourceRecord | StepsRestored | LiveLines | _Blocked]:
        outputs_of = {
            each: tuple(map(OutputRecord, each.outputs)) for each in set(self._signatures)
        }
        for (
            kind,
            step,
            attempt_number,
            outcome,
            started,
            ended,
            pid,
            detail,
            batch,
            size,
        ) in self._rows(first):
            if kind == PLAIN:
                outputs = outputs_of[self._signatures[step]]
                yield Attempt(
                    step,
                    attempt_number,
                    outcome,
                    started,
                    ended,
                    outputs,
                    pid=pid,
                    batch=batch,
                    output_bytes=size,
                )
            elif kind == ATTEMPT:
                rest = {"outputs": outputs_of[self._signatures[step]], **read_attempt(detail)}
                yield Attempt(
                    step,
                    attempt_number,
                    outcome,
                    started,
                    ended,
                    pid=pid,
                    batch=batch,
                    output_bytes=size,
                    **rest,
                )
            elif kind == EVENT:
                yield read_event(detail, started)
            elif kind == LIVE:
                yield _live_lines(step, attempt_number, started, pid, detail)
            elif kind == BLOCKED:
                yield _Blocked(step, attempt_number, read_text(detail))
            elif kind == RESTORED:
                yield StepsRestored((int(step or 0),))
            elif kind != BATCH:
                yield read_text(detail)

    def ended_steps(self) -> int:
        """Return the number of steps with an attempt, or with the outputs of the previous run."""
        from pyarrow import compute

        steps: set[Any] = set()
        for table in self._tables:
            rows = table.filter(compute.field("kind").isin([PLAIN, ATTEMPT, RESTORED]))
            steps.update(compute.unique(rows["step"]).to_pylist())
        return len(steps)

    def restored_steps(self) -> Iterator[int]:
        """Yield the steps that have the outputs of the previous run; some may have run later."""
        for table in self._tables:
            kinds, steps = table["kind"].to_pylist(), table["step"].to_pylist()
            yield from (
                int(step or 0) for kind, step in zip(kinds, steps, strict=True) if kind == RESTORED
            )

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts, in the order in which their results came back."""
        return (record for record in self.entries() if isinstance(record, Attempt))

    def events(self) -> Iterator[Event]:
        """Yield the events of the run in the order of its records, as the run's result has them.

        Lines of attempts without a record follow at the end: they still run, or they never came
        back.
        """
        blocked = self.blocked
        for record in self.entries():
            yield from self._expand(record, blocked)
        for lines in self._live():
            yield from expand_live(lines, self.keys[lines.step], self._job_name)

    def _expand(
        self,
        record: Event | Attempt | ResourceRecord | StepsRestored,
        blocked: Mapping[tuple[int, int], StepBlockedData],
    ) -> Iterator[Event]:
        if isinstance(record, Attempt):
            return self._expand_attempt(record, blocked.get((record.step, record.attempt_number)))
        if isinstance(record, StepsRestored):  # Nothing happened in these steps.
            return iter(())
        if isinstance(record, ResourceRecord):
            return expand_resource(record, job_name=self._job_name)
        return iter((expand_event(record, self._job_name, self._failure),))

    def _expand_attempt(self, attempt: Attempt, blocked: StepBlockedData | None) -> Iterator[Event]:
        key, inputs = self.keys[attempt.step], self._signatures[attempt.step].inputs
        events = expand_attempt(attempt, key, inputs, blocked, self._job_name)
        if attempt.outcome != FAILURE or self._failure:
            return events
        expanded = list(events)
        self._failure = [event for event in expanded if event.is_step_failure]
        return iter(expanded)

    @cached_property
    def _job_name(self) -> str:
        return self._reader.record().job_name


def _live_lines(step: int, attempt_number: int, moment: float, pid: int, detail: str) -> LiveLines:
    return LiveLines(step, attempt_number, pid, moment, **read_live(detail))


class _Blocked(NamedTuple):
    """Wait of an attempt for a limit; a run records them at its end."""

    step: int
    attempt_number: int
    data: StepBlockedData


class FollowedLog(StoredLog):
    """Log of a run that somebody follows: each call of ``news`` yields only the later events."""

    def __init__(self, reader: RunReader) -> None:
        super().__init__(reader)
        self._delivered = DeliveredLines()
        self._followed_tables: int | None = None  # with events that ``news`` has yielded
        self._starts: dict[tuple[int, int], float] = {}  # of attempts, by step and attempt number
        self._start_tables = 0

    def news(self) -> Iterator[Event]:
        """Yield the events since the last call; the first call yields all.

        Lines of a step that still runs come at once, and not again with its attempt. Waits for
        limits come last, as the run records them.
        """
        self.read_on()
        first, self._followed_tables = self._followed_tables, len(self._tables)
        if first is None:
            for lines in self._live():
                self._delivered.add(lines)
            yield from self.events()
            return
        for record in self._records(first):
            if isinstance(record, LiveLines):
                self._delivered.add(record)
                yield from expand_live(record, self.keys[record.step], self._job_name)
            elif isinstance(record, _Blocked):
                yield from self._waited(record)
            else:
                yield from self._expand(
                    self._delivered.remainder_of(record) if isinstance(record, Attempt) else record,
                    {},
                )

    def _waited(self, blocked: _Blocked) -> Iterator[Event]:
        started = self._start_of(blocked.step, blocked.attempt_number)
        if started is not None:
            key = self.keys[blocked.step]
            yield blocked_event(key, started, blocked.data, self._job_name)

    def _start_of(self, step: int, attempt_number: int) -> float | None:
        for kind, of_step, of_number, _, started, *_ in self._rows(self._start_tables):
            if kind in (PLAIN, ATTEMPT):
                self._starts[of_step, of_number] = started
        self._start_tables = len(self._tables)
        return self._starts.get((step, attempt_number))

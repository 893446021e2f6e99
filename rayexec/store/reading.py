"""Reading the log of a run, whether or not it is over, without the code of its job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from rayexec.events import (
    DRIVER_BATCH,
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
    new_forms,
    open_frame,
)
from rayexec.store.encoding import read_attempt, read_batch, read_event, read_live, read_text
from rayexec.store.frames import HEAD, whole_frames

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FollowedLog", "StoredLog"]

_COLUMNS = ("kind", "step", "number", "outcome", "started", "ended", "pid", "detail")
# What schema version 1 lacks, and what stands for it.
_LATER = {"slice": DRIVER_BATCH, "output_bytes": UNKNOWN_BYTES}


class StoredLog:
    """The log of a run as it was written up to now: its steps, and its records in their order."""

    def __init__(self, reader: RunReader) -> None:
        self.keys: list[str] = []
        self._reader = reader
        self._place = 0  # bytes that were read
        self._steps: list[pa.Table] = []
        self._forms: list[StepSignature] = []
        self._known: dict[int, StepSignature] = {}
        self._tables: list[pa.Table] = []
        self.read_on()

    def read_on(self) -> None:
        """Read what was written since; raises StoreError as the store does."""
        for body in whole_frames(self._reader.log(self._place)):
            self._place += HEAD + len(body)
            table = open_frame(body)
            if kind_of(table) == RECORDS:
                self._tables.append(table)
                continue
            self._known |= new_forms(table)
            columns = (table[name].to_pylist() for name in ("step", "key", "form"))
            for step, key, form in zip(*columns, strict=True):
                if step < len(self.keys):
                    self._forms[step] = self._known[form]
                else:
                    self.keys.append(key)
                    self._forms.append(self._known[form])
            self._steps.append(table)

    @cached_property
    def predecessors(self) -> Sequence[Sequence[int]] | None:
        """For each step those that it takes anything from; None for a log of an older rayexec,
        which kept none.
        """
        found: list[Any] = [()] * len(self.keys)
        for table in self._steps:
            if "after" not in table.column_names:
                return None
            columns: list[list[Any]] = [table[name].to_pylist() for name in ("step", "after")]
            for step, after in zip(*columns, strict=True):
                found[step] = after
        return found

    @property
    def blocked(self) -> Mapping[tuple[int, int], StepBlockedData]:
        """Which attempts, by step and number, a limit kept waiting, as far as it was recorded."""
        return self._blocked()

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""
        return self._forms[step].op

    def spent(self) -> dict[str, tuple[int, float]]:
        """Return how often the steps of each op were tried, and the seconds that took in all."""
        from pyarrow import compute

        found: dict[str, tuple[int, float]] = {}
        for table in self._tables:
            rows = table.filter(compute.field("kind").isin([PLAIN, ATTEMPT]))
            took = rows.append_column("took", compute.subtract(rows["ended"], rows["started"]))
            sums = took.group_by("step").aggregate([("took", "sum"), ("took", "count")])
            names = ("step", "took_sum", "took_count")
            for step, seconds, count in zip(
                *(sums[name].to_pylist() for name in names), strict=True
            ):
                attempts, before = found.get(op := self.op_of(step), (0, 0.0))
                found[op] = attempts + count, before + seconds
        return found

    def __len__(self) -> int:
        """Return the number of records, those included that were provisional."""
        return sum(table.num_rows for table in self._tables)

    def _rows(self, first: int = 0) -> Iterator[tuple[Any, ...]]:
        for table in self._tables[first:]:
            found = [table[name].to_pylist() for name in _COLUMNS]
            more = [
                table[name].to_pylist()
                if name in table.column_names
                else itertools.repeat(absent, table.num_rows)
                for name, absent in _LATER.items()
            ]
            yield from zip(*found, *more, strict=True)

    @cached_property
    def batches(self) -> Mapping[int, BatchFacts]:
        """What is known of batches, by their numbers; of a log that an older rayexec wrote nothing."""
        from pyarrow import compute

        found = {}
        for table in self._tables:
            if "slice" in table.column_names:
                of_batches = table.filter(compute.field("kind") == BATCH)
                names = ("detail", "slice", "started", "ended", "pid")
                for row in zip(*(of_batches[name].to_pylist() for name in names), strict=True):
                    facts = read_batch(*row)
                    found[facts.number] = facts
        return found

    def _blocked(self) -> dict[tuple[int, int], StepBlockedData]:
        from pyarrow import compute

        found = {}
        for table in reversed(self._tables):  # they are the last that a run writes
            rows = table.filter(compute.field("kind") == BLOCKED)
            if not rows.num_rows:
                break
            for step, number, detail in zip(
                *(rows[name].to_pylist() for name in ("step", "number", "detail")), strict=True
            ):
                found[step, number] = read_text(detail)
        return found

    def _live(self) -> list[LiveLines]:
        """What was told of attempts that are not recorded, by when it was."""
        from pyarrow import compute

        told = [
            place
            for place, table in enumerate(self._tables)
            if compute.min(table["kind"]).as_py() == LIVE
        ]
        left: dict[tuple[int, int], list[LiveLines]] = {}
        for kind, step, number, _, moment, _, pid, detail, *_ in (
            self._rows(told[0]) if told else ()
        ):
            if kind == LIVE:
                left.setdefault((step, number), []).append(
                    _live_lines(step, number, moment, pid, detail)
                )
            elif kind in (PLAIN, ATTEMPT):
                left.pop((step, number), None)
        return sorted(
            (each for lines in left.values() for each in lines), key=lambda each: each.time
        )

    def entries(self) -> Iterator[Event | Attempt | ResourceRecord | StepsRestored]:
        """Yield the records in order; plain successes as attempts like any other."""
        return (each for each in self._records() if not isinstance(each, LiveLines | _Blocked))

    def _records(
        self, first: int = 0
    ) -> Iterator[Event | Attempt | ResourceRecord | StepsRestored | LiveLines | _Blocked]:
        made = {form: tuple(map(OutputRecord, form.outputs)) for form in set(self._forms)}
        for kind, step, number, outcome, started, ended, pid, detail, place, size in self._rows(
            first
        ):
            if kind == PLAIN:
                outputs = made[self._forms[step]]
                yield Attempt(
                    step,
                    number,
                    outcome,
                    started,
                    ended,
                    outputs,
                    pid=pid,
                    batch=place,
                    output_bytes=size,
                )
            elif kind == ATTEMPT:
                rest = {"outputs": made[self._forms[step]], **read_attempt(detail)}
                yield Attempt(
                    step,
                    number,
                    outcome,
                    started,
                    ended,
                    pid=pid,
                    batch=place,
                    output_bytes=size,
                    **rest,
                )
            elif kind == EVENT:
                yield read_event(detail, started)
            elif kind == LIVE:
                yield _live_lines(step, number, started, pid, detail)
            elif kind == BLOCKED:
                yield _Blocked(step, number, read_text(detail))
            elif kind == RESTORED:
                yield StepsRestored((int(step or 0),))
            elif kind != BATCH:
                yield read_text(detail)

    def restored(self) -> Iterator[int]:
        """Yield the steps that did not run, since an earlier run has what they yielded."""
        for table in self._tables:
            kinds, steps = table["kind"].to_pylist(), table["step"].to_pylist()
            yield from (
                int(step or 0) for kind, step in zip(kinds, steps, strict=True) if kind == RESTORED
            )

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts, in the order in which they came back."""
        return (record for record in self.entries() if isinstance(record, Attempt))

    def events(self) -> Iterator[Event]:
        """Yield the events that the records stand for, as the run's own result has them.

        Behind them those of what attempts that are not recorded, since they go on or never came
        back, were told of.
        """
        blocked = self._blocked()
        for record in self.entries():
            yield from self._expand(record, blocked)
        for lines in self._live():
            yield from expand_live(lines, self.keys[lines.step])

    def _expand(
        self,
        record: Event | Attempt | ResourceRecord | StepsRestored,
        blocked: Mapping[tuple[int, int], StepBlockedData],
    ) -> Iterator[Event]:
        if isinstance(record, Attempt):
            step, number = record.step, record.number
            return expand_attempt(
                record, self.keys[step], self._forms[step].inputs, blocked.get((step, number))
            )
        if isinstance(record, StepsRestored):  # it stands for no event
            return iter(())
        return expand_resource(record) if isinstance(record, ResourceRecord) else iter((record,))


def _live_lines(step: int, number: int, moment: float, pid: int, detail: str) -> LiveLines:
    return LiveLines(step, number, pid, moment, **read_live(detail))


class _Blocked(NamedTuple):
    """That a limit kept an attempt waiting, which is recorded at the end of the run."""

    step: int
    number: int
    data: StepBlockedData


class FollowedLog(StoredLog):
    """A log that is read on while it is written."""

    def __init__(self, reader: RunReader) -> None:
        super().__init__(reader)
        self._delivered = DeliveredLines()
        self._seen: int | None = None  # tables whose events were yielded

    def news(self) -> Iterator[Event]:
        """Yield the events recorded since the last call; of the first one, all there are.

        What a step that goes on logged and printed comes as it is told, and no second time with its
        attempt. What kept attempts waiting, which is recorded last, comes last.
        """
        self.read_on()
        first, self._seen = self._seen, len(self._tables)
        if first is None:
            for lines in self._live():
                self._delivered.add(lines)
            yield from self.events()
            return
        for record in self._records(first):
            if isinstance(record, LiveLines):
                self._delivered.add(record)
                yield from expand_live(record, self.keys[record.step])
            elif isinstance(record, _Blocked):
                yield from self._waited(record)
            else:
                yield from self._expand(
                    self._delivered.remainder_of(record) if isinstance(record, Attempt) else record,
                    {},
                )

    def _waited(self, blocked: _Blocked) -> Iterator[Event]:
        started = self._starts.get((blocked.step, blocked.number))
        if started is not None:
            yield blocked_event(self.keys[blocked.step], started, blocked.data)

    @cached_property
    def _starts(self) -> dict[tuple[int, int], float]:
        """When each attempt started; asked for once the run is over."""
        return {
            (step, number): started
            for kind, step, number, _, started, *_ in self._rows()
            if kind in (PLAIN, ATTEMPT)
        }

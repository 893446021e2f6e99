"""Columns of one recorded run, as its log fills them.

It is for runs of a million steps, also while they last: ``read_on`` reads what came since. All
readers of a run may share one; calls come one after another.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rayexec.errors import StoreError
from rayexec.events import FAILURE, RETRY, SUCCESS, BatchFacts, StepEnd, counts_by_end
from rayexec.store.base import RunReader, current
from rayexec.store.columns import ATTEMPT, BATCH, BLOCKED, EVENT, PLAIN, RECORDS, RESTORED
from rayexec.store.encoding import read_attempt
from rayexec.store.log_frames import LogFrames
from rayexec.store.record import RunRecord, is_over
from rayexec.views.arrow_columns import equal, equal_any, numbers_of, record_columns, within
from rayexec.views.attempt_columns import AttemptColumns
from rayexec.views.lanes import Lanes
from rayexec.views.step_columns import END_CODES, NOT_RUN, StepColumns

__all__ = ["BlockedRow", "ReadColumns"]

# Frames are decoded together, up to so many rows or bytes.
_MOST_ROWS, _MOST_BYTES = 200_000, 32 * 1024 * 1024
_END_OF_OUTCOME = {
    SUCCESS: END_CODES[StepEnd.SUCCEEDED],
    FAILURE: END_CODES[StepEnd.FAILED],
    RETRY: NOT_RUN,
}
_REUSED, _SKIPPED = END_CODES[StepEnd.REUSED], END_CODES[StepEnd.SKIPPED]
_PLAINLY_REUSED = '{"reused": {"$": "Reused", '


class BlockedRow(NamedTuple):
    """Wait of an attempt for a limit, by the index of the limit's name."""

    limit: int
    seconds: float
    held_by: tuple[str, ...]


class ReadColumns:
    """Columns of a run up to the last ``read_on``; raises StoreError as the store does."""

    def __init__(self, reader: RunReader) -> None:
        self.reader = reader
        self.frames = LogFrames(reader)
        self.steps = StepColumns()
        self.attempts = AttemptColumns()
        self.batches: dict[int, BatchFacts] = {}
        self.lanes = Lanes(self.batches)
        #: The record of the run, and the number of changes since the first one.
        self.record: RunRecord = current(reader)
        self.version = 0
        #: Names of limits that attempts waited for.
        self.limits: list[str] = []
        self.blocked: dict[tuple[int, int], BlockedRow] = {}
        # Attempts that waited, and the number of all attempts when that became known.
        self.wait_rows, self.wait_seen = array("i"), array("i")
        # Steps that ended without a row that says so, and the number of attempts likewise.
        self.ended_steps_apart, self.ended_seen = array("i"), array("i")
        #: Limits of the run as its first event names them.
        self.run_limits: list[dict[str, Any]] = []
        #: Text of the event with the failure of the run as a whole.
        self.failure_text: str | None = None
        #: Moment of the latest record; 0 for none.
        self.latest = 0.0
        self.restored_count = 0
        #: Frames with records, and the number of records before each.
        self.record_frames, self.first_records = array("q"), array("q")
        self.record_count = 0
        self._open: list[tuple[int, Any]] = []  # frames that are not in the columns yet
        self._steps_with_rows = bytearray()
        # The number of steps after a look that brought some, and of attempts before that look.
        self._steps_after, self._rows_before = array("i"), array("i")
        self.read_on()

    @property
    def epoch(self) -> float:
        """Start of the run, in seconds since 1970."""
        return self.record.start_time

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, and its log is read whole."""
        return is_over(self.record)

    def read_on(self, record: RunRecord | None = None) -> bool:
        """Read the frames that were added since; return whether anything changed.

        ``record`` is that of the run a moment ago, for a caller who has just read it.
        """
        # The record comes first, so that no records can follow an end.
        record = record or current(self.reader)
        has_news = record != self.record
        steps_before, rows_before = len(self.steps), len(self.attempts)
        rows = size = 0
        for frame in self.frames.read_on():
            has_news = True
            if frame.kind != RECORDS:
                self._add_open()
                self.steps.add(frame.table)
                rows = size = 0
                continue
            table = record_columns(frame.table)
            self.record_frames.append(frame.position)
            self.first_records.append(self.record_count)
            self.record_count += table.num_rows
            self._open.append((frame.position, table))
            rows, size = rows + table.num_rows, size + table.nbytes
            if rows > _MOST_ROWS or size > _MOST_BYTES:
                self._add_open()
                rows = size = 0
        self._add_open()
        self.record = record
        self.version += has_news
        if len(self.steps) > steps_before:
            self._steps_after.append(len(self.steps))
            self._rows_before.append(rows_before)
        return has_news

    def _add_open(self) -> None:
        """Add the open frames to the columns."""
        import pyarrow as pa
        from pyarrow import compute

        if not self._open:
            return
        opened, self._open = self._open, []
        before = len(self.attempts)
        table = pa.concat_tables([each for _, each in opened])
        is_valid = within(table["step"], 0, len(self.steps))
        is_attempt = compute.and_(equal_any(table["kind"], PLAIN, ATTEMPT), is_valid)
        first = before
        row = 0
        for index, part in opened:
            count = compute.sum(is_attempt.slice(row, part.num_rows)).as_py() or 0
            if count:
                self.attempts.begin_frame(index, first)
            first, row = first + count, row + part.num_rows
        is_end = equal_any(table["kind"], RESTORED, EVENT)
        others = table.filter(equal_any(table["kind"], BATCH, BLOCKED))
        new_batches = self._add_batches(others.filter(equal(others["kind"], BATCH)))
        attempts = table.filter(is_attempt)
        self.attempts.add(attempts)
        if len(attempts):
            self.lanes.add(attempts["slice"], attempts["pid"])
            self.latest = max(self.latest, compute.max(attempts["ended"]).as_py())
        for batch in new_batches:
            self.lanes.facts_came(batch, len(self.attempts))
        self._add_ends(table.filter(compute.or_(is_attempt, is_end)))
        self._add_waits(others.filter(equal(others["kind"], BLOCKED)), before)

    def _add_batches(self, rows: Any) -> list[int]:
        names = ("slice", "started", "ended", "pid", "detail")
        batch_ids = []
        for detail, batch, began, ended, pid in _with_documents(rows, names):
            known_fields = {name: detail[name] for name in BatchFacts._fields if name in detail}
            self.batches[batch] = BatchFacts(
                batch, **{**known_fields, "began": began, "ended": ended, "pid": pid}
            )
            batch_ids.append(batch)
        return batch_ids

    def _add_ends(self, rows: Any) -> None:
        """Note the ends of steps; the last record of a step decides."""
        steps, kinds = numbers_of(rows["step"]), numbers_of(rows["kind"])
        codes = array("b", [_END_OF_OUTCOME.get(each, NOT_RUN) for each in rows_outcomes(rows)])
        apart: dict[int, tuple[int, int]] = {}  # step and code, by position
        apart.update({row: (steps[row], _REUSED) for row in self._reused(rows)})
        if kinds.count(RESTORED):
            restored = [row for row, kind in enumerate(kinds) if kind == RESTORED]
            self.restored_count += len(restored)
            apart.update({row: (steps[row], _REUSED) for row in restored})
        apart.update(self._ends_by_events(rows, kinds))
        ends, seen, count = self.steps.ends, len(self.attempts), len(self.steps)
        has_row = self._steps_with_rows
        has_row.extend(bytes(count - len(has_row)))
        if not kinds.count(EVENT) and not apart:
            for step, code in zip(steps, codes, strict=True):
                ends[step] = code
                has_row[step] = 1
            return
        for row, kind in enumerate(kinds):
            if kind == EVENT and row not in apart:
                continue
            step, code = apart.get(row, (steps[row], codes[row]))
            if not 0 <= step < count:
                continue
            if row in apart:
                self.ended_steps_apart.append(step)
                self.ended_seen.append(seen)
            ends[step] = code
            if kind != EVENT:
                has_row[step] = 1

    def _reused(self, rows: Any) -> list[int]:
        """Return the positions of successes whose outputs came from elsewhere."""
        from pyarrow import compute

        may_be = compute.and_(
            equal(rows["kind"], ATTEMPT),
            compute.match_substring(rows["detail"], '"reused": {'),
        )
        positions = [int(each) for each in numbers_of_wide(compute.indices_nonzero(may_be))]
        details = rows["detail"].take(compute.indices_nonzero(may_be)).to_pylist()
        outcomes = rows_outcomes(rows)
        return [
            row
            for row, detail in zip(positions, details, strict=True)
            if outcomes[row] == SUCCESS
            and (detail.startswith(_PLAINLY_REUSED) or read_attempt(detail).get("reused"))
        ]

    def _ends_by_events(
        self, rows: Any, kinds: Sequence[int]
    ) -> Iterator[tuple[int, tuple[int, int]]]:

        positions = [row for row, kind in enumerate(kinds) if kind == EVENT]
        if not positions:
            return
        events = rows.filter(equal(rows["kind"], EVENT))
        named: list[tuple[int, str, int]] = []
        documents = _with_documents(events, ("started", "detail"))
        for row, (document, moment) in zip(positions, documents, strict=True):
            self.latest = max(self.latest, moment)
            data = document.get("data")
            if document["type"] == "STEP_SKIPPED":
                named.append((row, str(document.get("key") or ""), _SKIPPED))
            elif document["type"] == "RUN_START" and isinstance(data, dict):
                self.run_limits = list(data.get("limits") or ())
            elif isinstance(data, dict) and "not_run" in data:
                named.append((row, str(data["not_run"]), NOT_RUN))
            elif document["type"] == "RUN_FAILURE" and isinstance(data, dict):
                self.failure_text = json.dumps(document)
        steps = self.steps.steps_of([key for _, key, _ in named]) if named else []
        for (row, _, code), step in zip(named, steps, strict=True):
            yield row, (-1 if step is None else step, code)

    def _add_waits(self, rows: Any, before: int) -> None:
        """Note waits for limits; attempts before ``before`` were there already."""
        names = ("step", "number", "detail")
        for document, step, attempt_number in _with_documents(rows, names):
            name = str(document.get("limit", ""))
            if name not in self.limits:
                self.limits.append(name)
            held_by = document.get("held_by") or {}
            holders = held_by.get("of", ()) if isinstance(held_by, dict) else held_by
            self.blocked[step, attempt_number] = BlockedRow(
                self.limits.index(name), float(document.get("seconds", 0.0)), tuple(holders)
            )
        if not self.blocked:
            return
        attempts, seen = self.attempts, len(self.attempts)
        first = 0 if len(rows) else before
        pairs = zip(attempts.step[first:], attempts.attempt_number[first:], strict=True)
        had = set(self.wait_rows) if first == 0 else ()
        for row, pair in enumerate(pairs, first):
            if pair in self.blocked and row not in had:
                self.wait_rows.append(row)
                self.wait_seen.append(seen)

    def steps_when(self, rows: int) -> int:
        """Return the number of steps that a reader of the first ``rows`` attempts has at least."""
        index = bisect_left(self._rows_before, rows)
        return self._steps_after[index - 1] if index else 0

    def wait_of(self, row: int) -> BlockedRow | None:
        """Return the wait of an attempt for a limit, None for none."""
        return self.blocked.get((self.attempts.step[row], self.attempts.attempt_number[row]))

    def key(self, step: int) -> str:
        """Return the key of a step."""
        return self.steps.key(step)

    def keys(self, steps: Iterable[int]) -> dict[int, str]:
        """Return the keys of steps by index, without those that the run has not."""
        return {step: self.steps.key(step) for step in steps if 0 <= step < len(self.steps)}

    def step_of(self, key: str) -> int | None:
        """Return the index of a step, None without one of that key."""
        return self.steps.steps_of([key])[0]

    @property
    def counts(self) -> Mapping[StepEnd, int]:
        """Numbers of steps by end, as ``RunSummary`` has them."""
        return counts_by_end(self.steps.counts(), len(self.steps))

    def ended_steps(self) -> int:
        """Return the number of steps with an attempt, or with the outputs of the previous run."""
        return self._steps_with_rows.count(1)

    @property
    def read_bytes(self) -> int:
        """Bytes of the frames so far."""
        return self.frames.read_bytes

    @property
    def unread_bytes(self) -> int:
        """Bytes behind them."""
        return self.frames.unread_bytes

    @property
    def is_damaged(self) -> bool:
        """Whether these bytes are no beginning of a frame, see ``StoredLog``."""
        return self.frames.is_damaged


def rows_outcomes(rows: Any) -> array[int]:
    """Return the outcomes of attempts."""
    return numbers_of(rows["outcome"])


def numbers_of_wide(indices: Any) -> array[int]:
    """Return indices of Arrow, which are of 64 bits without a sign."""
    import pyarrow as pa
    from pyarrow import compute

    return numbers_of(compute.cast(indices, pa.int64()))


def _with_documents(rows: Any, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the document in ``detail`` of each row, and its other columns named."""
    if not len(rows):
        return
    details = rows["detail"].to_pylist()
    try:  # One call for all takes a third of the time.
        documents = json.loads(f"[{','.join(details)}]")
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"the log cannot be read: {error}") from None
    if len(documents) != len(details) or not all(isinstance(each, dict) for each in documents):
        raise StoreError("the log cannot be read: a record is no JSON object.")
    columns = [rows[name].to_pylist() for name in names if name != "detail"]
    yield from zip(documents, *columns, strict=True)

"""Pages of a run's log, searched on the columns of its frames.

Only rows that may have a matching line become objects. Frames are read again for each page, so a
log takes no memory here.
"""

from __future__ import annotations

import logging
import re
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.events import FAILURE, DeliveredLines, expand_live
from rayexec.names import is_of_node
from rayexec.store.columns import ATTEMPT, EVENT, LIVE, PLAIN, RESOURCE
from rayexec.views.arrow_columns import (
    arrow_of,
    equal,
    equal_any,
    record_columns,
    scalar,
    true_or_false,
)
from rayexec.views.log_lines import (
    KINDS,
    LINES_OF_A_RECORD,
    LogText,
    events_of,
    expanded,
    lines_of,
    live_lines,
)
from rayexec.views.read_columns import ReadColumns, numbers_of_wide
from rayexec.views.run_figures import attempt_of

__all__ = ["MOST_LINES", "LineFilter", "LogFollower", "log_page"]

#: Lines of one page.
MOST_LINES = 500
_MOST_CHARACTERS = 4 * 1024 * 1024  # of the lines of a page
_MOST_SECONDS = 0.25  # for a page; then it ends, and the next one continues
# Texts of events of steps, around names and times, in lower case.
_TEXTS_OF_STEPS = (
    'started execution of step ". started re-execution (attempt # ) of step ". loaded input " of '
    'step ". got input " of step ", which failed its type check. captured the output of step " '
    'while it runs. yielded output " with mapping key " of step ". stored output " of step ". '
    'finished execution of step " in ms. in .s. in .m. opening resource " opened resource '
    'captured the output of closing resource ". execution of step " failed: failed and will be '
    'tried again in s: reused the outputs of step " of run step " waited s for , held by '
)


@dataclass(frozen=True)
class LineFilter:
    """Condition on lines; an empty part counts for all.

    ``step`` is a step or a node, ``kind`` one of KINDS, and ``level`` the least level by name.
    ``text`` is part of the line in any case.
    """

    step: str = ""
    kind: str = ""
    text: str = ""
    level: str = ""

    def __post_init__(self) -> None:
        if self.kind and self.kind not in KINDS:
            raise ValueError(f"lines have no kind {self.kind!r}: {', '.join(KINDS)}.")
        if self.level and not isinstance(logging.getLevelName(self.level.upper()), int):
            raise ValueError(f"there is no level {self.level!r}: DEBUG, INFO, WARNING, ERROR.")

    @property
    def least_level(self) -> int:
        """The level as a number, 0 for all."""
        return int(logging.getLevelName(self.level.upper())) if self.level else 0

    def accepts(self, line: LogText) -> bool:
        """Whether a line fulfils the condition."""
        return (
            (not self.kind or line.kind == self.kind)
            and (not self.level or line.level >= self.least_level)
            and (not self.step or is_of_node(line.step or "", self.step))
            and (not self.text or self.text.lower() in line.text.lower())
        )


def log_page(
    columns: ReadColumns,
    condition: LineFilter,
    *,
    start: int | None = None,
    limit: int = MOST_LINES,
    desc: bool = False,
    seconds: float = _MOST_SECONDS,
) -> dict[str, Any]:
    """Return a page of lines as JSON-able data.

    ``start`` is a line's number ``n``; None is the first line, with ``desc`` the last one. ``next``
    is the start of the next page, None behind the last line. A page may have fewer lines than
    ``limit``, even none, before the last line: its time was over. Raises StoreError.
    """
    limit = min(max(1, limit), MOST_LINES)
    ends_at = time.monotonic() + seconds
    lines: list[dict[str, Any]] = []
    size, search = 0, _Search(columns, condition)
    position = start
    if position is None:
        position = columns.record_count * LINES_OF_A_RECORD if desc else 0
    for record, row in search.rows(position // LINES_OF_A_RECORD, desc=desc):
        if row is None:  # So far nothing matches.
            if time.monotonic() > ends_at:
                return {"lines": lines, "next": record * LINES_OF_A_RECORD, "total": None}
            continue
        texts = [
            line for line in lines_of(events_of(columns, row, record)) if condition.accepts(line)
        ]
        for line in reversed(texts) if desc else texts:
            line_number = record * LINES_OF_A_RECORD + line.line_index
            if start is not None and (line_number > start if desc else line_number < start):
                continue
            if len(lines) >= limit or size > _MOST_CHARACTERS:
                return {"lines": lines, "next": line_number, "total": None}
            lines.append(line.to_dict(record))
            size += len(lines[-1]["text"])
        if time.monotonic() > ends_at and lines:
            # The last number before this record, or the first one behind it.
            following = record * LINES_OF_A_RECORD + (-1 if desc else LINES_OF_A_RECORD)
            if following >= 0:
                return {"lines": lines, "next": following, "total": None}
    return {"lines": lines, "next": None, "total": len(lines) if start is None else None}


class _Search:
    """Finds the rows that may have a matching line."""

    def __init__(self, columns: ReadColumns, condition: LineFilter) -> None:
        self._columns = columns
        self._condition = condition
        # Parts of the text that JSON and names leave as they are, and no text of an event has.
        self._parts = [
            part
            for part in re.split(r'["\\\x00-\x1f]|[^\x00-\x7f]', condition.text.lower())
            if part
        ]
        self._steps: Any = None
        if condition.step:
            self._steps = _steps_of(columns, condition.step)

    def rows(self, first: int, *, desc: bool) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Yield candidates from record ``first`` on, with their positions.

        None in place of a row is a frame's beginning, with ``desc`` its end.
        """
        columns = self._columns
        index = max(0, bisect_right(columns.first_records, first) - 1)
        frames: Sequence[int] = range(index, len(columns.record_frames))
        if desc:
            frames = range(min(index, len(columns.record_frames) - 1), -1, -1)
        for frame in frames:
            table = record_columns(columns.frames.records(columns.record_frames[frame]))
            before = columns.first_records[frame]
            yield (before + table.num_rows if desc else before), None
            nonzero = _nonzero(self.mask(table))
            positions, chosen = numbers_of_wide(nonzero), table.take(nonzero)
            order = range(len(positions))
            for row in reversed(order) if desc else order:
                record = before + positions[row]
                if record <= first if desc else record >= first:
                    yield record, chosen.slice(row, 1).to_pylist()[0]

    def mask(self, table: Any) -> Any:
        """Return a mask of the rows of a frame that may have a matching line."""
        from pyarrow import compute

        condition, kinds, detail = self._condition, table["kind"], table["detail"]
        if condition.kind in ("log", "stdout", "stderr"):
            mask = compute.and_(
                equal_any(kinds, ATTEMPT, EVENT, LIVE, RESOURCE), self._has_lines(detail)
            )
        else:
            mask = equal_any(kinds, PLAIN, ATTEMPT, EVENT, LIVE, RESOURCE)
        if self._steps is not None:
            is_step = compute.is_in(table["step"], value_set=self._steps)
            mask = compute.and_(mask, compute.or_(is_step, equal(kinds, EVENT)))
        if condition.level:
            mask = compute.and_(mask, _may_have_level(table, condition.least_level))
        for part in self._parts:
            mask = compute.and_(mask, self._may_have(table, part))
        return mask

    def _has_lines(self, detail: Any) -> Any:
        from pyarrow import compute

        mark = {"log": '(?:"logs": \\[\\[|LOG_MESSAGE)'}.get(self._condition.kind)
        mark = mark or f'"{self._condition.kind}": '
        return true_or_false(compute.match_substring_regex(detail, mark))

    def _may_have(self, table: Any, part: str) -> Any:
        """Return a mask of the rows with a part of the text, in the log or by its step's name."""
        import pyarrow as pa
        from pyarrow import compute

        columns, kinds = self._columns, table["kind"]
        found_in = compute.match_substring(table["detail"], part, ignore_case=True)
        mask = true_or_false(found_in)
        if self._condition.kind in ("log", "stdout", "stderr"):
            return mask
        is_step = equal_any(kinds, PLAIN, ATTEMPT)
        without_times = re.sub(r"[0-9]+", "", part)
        if part in _TEXTS_OF_STEPS or without_times in _TEXTS_OF_STEPS:
            return compute.or_(mask, equal_any(kinds, PLAIN, ATTEMPT, LIVE, RESOURCE))
        names = [
            name for each in columns.steps.signatures for name in (*each.inputs, *each.outputs)
        ]
        if any(part in name.lower() for name in names):
            return compute.or_(mask, is_step)
        none = scalar(None, pa.int32())
        keys = columns.steps.keys.take(compute.if_else(is_step, table["step"], none))
        by_key = true_or_false(compute.match_substring(keys, part, ignore_case=True))
        mask = compute.or_(mask, compute.or_(by_key, equal(kinds, RESOURCE)))
        if columns.blocked:  # Their limits and holders are elsewhere in the log.
            steps = arrow_of(_array([step for step, _ in columns.blocked]))
            is_blocked = compute.is_in(table["step"], value_set=steps)
            mask = compute.or_(mask, compute.and_(is_blocked, is_step))
        return mask


def _may_have_level(table: Any, least: int) -> Any:
    """Return a mask of the rows that may have a line of a level, or a failure."""
    from pyarrow import compute

    # In the detail of a row a level follows the time of its line, and precedes the text.
    tens = min(9, max(1, least // 10))
    mark = rf', (?:[{tens}-9][0-9]|[0-9]{{3,}}), "' if least >= 10 else ""
    has_level = true_or_false(compute.match_substring_regex(table["detail"], mark))
    others = equal_any(table["kind"], EVENT, RESOURCE)
    return compute.or_(compute.or_(has_level, others), equal(table["outcome"], FAILURE))


def _array(values: Sequence[int]) -> Any:
    from array import array

    return array("i", values)


def _nonzero(mask: Any) -> Any:
    from pyarrow import compute

    return compute.indices_nonzero(mask)


def _steps_of(columns: ReadColumns, node: str) -> Any:
    """Return the steps of a node, or the step of that key."""
    from pyarrow import compute

    keys = columns.steps.keys
    mask = compute.starts_with(keys, node)
    steps = numbers_of_wide(_nonzero(mask))
    return arrow_of(_array([step for step in steps if is_of_node(columns.key(step), node)]))


class LogFollower:
    """New lines of a run since the follower began; lines of running steps come at once.

    The step's attempt has them again, and they do not come a second time then.
    """

    def __init__(self, columns: ReadColumns) -> None:
        self._columns = columns
        self._delivered = DeliveredLines()
        self._next_record = columns.record_count

    def news(self, condition: LineFilter, limit: int = MOST_LINES) -> list[dict[str, Any]]:
        """Return the new lines, after a ``read_on`` of the columns; of many only the last ones."""
        columns, first = self._columns, self._next_record
        self._next_record = columns.record_count
        lines: list[dict[str, Any]] = []
        # Lines that were delivered count, whatever their text is.
        search = _Search(columns, LineFilter(condition.step, condition.kind))
        for index in range(
            max(0, bisect_right(columns.first_records, first) - 1), len(columns.record_frames)
        ):
            table = record_columns(columns.frames.records(columns.record_frames[index]))
            before = columns.first_records[index]
            nonzero = _nonzero(search.mask(table))
            rows = table.take(nonzero).to_pylist()
            for position, row in zip(numbers_of_wide(nonzero), rows, strict=True):
                record = before + position
                if record >= first:
                    events = self._events(row, record)
                    lines += [
                        line.to_dict(record) for line in lines_of(events) if condition.accepts(line)
                    ]
            lines = lines[-limit:]
        return lines

    def _events(self, row: dict[str, Any], record: int) -> Iterator[Any]:
        columns, kind, step = self._columns, row["kind"], row["step"]
        if kind not in (LIVE, PLAIN, ATTEMPT):
            return events_of(columns, row, record)
        if not 0 <= step < len(columns.steps):
            return iter(())
        if kind == LIVE:
            live = live_lines(row)
            self._delivered.add(live)
            return expand_live(live, columns.key(step), columns.record.job_name)
        return expanded(columns, self._delivered.remainder_of(attempt_of(columns, row)))

"""Read model of one recorded run for tables and charts of any size, live or over."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from rayexec.events import FAILURE, Attempt
from rayexec.store.base import RunReader
from rayexec.views.critical_path import Link, Trail, walk_back
from rayexec.views.materializations import Materializations
from rayexec.views.read_columns import ReadColumns
from rayexec.views.row_messages import rows_message
from rayexec.views.run_figures import (
    FailureGroup,
    NodeCounts,
    attempt_at,
    failures,
    node_counts,
    summary,
)
from rayexec.views.run_summary import RunSummary
from rayexec.views.steps_page import StepFilter, StepsTable

__all__ = ["MOST_ROWS", "RunColumns"]

#: Attempts in one message.
MOST_ROWS = 250_000
_STEPS_OF_A_FAILURE = 20  # that a group of failures names


class RunColumns(ReadColumns):
    """Columns of a run up to the last ``read_on``, and all figures about it."""

    def __init__(self, reader: RunReader) -> None:
        self._table: StepsTable | None = None
        self._table_used = 0.0
        self._groups: dict[tuple[str, str], FailureGroup] = {}
        self._grouped_rows = 0
        self._materializations = Materializations()
        super().__init__(reader)

    def rows(self, first: int = 0, limit: int = MOST_ROWS) -> bytes:
        """Return attempts from row ``first`` on as a binary message, see ``row_messages``."""
        return rows_message(self, first, limit)

    def steps_page(
        self,
        *,
        state: str = "",
        op: str = "",
        text: str = "",
        waited_for: str = "",
        sort: str = "",
        desc: bool = False,
        first: int = 0,
        count: int = 100,
        running: Collection[int] = (),
    ) -> dict[str, Any]:
        """Return a page of steps as JSON-able data; ValueError for an unknown state or column.

        ``running`` are the steps that run now, as far as somebody knows.
        """
        if self._table is None or self._table.version != self.version:
            self._table = StepsTable(self)
        self._table_used = time.monotonic()
        condition = StepFilter(state, op, text, waited_for)
        return self._table.page(
            condition, sort, desc=desc, first=first, count=count, running=running
        )

    def drop_parts(self, before: float) -> bool:
        """Drop what can be made again and has no use since a moment of the monotonic clock.

        Return whether there was anything.
        """
        has_table = self._table is not None and self._table_used < before
        if has_table:
            self._table = None
        has_frames = self.frames.last_use < before and self.frames.drop_cached()
        return has_table or has_frames

    def ops(self) -> list[NodeCounts]:
        """Return counts and times of each node, in the order of their first steps."""
        return node_counts(self)

    def summary(self) -> RunSummary:
        """Return the summary of the run, as ``summarise`` has it."""
        return summary(self)

    def attempt(self, row: int) -> Attempt:
        """Return an attempt in full; raises StoreError where the log is out of reach."""
        return attempt_at(self, row)

    def attempts_of(self, step: int) -> list[Attempt]:
        """Return all attempts of a step."""
        return [attempt_at(self, row) for row in self.attempts.rows_of(step)]

    def failure_groups(self) -> list[FailureGroup]:
        """Return the failures of steps grouped by error and message, the most frequent first."""
        for failure in failures(self, self._grouped_rows):
            root = failure.data.root
            group = self._groups.setdefault(
                (root.own_name, root.message), FailureGroup(root.message, root.own_name)
            )
            group.count += 1
            if len(group.steps) < _STEPS_OF_A_FAILURE:
                group.steps.append(failure.step_key)
        self._grouped_rows = len(self.attempts)
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def materializations(self) -> list[dict[str, Any]]:
        """Return the first statements of ops that they wrote an asset, as JSON-able data."""
        return self._materializations.read_on(self)

    def failed_rows(self, count: int = 1_000) -> list[int]:
        """Return the rows of the first failed attempts."""
        rows: list[int] = []
        outcomes = bytes(self.attempts.outcome)
        row = outcomes.find(FAILURE)
        while row >= 0 and len(rows) < count:
            rows.append(row)
            row = outcomes.find(FAILURE, row + 1)
        return rows

    def critical_path(self) -> list[Link] | None:
        """Return the path of attempts that determined the end, by row; see ``critical_path``."""
        if not self.steps.has_predecessors:
            return None
        ended, names, blocked = self.attempts.ended, self.limits, self.blocked

        def limit_of(step: int, attempt_number: int) -> str:
            wait = blocked.get((step, attempt_number))
            return "" if wait is None else names[wait.limit]

        last = ended.index(max(ended)) if ended else None
        return walk_back(
            Trail(
                self.attempts.__getitem__,
                self.attempts.rows_of,
                self.steps.predecessors,
                limit_of,
                self.batches,
                last,
                self.epoch,
            )
        )

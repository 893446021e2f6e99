"""Rows and lines of a run that tabs follow, each tab from a position of its own."""

from __future__ import annotations

from typing import Any, Protocol

from rayexec.errors import RayexecError
from rayexec.views.log_search import LineFilter, LogFollower, log_page
from rayexec.views.run_columns import RunColumns
from rayexec.web.endpoints import ApiError
from rayexec.web.models.live import Following
from rayexec.web.open_runs import OpenRun, reads_run
from rayexec.web.session import Session

__all__ = ["FollowedRun", "condition_of"]


class _Condition(Protocol):
    step: str | None
    kind: Any
    text: str | None
    level: str | None


def condition_of(given: _Condition) -> LineFilter:
    """Return the condition on lines that a request has; raises ApiError for a level of none."""
    try:
        return LineFilter(given.step or "", given.kind or "", given.text or "", given.level or "")
    except ValueError as error:
        raise ApiError(422, str(error)) from None


class _LinesOfTab:
    """Lines of a run for one tab, since the tab asked for them."""

    def __init__(self, columns: RunColumns, following: Following) -> None:
        self.columns = columns
        self._follower = LogFollower(columns)
        self._condition = condition_of(following)
        self._next = following.start

    def news(self) -> list[dict[str, Any]]:
        """Return the next lines: those that the tab missed, then those that come."""
        if self._next is not None:
            page = log_page(self.columns, self._condition, start=self._next)
            self._next = page["next"]
            lines: list[dict[str, Any]] = page["lines"]
            return lines
        return self._follower.news(self._condition)


class FollowedRun:
    """A run that tabs follow."""

    def __init__(self, session: Session, run_id: str) -> None:
        self._session = session
        self._run_id = run_id
        #: Version of the run's columns at the last look.
        self.version = -1

    async def rows(self, start: int, version: int) -> tuple[bytes, int, int] | None:
        """Return rows, unless a tab has them all and nothing else is new."""

        def read(run: OpenRun) -> tuple[bytes, int, int] | None:
            return run.rows_since(start, version)

        session = self._session
        try:
            return await session.in_thread(reads_run, read, session.open_runs, self._run_id)
        except RayexecError:  # The source of the topic says it.
            return None

    async def lines(self, following: Following, former: Any) -> tuple[list[Any], Any]:
        """Return new lines, and what the next call takes as ``former``."""

        def read(columns: RunColumns) -> tuple[list[Any], Any]:
            # The read model may be another one than before.
            is_same = isinstance(former, _LinesOfTab) and former.columns is columns
            lines = former if is_same else _LinesOfTab(columns, following)
            return lines.news(), lines

        session = self._session
        try:
            return await session.in_thread(
                reads_run,
                lambda run: run.read(read, reads_on=False),
                session.open_runs,
                self._run_id,
            )
        except (RayexecError, ApiError):
            return [], former

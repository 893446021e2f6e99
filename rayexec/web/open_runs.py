"""Runs that somebody looks at: one read model each, shared by all tabs, dropped after a while."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rayexec.errors import RunNotFoundError, StoreError
from rayexec.launch.launched_run import LaunchedRun, locate, locate_recorded
from rayexec.launch.monitor import RunMonitor
from rayexec.launch.notes import RecordedRun
from rayexec.store import RunRecord, is_over
from rayexec.store.base import watch
from rayexec.views.now import now_of
from rayexec.views.remaining import with_remaining
from rayexec.views.run_columns import MOST_ROWS, RunColumns
from rayexec.views.run_report import RunReport
from rayexec.views.step_times import last_means
from rayexec.web.memory_use import give_memory_back, take_memory_sparingly

__all__ = ["OpenRun", "OpenRuns", "reads_run", "reads_run_or_launch"]

#: A read model goes so long after the last look at it.
IDLE_S = 60.0
#: What it has made for one tab of a page, such as the graph, goes so long after its last use.
PARTS_IDLE_S = 20.0
MOST_OPEN = 6
_MOST_ENCODED = 4
# The bound of the rest is made anew after a second, or after fifty times its work, up to 10 s.
_REST_S, _REST_SHARE, _MOST_REST_S = 1.0, 50.0, 10.0
_MOST_KEPT_BYTES = 256 * 1024

T = TypeVar("T")


@dataclass(slots=True)
class _Made:
    """Something made of a run at one moment, which ``key`` stands for."""

    key: int
    value: Any
    last_use: float = 0.0


class OpenRun:
    """The read model of one run; every method blocks and may be called from any thread."""

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        self.last_look = time.monotonic()
        self._monitor = RunMonitor(run.reader)
        self._lock = threading.Lock()
        self._columns: RunColumns | None = None
        self._record: RunRecord | None = None
        #: Bytes of the last messages of rows, by first row and version: tabs ask for the same ones.
        self._encoded: dict[tuple[int, int], bytes] = {}
        self._made: dict[str, _Made] = {}
        #: When the bound of the rest was made, the seconds of work in it, and the bound.
        self._rest: tuple[float, float, Any] = (float("-inf"), 0.0, None)
        #: Mean seconds of ops in an earlier run.
        self._earlier: Mapping[str, float] | None = None

    @property
    def run_id(self) -> str:
        """The whole id of the run."""
        return self.run.run_id

    def read(self, work: Callable[[RunColumns], T], *, reads_on: bool = True) -> T:
        """Return what ``work`` makes of the columns, read on to now; one caller at a time."""
        with self._lock:
            return work(self._current(reads_on=reads_on))

    def _current(self, *, reads_on: bool = True) -> RunColumns:
        self.last_look = time.monotonic()
        # The record first: that of a run that is over comes after all of its log.
        if reads_on or self._record is None:
            self._record = self._monitor.record()
        columns = self._columns
        if columns is None:
            take_memory_sparingly()
            columns = self._columns = RunColumns(self.run.reader)
            give_memory_back()
        elif reads_on:
            columns.read_on(self._record)
        return columns

    @property
    def is_over(self) -> bool:
        """Whether the run was over at the last look."""
        return self._record is not None and is_over(self._record)

    @property
    def read_record(self) -> RunRecord:
        """The record as of the last look that read on."""
        assert self._record is not None
        return self._record

    def record(self) -> RunRecord:
        """Return the record of the run now, by its cluster too where its driver is elsewhere."""
        with self._lock:
            self.last_look = time.monotonic()
            self._record = self._monitor.record()
            return self._record

    def rows(self, first: int) -> bytes:
        """Return attempts from row ``first`` on, as a message of ``RunColumns.rows``."""
        return self.read(lambda columns: self._message(columns, first))

    def rows_since(self, first: int, version: int) -> tuple[bytes, int, int] | None:
        """Return a message of the columns as they are, the row behind it, and their version.

        None if a reader of ``version`` with the rows before ``first`` has everything.
        """

        def since(columns: RunColumns) -> tuple[bytes, int, int] | None:
            count = len(columns.attempts)
            if version == columns.version and first >= count:
                return None
            after = min(first + MOST_ROWS, count)
            return self._message(columns, first), max(first, after), columns.version

        return self.read(since, reads_on=False)

    def _message(self, columns: RunColumns, first: int) -> bytes:
        key = first, columns.version
        message = self._encoded.get(key)
        if message is None:
            message = columns.rows(first)
            # Nobody asks twice for the first messages of a large run, which are megabytes.
            if len(message) <= _MOST_KEPT_BYTES:
                while len(self._encoded) >= _MOST_ENCODED:
                    self._encoded.pop(next(iter(self._encoded)))
                self._encoded[key] = message
        return message

    def made_once(self, name: str, make: Callable[[RunColumns, RunRecord], T]) -> T:
        """Return what ``make`` makes, made anew only after a change of the run."""

        def made(columns: RunColumns) -> T:
            record = self._record
            assert record is not None
            key = hash((columns.version, record.status, record.note))
            former = self._made.get(name)
            if former is None or former.key != key:
                former = self._made[name] = _Made(key, make(columns, record))
                if is_over(record):
                    # It may have read the log again, and that is all for now.
                    columns.frames.drop_cached()
                    give_memory_back()
            former.last_use = time.monotonic()
            value: T = former.value
            return value

        return self.read(made)

    def drop_parts(self, before: float) -> None:
        """Drop what can be made again and nobody has used since a moment of the monotonic clock.

        Does nothing while somebody reads the run.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            unused = [name for name, made in self._made.items() if made.last_use < before]
            for name in unused:
                del self._made[name]
            columns = self._columns
            if (columns is not None and columns.drop_parts(before)) or unused:
                give_memory_back()
        finally:
            self._lock.release()

    def state(self, *, asks: bool) -> dict[str, Any] | None:
        """Return the present state with the least remaining time; None once the run is over.

        With ``asks`` its driver is asked to tell it. Raises StoreError.
        """
        store, reader = self.run.store, self.run.reader
        if asks:
            with contextlib.suppress(StoreError):  # A store that is not writable.
                watch(store, reader.run_id)
        state = now_of(store, reader)
        if state is None:
            return None
        now = time.monotonic()
        made_at, took, rest = self._rest
        if now - made_at > min(max(_REST_S, _REST_SHARE * took), _MOST_REST_S):
            if self._earlier is None:
                job, ops = self.read(lambda columns: (columns.record.job_name, columns.steps.ops))
                self._earlier, _ = last_means(store, job, ops)
            earlier, began = self._earlier, time.thread_time()
            rest = self.read(lambda columns: with_remaining(columns, state, earlier)["remaining"])
            self._rest = (now, time.thread_time() - began, rest)
        return {**state, "remaining": rest}

    def report(self) -> dict[str, Any]:
        """Return the document of ``rayexec run show --json``."""
        return self.report_and_record()[0]

    def report_and_record(self) -> tuple[dict[str, Any], RunRecord]:
        """Return the report with the record it was made from: a run may end between two looks."""
        return self.made_once(
            "report",
            lambda columns, record: (RunReport(record, columns.summary()).to_dict(), record),
        )


class OpenRuns:
    """Read models by run id; ``location`` is the run store, None for the default one."""

    def __init__(self, location: str | None) -> None:
        self.location = location
        self._runs: dict[str, OpenRun] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: str) -> OpenRun:
        """Return a run by its id or a unique beginning of it.

        Raises RunNotFoundError, also for a run that is not in a store within reach.
        """
        with self._lock:
            opened = self._runs.get(run_id)
        if opened is not None:
            opened.last_look = time.monotonic()
            return opened
        run = locate_recorded(self.location, run_id)
        with self._lock:
            opened = self._runs.setdefault(run.run_id, OpenRun(run))
            self._drop(time.monotonic(), but=run.run_id)
        return opened

    def forget(self, run_id: str) -> None:
        """Drop the read model of a run, such as one that is removed."""
        with self._lock:
            self._runs.pop(run_id, None)

    def drop_idle(self, now: float) -> None:
        """Drop what nobody has looked at for a while; ``now`` is of the monotonic clock."""
        with self._lock:
            self._drop(now)
            for run in self._runs.values():
                run.drop_parts(now - PARTS_IDLE_S)

    def _drop(self, now: float, but: str | None = None) -> None:
        by_age = sorted(self._runs.values(), key=lambda run: run.last_look)
        surplus = len(by_age) - MOST_OPEN
        for rank, run in enumerate(by_age):
            is_idle = now - run.last_look > IDLE_S
            if run.run_id != but and (is_idle or rank < surplus):
                del self._runs[run.run_id]


def reads_run(work: Callable[[OpenRun], T], runs: OpenRuns, run_id: str) -> T:
    """Return what ``work`` makes of a run; a run that is gone is forgotten."""
    run = runs.get(run_id)
    try:
        return work(run)
    except RunNotFoundError:
        runs.forget(run.run_id)
        raise


def reads_run_or_launch(
    work: Callable[[OpenRun], T], runs: OpenRuns, run_id: str
) -> T | LaunchedRun:
    """Return what ``work`` makes of a run, or the launch of a run that has recorded nothing yet."""
    try:
        return reads_run(work, runs, run_id)
    except RunNotFoundError:
        launched = locate(runs.location, run_id)
        if isinstance(launched, LaunchedRun):
            return launched
    return reads_run(work, runs, run_id)  # Its record came between the two looks.

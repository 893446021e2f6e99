"""``rayexec run cancel``: runs that go on in other processes are asked to end, and awaited."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.render.run_lines import ended_line
from rayexec.cli.streams import results_on_stdout, say
from rayexec.events import Event, EventType, RunStatus
from rayexec.execute.cancel import ask_to_cancel
from rayexec.launch.launched_run import LaunchedRun, locate
from rayexec.launch.monitor import RunMonitor, await_recording
from rayexec.launch.polling import ClusterPoll
from rayexec.store import RunReader, RunRecord, RunStore, is_over
from rayexec.store.reading import StoredLog
from rayexec.views.run_report import run_row

__all__ = ["cancel_runs"]

_PATIENCE = 0.2  # seconds between two looks at runs that are awaited
_REACTION = 8.0  # seconds in which a driver has heard of a request, also by way of an object store


@dataclass(slots=True)
class _Asked:
    """A run: as it was before it was asked, and as it is now; known of its cluster alone, or by its
    store.
    """

    run: RunReader | LaunchedRun
    before: RunRecord
    now: RunRecord
    monitor: RunMonitor | None = None
    poll: ClusterPoll = field(init=False)

    def __post_init__(self) -> None:
        self.poll = ClusterPoll(self.run.run_id, say)

    def look(self) -> None:
        """See how it is by now."""
        if isinstance(self.run, LaunchedRun):
            # It may have come to be recorded meanwhile, which tells more.
            found = await_recording(self.run.driver, 0, self.poll)
            if found is None:
                return
            if isinstance(found, RunRecord):
                self.now = found
                return
            self.run = found.reader
        self.monitor = self.monitor or RunMonitor(self.run)
        self.now = self.monitor.record()

    @property
    def is_canceled(self) -> bool:
        return self.now.status == RunStatus.CANCELED

    @property
    def was_over(self) -> bool:
        return is_over(self.before)

    def words(self) -> str:
        """Return what came of it, in a line."""
        if not is_over(self.now):
            return f"Run {self.now.run_id} was asked to end."
        line = ended_line(self.now)
        if self.is_canceled:
            return f"{line[:-1]}, before this." if self.was_over else line
        if not self.was_over:
            return f"{line[:-1]}, before it could be canceled."
        gone = self.now.note is not None and self.now.error is None and self.now.end_time is None
        return f"{line[:-1]}; {'nothing of it is left to cancel' if gone else 'it was over before this'}."


@with_exit_code
def cancel_runs(
    place: str | None,
    run_ids: Sequence[str],
    *,
    force: bool,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Ask runs to end, all of them or, where one is not there, none; return whether all were
    canceled.
    """
    with results_on_stdout() as results:
        found = {
            run.run_id: (store, run) for store, run in (_locate(place, each) for each in run_ids)
        }
        asked = []
        for store, run in found.values():
            before = _ask(store, run, force=force)
            asked.append(_Asked(run, before, before))
        is_done = True
        if wait:
            is_done = _await(asked, timeout, force=force)
        if as_json:
            rows = [{**run_row(each.now), "was_over": each.was_over} for each in asked]
            results.write(f"{json.dumps({'runs': rows}, indent=2)}\n")
        else:
            results.writelines(
                f"{each.words()}\n" for each in asked if is_over(each.now) or not wait
            )
        if not is_done:
            going_on = ", ".join(each.now.run_id for each in asked if not is_over(each.now))
            complain(f"not over after {timeout:g} s: {going_on}.")
    is_good = all(each.is_canceled or not (wait or each.was_over) for each in asked)
    return SUCCEEDED if is_good else FAILED


def _locate(place: str | None, run_id: str) -> tuple[RunStore | None, RunReader | LaunchedRun]:
    run = locate(place, run_id)
    return (None, run) if isinstance(run, LaunchedRun) else (run.store, run.reader)


def _ask(store: RunStore | None, run: RunReader | LaunchedRun, *, force: bool) -> RunRecord:
    """Ask a run to end, and return how it was before."""
    if isinstance(run, LaunchedRun):
        before = run.driver.record()
        run.driver.stop(force=force and not is_over(before))
        return before
    assert store is not None
    return ask_to_cancel(store, run, "rayexec run cancel", force=force)


def _await(asked: Sequence[_Asked], timeout: float | None, *, force: bool) -> bool:
    """Wait until all runs are over; False where they are not in time."""
    began = time.monotonic()
    silent = [each for each in asked if not each.was_over]
    while True:
        for each in asked:
            if not is_over(each.now):
                each.look()
        waited = time.monotonic() - began
        if all(is_over(each.now) for each in asked):
            return True
        if timeout is not None and waited >= timeout:
            return False
        if silent and waited >= _REACTION:
            for each in silent:
                if isinstance(each.run, LaunchedRun):
                    continue  # Ray will end it by force
                if not is_over(each.now) and not _has_reacted(each.run):
                    sys.stderr.write(f"{_what_to_do(each.now, force=force)}\n")
            silent = []
        time.sleep(_PATIENCE)


def _has_reacted(run: RunReader) -> bool:
    records = StoredLog(run).entries()
    return any(
        isinstance(each, Event) and each.event_type is EventType.RUN_CANCELING for each in records
    )


def _what_to_do(record: RunRecord, *, force: bool) -> str:
    """Say of a run that nothing is heard of what it may be doing, and what ends it."""
    words = f"Run {record.run_id} has not reacted for {_REACTION:g} s"
    driver = record.driver
    if driver is None:
        return f"{words}."
    is_here = driver.host == socket.gethostname()
    where = "this host" if is_here else f"host {driver.host}"
    words += (
        f": its driver (process {driver.pid} on {where}) is stopped or hangs, or runs a step "
        f"itself that cannot be "
        "interrupted (in C code, or a blocking call outside of the main thread)."
    )
    if force:
        there = "" if is_here else f" on {driver.host}"
        return f"{words} To end it without an orderly end: kill -9 {driver.pid}{there}. Its workers end with it."
    return f"{words} It is waited for; see --force and --timeout."

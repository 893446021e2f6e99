"""``rayexec run cancel``: a request to end runs of other processes, and their ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.render.run_lines import ended_line
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.events import Event, EventType, RunStatus
from rayexec.launch.launched_run import LaunchedRun, ask_to_end, locate
from rayexec.launch.monitor import RunMonitor, await_recording
from rayexec.launch.notes import RecordedRun
from rayexec.launch.polling import ClusterPoll
from rayexec.store import RunReader, RunRecord, is_over
from rayexec.store.reading import StoredLog
from rayexec.views.run_report import run_row

__all__ = ["cancel_runs"]

_POLL_INTERVAL_S = 0.2
# A driver notices a request within that time, also one through an object store.
_REACTION_TIME_S = 8.0


@dataclass(slots=True)
class _CanceledRun:
    """A run with its records from before the request and from now."""

    run: RunReader | LaunchedRun
    before: RunRecord
    now: RunRecord
    monitor: RunMonitor | None = None
    poll: ClusterPoll = field(init=False)

    def __post_init__(self) -> None:
        self.poll = ClusterPoll(self.run.run_id, say)

    def update(self) -> None:
        """Read the record of now."""
        if isinstance(self.run, LaunchedRun):
            # By now a store may have the run, and a store knows more than a cluster.
            answer = await_recording(self.run.driver, 0, self.poll)
            if answer is None:
                return
            if isinstance(answer, RunRecord):
                self.now = answer
                return
            self.run = answer.reader
        self.monitor = self.monitor or RunMonitor(self.run)
        self.now = self.monitor.record()

    @property
    def is_canceled(self) -> bool:
        return self.now.status == RunStatus.CANCELED

    @property
    def was_over(self) -> bool:
        return is_over(self.before)

    @property
    def is_over(self) -> bool:
        return is_over(self.now)

    def outcome_line(self) -> str:
        """Return the effect of the request."""
        if not self.is_over:
            return f"Run {self.now.run_id} was asked to end."
        line = ended_line(self.now)
        if self.is_canceled:
            return f"{line[:-1]}, before this." if self.was_over else line
        if not self.was_over:
            return f"{line[:-1]}, before it could be canceled."
        is_gone = self.now.note is not None and self.now.error is None and self.now.end_time is None
        remark = "nothing of it is left to cancel" if is_gone else "it was over before this"
        return f"{line[:-1]}; {remark}."


@with_exit_code
def cancel_runs(
    location: str | None,
    run_ids: Sequence[str],
    *,
    force: bool,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Ask runs to end: all of them, or none if one is missing.

    The exit code is SUCCEEDED if all are canceled; without ``wait``, if all are asked.
    """
    with results_on_stdout() as results:
        located = [locate(location, run_id) for run_id in run_ids]
        runs = [_ask(run, force=force) for run in {run.run_id: run for run in located}.values()]
        is_done = _await(runs, timeout, force=force) if wait else True
        if as_json:
            rows = [{**run_row(run.now), "was_over": run.was_over} for run in runs]
            write_json(results, {"runs": rows})
        else:
            results.writelines(f"{run.outcome_line()}\n" for run in runs if run.is_over or not wait)
        if not is_done:
            running = ", ".join(run.now.run_id for run in runs if not run.is_over)
            complain(f"not over after {timeout:g} s: {running}.")
    is_good = all(run.is_canceled or not (wait or run.was_over) for run in runs)
    return SUCCEEDED if is_good else FAILED


def _ask(run: RecordedRun | LaunchedRun, *, force: bool) -> _CanceledRun:
    """Ask a run to end."""
    before = ask_to_end(run, "rayexec run cancel", force=force)
    return _CanceledRun(run if isinstance(run, LaunchedRun) else run.reader, before, before)


def _await(runs: Sequence[_CanceledRun], timeout: float | None, *, force: bool) -> bool:
    """Wait until all runs are over; return False after ``timeout`` seconds."""
    began = time.monotonic()
    silent = [run for run in runs if not run.was_over]
    while True:
        for run in runs:
            if not run.is_over:
                run.update()
        waited = time.monotonic() - began
        if all(run.is_over for run in runs):
            return True
        if timeout is not None and waited >= timeout:
            return False
        if silent and waited >= _REACTION_TIME_S:
            for run in silent:
                if isinstance(run.run, LaunchedRun):
                    continue  # Ray will end it by force
                if not run.is_over and not _has_reacted(run.run):
                    say(_advice(run.now, force=force))
            silent = []
        time.sleep(_POLL_INTERVAL_S)


def _has_reacted(reader: RunReader) -> bool:
    entries = StoredLog(reader).entries()
    return any(
        isinstance(entry, Event) and entry.event_type is EventType.RUN_CANCELING
        for entry in entries
    )


def _advice(record: RunRecord, *, force: bool) -> str:
    """Return likely reasons for the silence of a driver, and ways to end it."""
    headline = f"Run {record.run_id} has not reacted for {_REACTION_TIME_S:g} s"
    driver = record.driver
    if driver is None:
        return f"{headline}."
    is_here = driver.host == socket.gethostname()
    host = "this host" if is_here else f"host {driver.host}"
    reasons = (
        f"{headline}: its driver (process {driver.pid} on {host}) is stopped or hangs, or runs a "
        f"step itself that cannot be interrupted (in C code, or a blocking call outside of the "
        f"main thread)."
    )
    if not force:
        return f"{reasons} It is waited for; see --force and --timeout."
    on_host = "" if is_here else f" on {driver.host}"
    return (
        f"{reasons} To end it without an orderly end: kill -9 {driver.pid}{on_host}. Its workers "
        f"end with it."
    )

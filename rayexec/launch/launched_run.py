"""The Python door to a launched run, and the search for one by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rayexec.errors import RunNotFoundError
from rayexec.events import RunStatus
from rayexec.execute.cancel import ask_to_cancel
from rayexec.launch.driver_process import DriverProcess
from rayexec.launch.drivers import driver_of
from rayexec.launch.monitor import RunMonitor, await_end, await_recording
from rayexec.launch.notes import LaunchNote, RecordedRun, find_note, find_note_by_prefix
from rayexec.launch.polling import ClusterPoll, deadline_after
from rayexec.store import RunRecord, default_store, is_over, store_at

__all__ = [
    "LaunchedRun",
    "ask_to_end",
    "find_launched",
    "locate",
    "locate_recorded",
    "not_recorded",
]


class LaunchedRun:
    """A run that another process drives, on this machine or on a cluster.

    ``run_id`` is its id, and ``driver`` the process. Methods raise EngineError if the cluster of
    the run does not answer.
    """

    def __init__(self, driver: DriverProcess) -> None:
        self.driver = driver

    def __repr__(self) -> str:
        return f"LaunchedRun({self.run_id!r})"

    @property
    def note(self) -> LaunchNote:
        """The note of the launch."""
        return self.driver.note

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.note.run_id

    @property
    def status(self) -> RunStatus:
        """The status of the run now: STARTED until it is over, also before it begins."""
        return self.record().status

    def record(self) -> RunRecord:
        """Return the record of the run: from its store, or from its driver before it begins."""
        run = self.note.recorded()
        return self.driver.record() if run is None else RunMonitor(run.reader).record()

    def wait(self, timeout: float | None = None) -> RunStatus:
        """Wait until the run is over, and return its status.

        Raises TimeoutError if it is not over after ``timeout`` seconds; the run continues. An
        infinite timeout is none; raises ValueError for NaN.
        """
        record = self.wait_until(deadline_after(timeout))
        if record is None:
            raise TimeoutError(f"run {self.run_id} is not over after {timeout:g} s.")
        return record.status

    def wait_until(
        self, deadline: float | None, say: Callable[[str], object] | None = None
    ) -> RunRecord | None:
        """Wait until the run is over; return its record, or None at the deadline.

        ``deadline`` is a time of the monotonic clock. ``say`` gets a line if the cluster does not
        answer.
        """
        poll = ClusterPoll(self.run_id, say)
        outcome = await_recording(self.driver, deadline, poll)
        if isinstance(outcome, RecordedRun):
            return await_end(outcome.reader, deadline, say)
        if outcome is None:
            poll.raise_failure()
        return outcome

    def cancel(self, *, force: bool = False) -> None:
        """Ask the run to end, and return at once; a run that is over ignores it.

        With ``force`` its steps get no time to end by themselves.
        """
        run = self.note.recorded()
        if run is not None:
            ask_to_cancel(run.store, run.reader, "LaunchedRun.cancel", force=force)
        else:
            self.driver.stop(force=force)

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """Yield the output of the driver in parts; with ``follow``, until the driver ends."""
        return self.driver.output(follow=follow)


def find_launched(run_id: str) -> LaunchedRun | None:
    """Return the run of exactly this id, from another process too; None for an unknown id.

    The run must have been launched from this machine, since a note of it is below RAYEXEC_HOME.
    """
    note = find_note(run_id)
    return None if note is None else LaunchedRun(driver_of(note))


def locate(store_address: str | None, run_id: str) -> RecordedRun | LaunchedRun:
    """Return a run by its id, or by the beginning of it.

    A ``store_address`` names the only store to look into. Without it, the default store comes
    first, and then the store of a launched run. A LaunchedRun is in no store within reach. Raises
    RunNotFoundError for an unknown id.
    """
    if store_address is not None:
        store = store_at(store_address)
        return RecordedRun(store, store.open(run_id))
    default = default_store()
    try:
        return RecordedRun(default, default.open(run_id))
    except RunNotFoundError:
        note = find_note_by_prefix(run_id)
        if note is None:
            raise
    return note.recorded() or LaunchedRun(driver_of(note))


def ask_to_end(run: RecordedRun | LaunchedRun, via: str, *, force: bool) -> RunRecord:
    """Ask a run to end unless it is over, and return its record of before at once.

    With ``force`` its steps get no time to end by themselves. ``via`` names the asking command.
    """
    if isinstance(run, LaunchedRun):
        before = run.driver.record()
        run.driver.stop(force=force and not is_over(before))
        return before
    return ask_to_cancel(run.store, run.reader, via, force=force)


def locate_recorded(store_address: str | None, run_id: str) -> RecordedRun:
    """Return a run that must be in a store; raises RunNotFoundError for any other one."""
    run = locate(store_address, run_id)
    if isinstance(run, LaunchedRun):
        raise not_recorded(run.note)
    return run


def not_recorded(note: LaunchNote) -> RunNotFoundError:
    """Return the error of a command that needs the store of a run, and cannot read it."""
    if note.address is None:
        return RunNotFoundError(
            f"run {note.run_id} is not in {note.store}: it is about to begin, or ended before it "
            f"began. What its driver printed: rayexec run logs {note.run_id}"
        )
    if note.store is not None:
        return RunNotFoundError(
            f"run {note.run_id} is not in {note.store}: it has not begun on {note.address}, or "
            "the cluster does not reach that place; run show, run logs, run wait and run cancel "
            "tell what there is until then."
        )
    return RunNotFoundError(
        f"run {note.run_id} is recorded on {note.address}, in a store of that machine, and this "
        "command needs one that can be read from here too. Give the next run such a store: set "
        "RAYEXEC_HOME to a URI (s3://bucket/runs), or launch with --home PLACE, which may also "
        "be a directory that both mount. run show, run logs, run wait and run cancel work "
        "without one."
    )

"""Runs that were launched from here, and go on by themselves: what is noted of each, and how it is
reached.

A note is ``launched/<run id>.json`` in the directory of RAYEXEC_HOME (``~/.rayexec`` where that is
a URI). It tells where a run is recorded, and where to ask as long as it is not, or cannot be read
from here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayexec.cluster.local_cluster import home
from rayexec.errors import EngineError, RunNotFoundError
from rayexec.events import RunStatus
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import RunReader, RunRecord, RunStore, default_store, is_over, store_at

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs

__all__ = [
    "LaunchedElsewhere",
    "LaunchedRun",
    "growing",
    "launched_as",
    "launched_runs",
    "locate",
    "noted",
    "only_mine",
    "private_directory",
    "signal_name",
]

_STATUSES = {
    "SUCCEEDED": RunStatus.SUCCESS,
    "FAILED": RunStatus.FAILURE,
    "STOPPED": RunStatus.CANCELED,
}
_PATIENCE = 0.2  # seconds between two looks at a log that grows
_SUBMITTING = 3600.0  # seconds after which a package has been sent, or never will be


@dataclass(frozen=True, slots=True)
class LaunchedRun:
    """A run that was launched: by a cluster, whose dashboard is at ``address``, or by a process of
    this machine.

    ``origin`` tells where the job is, as in a RunRecord, and ``sent`` what a cluster was sent
    besides. ``store`` is where the run is recorded, None where only the cluster knows. ``log`` is
    the file of what the driver prints, of a process here; ``canceled``, that it was asked to end;
    ``submitting``, that its cluster may not have it yet. ``ended`` is what its cluster told when it
    was over, so that it need not be asked again.
    """

    run_id: str
    time: float
    origin: Mapping[str, str]
    store: str | None = None
    address: str | None = None
    driver: ProcessIdentity | None = None
    log: str | None = None
    canceled: bool = False
    submitting: bool = False
    ended: Mapping[str, Any] | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The file or module of the job."""
        return self.origin.get("file") or self.origin.get("module") or "?"

    def note(self) -> None:
        """Write it down; raises EngineError where that cannot be."""
        path = private_directory() / f"{self.run_id}.json"
        try:
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            with open(fresh, "w", opener=only_mine) as file:
                file.write(f"{json.dumps(asdict(self), indent=2, default=str)}\n")
            fresh.replace(path)
        except OSError as error:
            raise EngineError(
                f"cannot note run {self.run_id} in {path.parent}: {error.strerror}."
            ) from error

    def forget(self) -> None:
        """Remove the note, and the log of a process here."""
        for path in (_directory() / f"{self.run_id}.json", *([Path(self.log)] if self.log else [])):
            path.unlink(missing_ok=True)

    def recorded(self) -> tuple[RunStore, RunReader] | None:
        """Return the run as its store has it; None where it is not there yet, or where its store is
        out of reach.
        """
        if self.store is None:
            return None
        store = store_at(self.store)
        with contextlib.suppress(RunNotFoundError):
            return store, store.open(self.run_id)
        return None

    def now(self, jobs: Jobs | None = None) -> RunRecord:
        """Return what is known of the run without its store; raises EngineError where its cluster
        cannot be asked.
        """
        if self.address is None:
            if self.driver is not None and self.driver.is_gone():
                status = RunStatus.CANCELED if self.canceled else RunStatus.FAILURE
                return self._record(status, "its driver ended before the run began")
            return self._record(RunStatus.STARTED, "about to begin")
        from rayexec.cluster.jobs_api import UnknownJobError

        if self.ended is not None:
            return self._record(
                RunStatus(self.ended["status"]), self.ended["note"], self.ended["end_time"]
            )
        try:
            state = (jobs or self.jobs()).state(self.run_id)
        except UnknownJobError:
            if self.submitting and time.time() - self.time < _SUBMITTING:
                return self._record(RunStatus.STARTED, f"being sent to {self.address}")
            return self._record(
                RunStatus.FAILURE,
                f"{self.address} does not know it any more, so that its driver is gone",
            )
        code = _exit(state.exit_code)
        if state.lacks is not None:
            code += f", {'rayexec' if state.lacks == 'rayexec' else f'module {state.lacks}'} is not installed there"
        waits = ", about to begin" if state.status == "PENDING" else ""
        status = _STATUSES.get(state.status, RunStatus.STARTED)
        record = self._record(status, f"on {self.address}{code}{waits}", state.end_time)
        if is_over(record) and noted(self.run_id) is not None:
            ended = {"status": status, "note": record.note, "end_time": record.end_time}
            with contextlib.suppress(EngineError):
                replace(self, submitting=False, ended=ended).note()
        return record

    def unknown(self, reason: str) -> RunRecord:
        """Return the run as one of which nothing can be told now."""
        return self._record(RunStatus.UNREADABLE, reason)

    def _record(self, status: RunStatus, note: str, end_time: float | None = None) -> RunRecord:
        name = self.origin.get("job") or Path(self.source).stem
        return RunRecord(
            self.run_id, name, status, self.time, end_time, driver=self.driver, note=note
        )

    def jobs(self) -> Jobs:
        """Return the jobs of the run's cluster; raises EngineError where it does not answer."""
        from rayexec.cluster.jobs_api import Jobs

        assert self.address is not None
        return Jobs(self.address)

    def output(self, *, follow: bool) -> Iterator[str]:
        """Yield what the driver printed, in parts; to ``follow`` is to go on until it is over."""
        if self.address is not None:
            jobs = self.jobs()
            yield from jobs.follow(self.run_id) if follow else [jobs.log(self.run_id)]
        elif self.log is not None:
            driver = self.driver
            is_over = driver.is_gone if follow and driver is not None else lambda: True
            yield from growing(Path(self.log), is_over)

    def stop(self) -> None:
        """Ask the driver to cancel the run; nothing happens where it is over."""
        if self.ended is not None:
            return
        if self.address is not None:
            self.jobs().stop(self.run_id)
        elif self.driver is not None and not self.driver.is_gone():
            replace(self, canceled=True).note()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.driver.pid, signal.SIGTERM)


def _exit(code: int | None) -> str:
    """Return how a driver ended, where it did not succeed, to stand behind where it ran."""
    if not code:
        return ""
    return f", exit code {code}" if code > 0 else f", driver died of {signal_name(-code)}"


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a number that has no name here
        return f"signal {number}"


def growing(log: Path, is_over: Callable[[], bool]) -> Iterator[str]:
    """Yield what a file holds and, until its writer is over, what comes to it."""
    try:
        with log.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
            while True:
                ends = is_over()  # asked first: what is there then is all there will be
                yield file.read()
                if ends:
                    return
                time.sleep(_PATIENCE)
    except OSError as error:
        raise EngineError(
            f"the log of the driver, {log}, cannot be read: {error.strerror}."
        ) from error


class LaunchedElsewhere(RunNotFoundError):  # an answer that a command may go on from
    """A run that was launched is not, or not yet, in a store that can be read from here."""

    def __init__(self, launched: LaunchedRun) -> None:
        super().__init__(_what_is_needed(launched))
        self.launched = launched


def _what_is_needed(launched: LaunchedRun) -> str:
    there = "run show, run logs, run wait and run cancel tell what there is until then"
    if launched.address is None:
        return (
            f"run {launched.run_id} is not in {launched.store}: it is about to begin, or ended "
            f"before it began. What "
            f"its driver printed: rayexec run logs {launched.run_id}"
        )
    if launched.store is not None:
        return (
            f"run {launched.run_id} is not in {launched.store}: it has not begun on "
            f"{launched.address}, or the cluster "
            f"does not reach that place; {there}."
        )
    return (
        f"run {launched.run_id} is recorded on {launched.address}, in a store of that machine, "
        f"and this command needs "
        "one that can be read from here too. Give the next run such a store: set RAYEXEC_HOME to "
        "a URI "
        "(s3://bucket/runs), or launch with --home PLACE, which may also be a directory that both "
        "mount. run show, run "
        "logs, run wait and run cancel work without one."
    )


def _directory() -> Path:
    return home() / "launched"


def private_directory() -> Path:
    """Return the directory of notes and drivers' logs, made where it is not; raises EngineError
    where it cannot be.

    Nobody else may read what is in it: environments that were sent hold passwords, and logs what
    jobs print.
    """
    path = _directory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EngineError(f"cannot make the directory {path}: {error.strerror}.") from error
    return path


def only_mine(path: str, flags: int) -> int:
    """Open a file, as an ``opener``, that nobody else may read where it is made."""
    return os.open(path, flags, 0o600)


def launched_runs() -> list[LaunchedRun]:
    """Return the runs that were launched from here, the newest first."""
    found = [run for path in _directory().glob("*.json") if (run := _read(path)) is not None]
    return sorted(found, key=lambda run: run.time, reverse=True)


def _read(path: Path) -> LaunchedRun | None:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        driver = document.pop("driver")
        return LaunchedRun(**document, driver=None if driver is None else ProcessIdentity(**driver))
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ):  # not written by this version
        return None


def noted(run_id: str) -> LaunchedRun | None:
    """Return the launched run of exactly this id."""
    return _read(_directory() / f"{run_id}.json") if run_id and "/" not in run_id else None


def launched_as(run_id: str) -> LaunchedRun | None:
    """Return the launched run of this id, or the only one whose id begins so."""
    if (exact := noted(run_id)) is not None:
        return exact
    matches = [run for run in launched_runs() if run_id and run.run_id.startswith(run_id)]
    return matches[0] if len(matches) == 1 else None


def locate(place: str | None, run_id: str) -> tuple[RunStore, RunReader]:
    """Return a run and the store that has it: at ``place``, else the default one, else where it was
    launched to.

    Raises RunNotFoundError, which is LaunchedElsewhere for a run that was launched and is in none
    of them.
    """
    if place is not None:
        store = store_at(place)
        return store, store.open(run_id)
    default = default_store()
    try:
        return default, default.open(run_id)
    except RunNotFoundError:
        launched = launched_as(run_id)
        if launched is None:
            raise
    found = launched.recorded()
    if found is None:
        raise LaunchedElsewhere(launched)
    return found

"""Notes of launched runs: small files on this machine, one a run.

A note is ``launched/<run id>.json`` in the directory of RAYEXEC_HOME (``~/.rayexec`` for a URI).
Where another user of that home has made ``launched``, it is in ``launched-<uid>``. It names the
store of the run and the process or cluster that drives it. Commands need it while the run is in no
store, or in one out of reach.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rayexec.cluster.home import home
from rayexec.errors import EngineError, LoadError, RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.names import RUN_ID
from rayexec.private_directory import (
    StrangerError,
    open_private,
    open_unshared,
    owned_by_me,
)
from rayexec.run.file_modes import make_directories
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import RunReader, RunRecord, RunStore, store_at
from rayexec.store.record import LAST_MOMENT_S

__all__ = [
    "LaunchNote",
    "RecordedRun",
    "find_note",
    "find_note_by_prefix",
    "launch_notes",
    "log_path",
    "note_directory",
    "run_config_path",
    "run_id_in_use",
]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run in a store."""

    store: RunStore
    reader: RunReader

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.reader.run_id


@dataclass(frozen=True, slots=True)
class LaunchNote:
    """The content of a note; a field's name is its key in the file.

    ``time`` is the time of the launch, in seconds since 1970. ``origin`` names the job's file or
    module, as in a RunRecord. ``store`` is the address of the run's store, or None for one inside
    the cluster. ``address`` is the dashboard of the cluster, or None for a ``driver`` process of
    this machine with its ``log``. ``canceled`` notes a request to end. ``submitting`` holds until
    the cluster has the job. ``ended`` is the end of the run by the cluster's last answer, after
    which nobody asks again. ``sent`` is the code and environment that the cluster got.
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

    def write(self) -> None:
        """Write the file; raises EngineError if the directory refuses it."""
        path = note_directory() / f"{self.run_id}.json"
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(fresh, "w", opener=open_private) as file:
                file.write(f"{json.dumps(asdict(self), indent=2, default=str)}\n")
            fresh.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise EngineError(
                f"cannot note run {self.run_id} in {path.parent}: {error.strerror}."
            ) from error

    def remove(self) -> None:
        """Remove the note, and the log and config of a local driver."""
        paths = [_directory() / f"{self.run_id}.json", run_config_path(self.run_id)]
        if self.log is not None:
            paths.append(Path(self.log))
        for path in paths:
            path.unlink(missing_ok=True)

    def recorded(self) -> RecordedRun | None:
        """Return the run from its store; None before it begins, or for a store out of reach."""
        if self.store is None:
            return None
        store = store_at(self.store)
        try:
            reader = store.open(self.run_id)
            with contextlib.suppress(StoreError):  # told by who reads it
                reader.record()  # whose directory is there a moment earlier
        except RunNotFoundError:
            return None
        return RecordedRun(store, reader)

    def record(self, status: RunStatus, note: str, end_time: float | None = None) -> RunRecord:
        """Return a record of the run without its store."""
        name = self.origin.get("job") or Path(self.source).stem
        return RunRecord(
            self.run_id, name, status, self.time, end_time, driver=self.driver, note=note
        )


def _directory() -> Path:
    """Return this user's own directory of notes in a home that several users may share."""
    common = home() / "launched"
    own = common.with_name(f"{common.name}-{os.geteuid()}")
    try:
        if _is_own(own) or not owned_by_me(os.lstat(common)):
            return own
    except OSError:  # it is not there yet, or the home is closed
        pass
    return common


def _is_own(path: Path) -> bool:
    try:
        return owned_by_me(os.lstat(path))
    except OSError:
        return False


def note_directory() -> Path:
    """Return the directory of notes and drivers' logs, and make it if it is missing.

    Only its owner can read it: environments hold passwords, and logs hold the output of jobs.
    Raises EngineError if it cannot be made.
    """
    path = _directory()
    try:
        make_directories(str(path.parent), str(path.parent))
        path.mkdir(mode=0o700, exist_ok=True)
        if not owned_by_me(os.lstat(path)):  # somebody made it in the meantime, or as a trap
            raise StrangerError(path, "belongs to another user")
    except OSError as error:
        reason = str(error) if isinstance(error, StrangerError) else error.strerror
        raise EngineError(
            f"cannot make the directory {path}: {reason}. Set RAYEXEC_HOME to a directory where "
            "you may write, or ask its owner to let your group write there (chmod 2770)."
        ) from error
    return path


def log_path(run_id: str) -> Path:
    """Return the file for the output of a local driver."""
    return _directory() / f"{run_id}.log"


def run_config_path(run_id: str) -> Path:
    """Return the file for run config that a Python caller gives to a local driver."""
    return _directory() / f"{run_id}.yaml"


def run_id_in_use(run_id: str) -> LoadError:
    """Return the error of a launch with the id of an earlier one."""
    return LoadError(f"a run {run_id} was launched before: give another --run-id.")


def launch_notes() -> list[LaunchNote]:
    """Return the notes of this machine, the newest first."""
    notes = [note for path in _directory().glob("*.json") if (note := _read(path)) is not None]
    return sorted(notes, key=lambda note: note.time, reverse=True)


def _read(path: Path) -> LaunchNote | None:
    """Return the note in a file of this user; None for any other file.

    A note names a cluster, which gets a token, and files to remove. So nobody else may write it.
    """
    try:
        with open(path, opener=open_unshared) as file:
            document: dict[str, Any] = json.load(file)
        driver = document.pop("driver")
        note = LaunchNote(**document, driver=None if driver is None else ProcessIdentity(**driver))
        return note if note.run_id == path.stem and _is_typed(note) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # The file is gone, or another version of rayexec wrote it.
        return None


def _is_typed(note: LaunchNote) -> bool:
    """Whether the fields that commands read of every note have their types."""
    texts = (note.store, note.address, note.log)
    return (
        isinstance(note.time, (int, float))
        and 0 <= note.time < LAST_MOMENT_S
        and isinstance(note.origin, dict)
        and all(isinstance(text, str) for text in note.origin.values())
        and all(text is None or isinstance(text, str) for text in texts)
        and (note.ended is None or isinstance(note.ended, dict))
        and isinstance(note.sent, dict)
    )


def find_note(run_id: str) -> LaunchNote | None:
    """Return the note of exactly this run id."""
    return _read(_directory() / f"{run_id}.json") if RUN_ID.match(run_id) else None


def find_note_by_prefix(run_id: str) -> LaunchNote | None:
    """Return the note of this run id, or of the only run id with this beginning."""
    if (exact := find_note(run_id)) is not None:
        return exact
    matches = [note for note in launch_notes() if run_id and note.run_id.startswith(run_id)]
    return matches[0] if len(matches) == 1 else None

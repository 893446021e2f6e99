"""Contract of run stores: bytes of runs by id, written by one process and read by any."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from rayexec.errors import RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.names import RUN_ID, nearest
from rayexec.run.previous_run import ValueStorage
from rayexec.store.cache import StepCache
from rayexec.store.record import RunRecord, is_over, settled
from rayexec.store.request import CancelRequest
from rayexec.store.resumes import ResumeNote

__all__ = [
    "RunReader",
    "RunStore",
    "RunWriter",
    "WatchedWriter",
    "check_new_id",
    "current",
    "is_own",
    "log_part",
    "newest_first",
    "now",
    "only_match",
    "order_of_list",
    "watch",
]


_ID_RULE = (
    "an id has up to 128 letters, digits, dots, underscores and hyphens, and begins with a letter "
    "or digit"
)


class RunWriter(Protocol):
    """The one writer of a run; every method raises StoreError where the store is out of reach.

    Calls come one after another, but from several threads; ``asked`` may come at any time. A writer
    may have the methods of ``WatchedWriter`` too.
    """

    #: Least seconds between two calls of ``append``; in some stores each call makes a file.
    interval: float
    #: Least seconds between two calls of ``asked``.
    poll_interval: float

    def append(self, data: bytes) -> None:
        """Append ``data`` to the log."""

    def update(self, record: RunRecord) -> None:
        """Replace the record, completely or not at all."""

    def asked(self) -> CancelRequest | None:
        """Return the last request to the run, None without one; any thread may call this."""

    def close(self) -> None:
        """Close open files."""


class WatchedWriter(Protocol):
    """Writer of a run that somebody may watch; one thread calls the methods at any time."""

    #: Least seconds between two calls of ``append`` while somebody watches.
    watched_interval: float

    def is_watched(self) -> bool:
        """Whether somebody has called the store's ``watch`` within the last 10 s."""

    def write_now(self, data: bytes) -> None:
        """Replace the state of the run at this moment, completely or not at all."""

    def remove_now(self) -> None:
        """Remove that state."""


class RunReader(Protocol):
    """Reader of a run; another process may write it meanwhile."""

    run_id: str

    def record(self) -> RunRecord:
        """Return the present record, as its writer wrote it."""

    def log(self, start: int = 0) -> Iterator[bytes]:
        """Yield parts of the log in order, from byte ``start``; the last frame may be partial."""

    def is_of_this_user(self) -> bool:
        """Whether certainly no other user has written the record."""


class RunStore(Protocol):
    """Store of runs; methods take a run's id, or a unique beginning of it.

    ``watch`` and ``now`` may be missing; see the functions of these names.
    """

    @property
    def identity(self) -> str:
        """Text by which stores differ: two stores with the same identity have the same runs."""
        raise NotImplementedError

    def create(self, record: RunRecord) -> RunWriter:
        """Begin a run; raises StoreError for an id in use, or if the store is not writable."""

    def open(self, run_id: str) -> RunReader:
        """Return a reader of a run; raises RunNotFoundError."""

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; UNREADABLE ones have the reason as their ``note``."""

    def values(self, run_id: str) -> ValueStorage:
        """Return the storage for values of a run, by its whole id; it may be empty."""

    def ask(self, run_id: str, request: CancelRequest) -> None:
        """Leave a request for the writer of a run; it replaces an earlier one.

        Raises RunNotFoundError, and StoreError if the store is not writable.
        """

    def resumes(self, run_id: str) -> Sequence[ResumeNote]:
        """Return the notes of runs that resume a run, in order; raises RunNotFoundError."""

    def add_resume(self, run_id: str, note: ResumeNote) -> bool:
        """Add a note beside a run; return False if another one has its number, or may get it.

        Raises RunNotFoundError, and StoreError if the store is not writable.
        """

    def remove_resume(self, run_id: str, note: ResumeNote) -> None:
        """Remove a note, if it still exists; raises StoreError."""

    def delete(self, run_id: str) -> None:
        """Remove a run and its values; raises RunNotFoundError."""

    def cache(self) -> StepCache:
        """Return the cache of outputs, which all runs share."""


def log_part(reader: RunReader, start: int, length: int) -> bytes:
    """Return ``length`` bytes of a log from byte ``start``; fewer where the log ends.

    A reader of somebody's own may have no ``log_part``, and then gives all of the rest.
    """
    read = getattr(reader, "log_part", None)
    if read is not None:
        return bytes(read(start, length))
    part = b""
    for data in reader.log(start):
        part += data[: length - len(part)]
        if len(part) == length:
            break
    return part


def current(reader: RunReader) -> RunRecord:
    """Return the present record of a run; a run with a dead driver has failed."""
    record = settled(reader.record())
    if record.note is None:
        return record
    # The driver may have written the end, and exited, between the two looks.
    latest = reader.record()
    return latest if is_over(latest) else record


def watch(store: RunStore, run_id: str) -> bool:
    """Ask the driver of a run to write its state for 10 s; return whether the store can.

    Raises RunNotFoundError, and StoreError if the store is not writable.
    """
    ask_to_watch = getattr(store, "watch", None)
    if ask_to_watch is None:
        return False
    ask_to_watch(run_id)
    return True


def now(store: RunStore, run_id: str) -> bytes | None:
    """Return the state that the driver of a watched run wrote last, None without any.

    Anybody who may write to the store may have written it. Raises RunNotFoundError and StoreError.
    """
    read = getattr(store, "now", None)
    return None if read is None else read(run_id)


def is_own(reader: RunReader, record: RunRecord) -> bool:
    """Whether this user wrote a record, on this host.

    Only then may a command import the file that it names, or connect to an address in it. A store
    of somebody's own that cannot tell has no such records.
    """
    is_of_this_user = getattr(reader, "is_of_this_user", None)
    is_here = record.driver is not None and record.driver.host == socket.gethostname()
    return is_here and is_of_this_user is not None and bool(is_of_this_user())


def newest_first(runs: Iterable[tuple[str, Callable[[], RunRecord]]]) -> list[RunRecord]:
    """Return the records of runs, the newest first and unreadable ones last.

    ``runs`` are ids, each with a function that reads the record.
    """
    records = []
    for run_id, read in runs:
        try:
            records.append(read())
        except RunNotFoundError:  # It is incomplete still, or somebody has just removed it.
            continue
        except StoreError as error:
            records.append(RunRecord(run_id, "?", RunStatus.UNREADABLE, note=str(error)))
    return sorted(records, key=order_of_list)


def order_of_list(record: RunRecord) -> tuple[float, str]:
    """Return the key by which lists of runs are sorted."""
    return -record.start_time, record.run_id


def check_new_id(run_id: str) -> None:
    """Raise StoreError for an id that no run may have."""
    if not isinstance(run_id, str) or not RUN_ID.match(run_id):
        raise StoreError(f"{run_id!r} is not a valid run id: {_ID_RULE}.")


def only_match(run_id: str, run_ids: Iterable[str], store: str) -> str:
    """Return the one id that is ``run_id`` or begins with it; raises RunNotFoundError otherwise.

    Each store lets every id pass through here, or through ``check_new_id``, before it touches
    anything of that name: ``..`` and ``/`` would name something else. ``store`` is a name for
    messages.
    """
    if not RUN_ID.match(run_id):
        raise RunNotFoundError(f"{store} has no run {run_id!r}: {_ID_RULE}.")
    ids = [each for each in run_ids if RUN_ID.match(each)]
    if run_id in ids:
        return run_id
    matches = sorted(each for each in ids if each.startswith(run_id))
    if len(matches) == 1:
        return matches[0]
    if matches:
        more = f" and {len(matches) - 5:,} more" if len(matches) > 5 else ""
        raise RunNotFoundError(
            f"{len(matches)} runs begin with {run_id!r}: {', '.join(matches[:5])}{more}."
        )
    raise RunNotFoundError(f"{store} has no run {run_id!r}.{nearest(run_id, ids)}")

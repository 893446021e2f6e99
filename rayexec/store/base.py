"""What a run store is: bytes of runs by their ids, written by one process and read by any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from rayexec.errors import RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.names import nearest
from rayexec.run.previous_run import ValueStorage
from rayexec.store.cache import StepCache
from rayexec.store.record import RunRecord, is_over, settled
from rayexec.store.request import CancelRequest

__all__ = ["RunReader", "RunStore", "RunWriter", "current", "newest_first", "only_match"]


class RunWriter(Protocol):
    """The one writer of a run.

    ``interval`` is how often (seconds) it wants to be given something at most, since on some stores
    each time is a file of its own. ``poll_interval`` is how often (seconds) it wants to be asked at
    most whether somebody ``asked``, which another thread may do. Every method raises StoreError
    where the store cannot be reached.
    """

    interval: float
    poll_interval: float

    def append(self, data: bytes) -> None:
        """Add to the end of the log."""

    def update(self, record: RunRecord) -> None:
        """Put ``record`` in the place of the one before, at once or not at all."""

    def asked(self) -> CancelRequest | None:
        """Return what was asked of the run last, None where nothing was."""

    def close(self) -> None:
        """Let go of what is open."""


class RunReader(Protocol):
    """A run as it was written so far; it may be going on in another process."""

    run_id: str

    def record(self) -> RunRecord:
        """Return what is known of the run now, as it was written."""

    def log(self, start: int = 0) -> Iterator[bytes]:
        """Yield the parts of the log so far, in order, from byte ``start`` on; the last frame may
        be cut short.
        """


class RunStore(Protocol):
    """Store of runs.

    ``identity`` tells stores apart: two stores with the same identity have the same runs.
    """

    @property
    def identity(self) -> str:
        """Text that stays the same as long as the store does."""
        raise NotImplementedError

    def create(self, record: RunRecord) -> RunWriter:
        """Begin a run; raises StoreError where there is one of that id, or where the store cannot
        be written.
        """

    def open(self, run_id: str) -> RunReader:
        """Return a run by its id, or by the beginning of it where that is unique; raises
        RunNotFoundError.
        """

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; one that cannot be read is UNREADABLE, and its
        ``note`` tells why.
        """

    def values(self, run_id: str) -> ValueStorage:
        """Return where the values of a run, given by its whole id, are kept, whether or not there
        are any.
        """

    def ask(self, run_id: str, request: CancelRequest) -> None:
        """Have the writer of a run, given as for ``open``, told of a request, in the place of one
        before.

        Raises RunNotFoundError, and StoreError where the store cannot be written.
        """

    def delete(self, run_id: str) -> None:
        """Remove all that is kept of a run, given as for ``open``; raises RunNotFoundError."""

    def cache(self) -> StepCache:
        """Return where outputs of cached ops are kept, of all runs together."""


def current(reader: RunReader) -> RunRecord:
    """Return a run as it stands: one whose driver died has failed, unless it ended while this was
    found out.
    """
    record = settled(reader.record())
    if record.note is None:
        return record
    latest = reader.record()
    return latest if is_over(latest) else record


def newest_first(runs: Iterable[tuple[str, Callable[[], RunRecord]]]) -> list[RunRecord]:
    """Return runs, given by their ids and how to read them, the newest first; those that cannot be
    read at the end.
    """
    found = []
    for run_id, read in runs:
        try:
            found.append(read())
        except RunNotFoundError:  # just begun, or just removed
            continue
        except StoreError as error:
            found.append(RunRecord(run_id, "?", RunStatus.UNREADABLE, note=str(error)))
    return sorted(found, key=lambda each: (-each.start_time, each.run_id))


def only_match(run_id: str, known: Iterable[str], where: str) -> str:
    """Return the one id that is ``run_id`` or begins so; raises RunNotFoundError where none or
    several do.
    """
    ids = list(known)
    if run_id in ids:
        return run_id
    matches = sorted(each for each in ids if each.startswith(run_id)) if run_id else []
    if len(matches) == 1:
        return matches[0]
    if matches:
        more = f" and {len(matches) - 5:,} more" if len(matches) > 5 else ""
        raise RunNotFoundError(
            f"{len(matches)} runs begin with {run_id!r}: {', '.join(matches[:5])}{more}."
        )
    raise RunNotFoundError(f"{where} has no run {run_id!r}.{nearest(run_id, ids)}")

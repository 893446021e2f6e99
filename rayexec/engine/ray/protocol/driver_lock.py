"""Lock of a driver, and the removal of files that killed drivers left.

A pid says nothing in another container or on another host, and files of a batch lie where several
of these may look. A lock of the kernel is the same to all who see the file, and ends with its
process.

A driver holds a lock in its own directory in memory. A worker holds one on each file of its batch.
So the files of a batch belong to

- a living driver, whose lock is held: nobody removes them;
- a driver that has ended, whose lock is free: they go at once;
- a driver elsewhere, whose lock is not here: they go once no worker has held them for
  ``ORPHANED_S``. In that time the driver asks for the files of a dead worker.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import math
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rayexec.engine.ray.protocol.batch_files import (
    JOURNAL_PREFIX,
    memory_directory,
    own_directories,
)
from rayexec.private_directory import open_private

__all__ = [
    "ORPHANED_S",
    "driver_name",
    "journal_name",
    "sweep_journals",
    "sweep_journals_for_run",
]

ORPHANED_S = 600.0
SWEEP_INTERVAL_S = 1.0

_LOCK_PREFIX = "rayexec-driver-"
_LOCK_ATTEMPTS = 5
# Mode of a file that a sweep found without its worker; the change of mode says when.
_ORPHANED_MODE = 0o400


class _DriverLock(NamedTuple):
    pid: int
    name: str


_own: _DriverLock | None = None


def journal_name(run_id: str, batch_id: int) -> str:
    """Return the name of a batch's journal, for a batch of this process."""
    return f"{JOURNAL_PREFIX}{driver_name()}-{run_id}-{batch_id}"


def driver_name() -> str:
    """Return the name of this process as a driver; holds its lock from the first call on."""
    global _own
    if _own is None or _own.pid != os.getpid():  # a forked child is another driver
        _own = _locked()
    return _own.name


def _locked() -> _DriverLock:
    """Return the name of this process, with its lock where this machine can have one."""
    pid = os.getpid()
    name = f"{pid}.{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):
        directory = memory_directory()
        for _ in range(_LOCK_ATTEMPTS):
            path = os.path.join(directory, _LOCK_PREFIX + name)
            if _hold(path):
                atexit.register(_release, path, pid)
                break
            name = f"{pid}.{secrets.token_hex(4)}"
    return _DriverLock(pid, name)


def _hold(path: str) -> bool:
    """Lock a new file for the life of this process; False where a sweep was quicker."""
    file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.lstat(path)):
            return True  # the descriptor stays open
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:  # a file system without locks must not have one that looks free
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(file)
        raise
    os.close(file)
    return False


def _release(path: str, pid: int) -> None:
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            os.unlink(path)


_NEVER = (-math.inf, "")
# Last sweep of this process: its time, and the directory for temporary files then.
_swept = _NEVER


def sweep_journals_for_run() -> None:
    """Sweep at a run of this process: many runs in a second share one sweep, half a millisecond."""
    global _swept
    now, temporary = time.monotonic(), tempfile.gettempdir()
    if temporary != _swept[1] or now - _swept[0] >= SWEEP_INTERVAL_S:
        _swept = (now, temporary)
        sweep_journals()


def sweep_journals() -> None:
    """Remove files on this machine of drivers and workers that were killed."""
    directories = own_directories()
    files: dict[str, list[Path]] = {}  # by driver
    locks: dict[str, Path] = {}
    for directory in directories:
        with contextlib.suppress(OSError):
            for path in directory.iterdir():
                if path.name.startswith(JOURNAL_PREFIX):
                    driver = path.name[len(JOURNAL_PREFIX) :].partition("-")[0]
                    files.setdefault(driver, []).append(path)
                elif path.name.startswith(_LOCK_PREFIX):
                    locks[path.name[len(_LOCK_PREFIX) :]] = path
    for driver in files.keys() | locks.keys():
        with contextlib.suppress(OSError):
            _sweep_driver(locks.get(driver), files.get(driver, []))


def _sweep_driver(lock: Path | None, files: list[Path]) -> None:
    if lock is None:
        for path in files:
            with contextlib.suppress(OSError):
                _sweep_orphan(path)
        return
    with _if_free(lock) as file:
        if file is not None:
            for path in (*files, lock):
                with contextlib.suppress(OSError):
                    os.unlink(path)


def _sweep_orphan(path: Path) -> None:
    """Remove a file that a sweep found without its worker long ago; mark one found so now."""
    with _if_free(path) as file:
        if file is None:
            return
        status = os.fstat(file)
        if stat.S_IMODE(status.st_mode) != _ORPHANED_MODE:
            os.fchmod(file, _ORPHANED_MODE)
        elif time.time() - status.st_ctime > ORPHANED_S:
            os.unlink(path)


@contextlib.contextmanager
def _if_free(path: Path) -> Iterator[int | None]:
    """Give the descriptor of a file and hold its lock meanwhile; None where others hold it."""
    # For reading: ``kill_holders`` spares processes that only read.
    file = open_private(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield file
    finally:
        os.close(file)

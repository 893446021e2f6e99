"""Directories for a Ray that starts here: private, short enough for sockets, gone after its end.

Ray opens the directory that it gets to everybody. So it gets one inside a directory that only this
user may enter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from rayexec.cluster import processes
from rayexec.private_directory import open_private, owned_by_me

__all__ = [
    "DIRECTORY_PREFIX",
    "RayDirectory",
    "make_private",
    "remove_private",
    "sweep_directories",
]

DIRECTORY_PREFIX = "rayexec-"
# Held by the process that uses the directory, and by nobody after its death, however it died.
_LOCK = "ray.lock"
_RAY = "ray"
# A socket's path has at most 107 characters. Ray adds a session, a directory and a name.
_MOST_SOCKET = 107
_IN_SESSION = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
MOST_CHARACTERS = _MOST_SOCKET - _IN_SESSION
END_GRACE_S = 3.0
_TRIES, PAUSE_S = 20, 0.05


def parent_of_sessions() -> str:
    """Return the directory for those of Ray: RAY_TMPDIR, or ``/tmp``."""
    return os.path.abspath(os.environ.get("RAY_TMPDIR") or "/tmp")


def make_private(longest: str = _RAY) -> Path:
    """Return a new directory of this user alone, for Ray's directories of up to that name.

    It is in RAY_TMPDIR, or ``/tmp``. Where that is too long for the paths of sockets, it is a
    link in ``/tmp`` to the real one. Raises OSError.
    """
    made = tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=parent_of_sessions())
    if len(f"{made}/{longest}") <= MOST_CHARACTERS:
        return Path(made)
    front = tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir="/tmp")
    link = Path(front, "far")
    link.symlink_to(made)
    return link


def remove_private(directory: Path) -> None:
    """Remove a directory of ``make_private`` with all in it.

    What cannot go stays, and then so does the lock, by which a later sweep finds it.
    """
    real = Path(os.path.realpath(directory))
    for _ in range(_TRIES):  # a killed process may still write
        with contextlib.suppress(OSError):
            for path in real.iterdir():
                if path.name != _LOCK:
                    _remove(path)
            _remove(real)
            if directory != real:
                _remove(directory.parent)
            return
        time.sleep(PAUSE_S)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class RayDirectory:
    """Directory of one Ray of this process, locked as long as the process lives."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._removal = threading.Lock()
        while True:
            self._directory = make_private()
            # Not beside Ray's own files: those are open to all who can enter.
            self._lock = open_private(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            with contextlib.suppress(OSError):  # a file system without locks: nobody sweeps it
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._lock).st_nlink:
                break
            os.close(self._lock)  # another process took it for a leftover, and removed it

    @property
    def private(self) -> str:
        """Directory that only this user may enter."""
        return str(self._directory)

    @property
    def for_ray(self) -> str:
        """Directory that Ray makes and uses."""
        return str(self._directory / _RAY)

    def remove(self) -> None:
        """End what still runs there, and remove the directory; in a forked child nothing."""
        if os.getpid() != self._process:
            return
        with self._removal:
            if self._lock < 0:
                return
            end_processes_of(self.for_ray)
            remove_private(self._directory)
            os.close(self._lock)
            self._lock = -1


def end_processes_of(directory: str) -> None:
    """Kill the processes that have ``directory`` in their command line, and their children.

    Ray names it to each of its processes.
    """

    def family() -> dict[int, processes.Process]:
        table = processes.table()
        roots = {pid for pid in table if _mentions(pid, directory)}
        return {pid: table[pid] for pid in processes.family(roots, (), table)}

    processes.kill(family, patience_s=END_GRACE_S)


def _mentions(pid: int, directory: str) -> bool:
    try:
        return f"{directory}/".encode() in Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:  # it has just ended, or the system has no /proc
        return False


def sweep_directories() -> None:
    """Remove directories of processes of this user that were killed before they could do so."""
    for parent in {parent_of_sessions(), "/tmp"}:
        with contextlib.suppress(OSError), os.scandir(parent) as entries:
            for entry in entries:
                if entry.name.startswith(DIRECTORY_PREFIX):
                    _sweep(Path(entry.path))


def _sweep(directory: Path) -> None:
    with contextlib.suppress(OSError):  # it is another user's, or has just gone
        if not owned_by_me(directory.lstat()) or directory.is_symlink():
            return
        link = directory / "far"
        made = link if link.is_symlink() else directory
        file = open_private(made / _LOCK, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                end_processes_of(str(made / _RAY))
                remove_private(made)
        finally:
            os.close(file)

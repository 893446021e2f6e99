"""Files of a batch on the node that runs it: its journal, and what lies beside.

They lie in directories of one user, which nobody else may enter: the journal and the notes of an
end in memory, the captured prints on disk. A step may print more than memory has.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rayexec.private_directory import (
    StrangerError,
    open_private,
    owned_by_me,
    private_directory,
)

__all__ = [
    "CAPTURE_LIMIT_BYTES",
    "JOURNAL_PREFIX",
    "capture_path",
    "captured_files",
    "exit_note_file",
    "find_file",
    "hang_note_file",
    "journal_path",
    "memory_directory",
    "new_file",
    "own_directories",
    "remove_journal",
]

JOURNAL_PREFIX = "rayexec-batch-"
CAPTURE_LIMIT_BYTES = 1024 * 1024  # of the output of one step on one stream

_MEMORY = "/dev/shm"
_DISK = "/tmp"  # whatever TMPDIR says: a driver and its workers may have two of these


def journal_path(name: str) -> str:
    """Return the path of the journal of a batch with this name; raises OSError."""
    return os.path.join(memory_directory(), name)


def capture_path(name: str) -> str:
    """Return the path of a batch's captured prints, without the endings; raises OSError."""
    return os.path.join(_directory(_DISK, tempfile.gettempdir(), _MEMORY), name)


def memory_directory() -> str:
    """Return this user's directory in memory, else one on disk; raises OSError."""
    return _directory(_MEMORY, _DISK, tempfile.gettempdir())


def _directory(*bases: str) -> str:
    """Return this user's own directory in the first base that can have one, made if missing."""
    problem: OSError = FileNotFoundError(f"there is none of {', '.join(bases)}")
    for base in bases:
        with contextlib.suppress(OSError):  # the usual case, with one call of the system
            return _checked(os.path.join(base, _name_of_own()))
        try:
            if os.path.isdir(base):
                return _own_directory(base)
        except OSError as error:
            problem = error
    raise problem


def _own_directory(base: str) -> str:
    name = _name_of_own()
    try:
        return str(private_directory(os.path.join(base, name)))
    except StrangerError:  # others may have the name first, and not this user's files
        for other in _other_directories(base):
            return other
        return tempfile.mkdtemp(prefix=f"{name}-", dir=base)


def _name_of_own() -> str:
    return f"rayexec-{os.geteuid()}"


def _other_directories(base: str) -> Iterator[str]:
    """Yield this user's directories in a base where a stranger has the usual name."""
    prefix = f"{_name_of_own()}-"
    for name in sorted([name for name in os.listdir(base) if name.startswith(prefix)]):
        with contextlib.suppress(OSError):
            yield _checked(os.path.join(base, name))


def _checked(path: str) -> str:
    """Return the path of a private directory; raises OSError for any other, and for none."""
    status = os.lstat(path)
    if not (stat.S_ISDIR(status.st_mode) and owned_by_me(status)) or status.st_mode & 0o077:
        raise StrangerError(path, "is no private directory of this user")
    return path


def own_directories() -> list[Path]:
    """Return all directories of this user on this machine that files of a batch may lie in."""
    directories: list[Path] = []
    for base in dict.fromkeys((_MEMORY, _DISK, tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            directories.append(Path(_checked(os.path.join(base, _name_of_own()))))
        with contextlib.suppress(OSError):
            directories += map(Path, _other_directories(base))
    return directories


def find_file(name: str) -> str | None:
    """Return the path of a file of a batch on this machine, None for none."""
    for directory in own_directories():
        path = directory / name
        if os.path.lexists(path):
            return str(path)
    return None


def new_file(path: str, flags: int) -> int:
    """Return the descriptor of a new file, locked until all processes that have it are gone.

    The lock says to ``sweep_journals`` that the file is in use, whoever asks from wherever.
    """
    flags |= os.O_CREAT | os.O_EXCL
    try:
        file = open_private(path, flags)
    except FileExistsError:  # of a process with the same pid that was killed
        os.unlink(path)
        file = open_private(path, flags)
    with contextlib.suppress(OSError):  # a file system without locks; then nobody sweeps it
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


@functools.cache
def _memory_directory_of(pid: int) -> str:
    return memory_directory()


def remove_journal(name: str) -> None:
    """Remove a journal, if it is on this machine."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(_memory_directory_of(os.getpid()), name))


def captured_files(path: str) -> tuple[str, str]:
    """Return the files of a running step's standard output and standard error."""
    return f"{path}.stdout", f"{path}.stderr"


def hang_note_file(path: str) -> str:
    """Return the file for the stacks of a process that its backstop ends."""
    return f"{path}.hung"


def exit_note_file(path: str) -> str:
    """Return the file for the note of a process that calls ``os._exit``."""
    return f"{path}.exit"

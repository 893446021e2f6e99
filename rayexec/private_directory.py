"""Directories and files of one user on a machine that strangers share.

A name in ``/tmp`` or ``/dev/shm`` says nothing of its owner: anybody may have made it first. These
functions look at the owner before they hand anything out.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = [
    "StrangerError",
    "open_private",
    "open_unshared",
    "out_of_reach",
    "owned_by_me",
    "private_directory",
]

_OF_OTHERS, _WRITABLE_BY_OTHERS = 0o077, 0o022  # bits of a mode


class StrangerError(PermissionError):
    """A path that other users own, or may change; ``filename`` is the path."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)} {reason}")
        self.filename = os.fspath(path)

    def __str__(self) -> str:
        return str(self.args[0])


def owned_by_me(status: os.stat_result) -> bool:
    """Tell whether a file belongs to the user of this process (its effective uid)."""
    return status.st_uid == os.geteuid()


def private_directory(path: str | os.PathLike[str]) -> Path:
    """Return a directory that this user owns and nobody else may enter, made where it lacks.

    It is made with mode 0700, and so are parents that lack. Raises StrangerError for a link, for
    anything but a directory, for another owner, and for a mode with bits for group or others; and
    OSError where it cannot be made. A caller that can do without this name may fall back to
    ``tempfile.mkdtemp``.
    """
    directory = Path(path)
    _make(directory)
    status = os.lstat(directory)  # ``stat`` would follow a link to a directory of ours
    if not stat.S_ISDIR(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "no directory"
        raise StrangerError(directory, f"is {kind}: remove it, so that a directory can be made")
    if not owned_by_me(status):
        raise StrangerError(directory, _owner_is_other(status))
    if status.st_mode & _OF_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise StrangerError(
            directory, f"is open to other users (mode {mode:04o}): look inside, then chmod 700 it"
        )
    return directory


def _make(directory: Path) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:  # the parent lacks
        if directory.parent == directory:
            raise
        _make(directory.parent)
        _make(directory)


def out_of_reach(path: str | os.PathLike[str]) -> bool:
    """Tell whether no other user but root can put another file or directory under a path.

    That takes a directory above where they may write, and that is not sticky as ``/tmp`` is; and a
    way there, which a directory of this user without bits for others cuts off from what is in it.
    Raises OSError.
    """
    is_safe = True
    for directory in Path(os.path.realpath(path)).parents:
        status = os.stat(directory)
        if owned_by_me(status) and not status.st_mode & _OF_OTHERS:
            is_safe = True  # so far; it may be renamed as a whole by who may write above it
            continue
        is_owned = owned_by_me(status) or status.st_uid == 0
        is_writable = status.st_mode & _WRITABLE_BY_OTHERS and not status.st_mode & stat.S_ISVTX
        is_safe = is_safe and is_owned and not is_writable
    return is_safe


def open_private(path: str | os.PathLike[str], flags: int) -> int:
    """Return the descriptor of a regular file of this user, opened as ``os.open`` does.

    Adds O_NOFOLLOW and O_CLOEXEC to ``flags``; a new file (O_CREAT, best with O_EXCL) has mode
    0600. Raises StrangerError for another owner and for anything but a regular file; and OSError
    as ``os.open`` does: ELOOP for a link. O_TRUNC empties the file after the look at its owner. A
    pipe under the name does not block.
    """
    extra = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    file = os.open(path, (flags & ~os.O_TRUNC) | extra, 0o600)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise StrangerError(path, "is no regular file: remove it")
        if not owned_by_me(status):
            raise StrangerError(path, _owner_is_other(status))
        if flags & os.O_TRUNC:
            os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    return file


def open_unshared(path: str | os.PathLike[str], flags: int) -> int:
    """Return the descriptor of a file as ``open_private`` does, which nobody else may change.

    Raises StrangerError for write bits of others too.
    """
    file = open_private(path, flags)
    if os.fstat(file).st_mode & _WRITABLE_BY_OTHERS:
        os.close(file)
        raise StrangerError(path, "may be changed by other users: chmod 600 it")
    return file


def _owner_is_other(status: os.stat_result) -> str:
    return f"belongs to another user (uid {status.st_uid}, and you are uid {os.geteuid()})"

"""Modes of the files and directories that rayexec makes in a run store of this machine.

They are for their owner alone: records hold config, and values hold data. A store that several
users share has a directory that its group may write to, made so by a person. What rayexec makes in
there lets the group do the same. Other users get no access in any store.
"""

from __future__ import annotations

import os
import stat

__all__ = ["inherit", "make_directories", "new_file", "withdraw_access"]

_PRIVATE_DIRECTORY, _PRIVATE_FILE = 0o700, 0o600
_OF_OTHERS, _WRITABLE = 0o077, 0o022


def _inherited(parent: os.stat_result) -> int:
    """Return the bits that the group gets in a directory: those of the directory itself.

    It gets none unless it may write there, or if everybody may.
    """
    is_shared = parent.st_mode & stat.S_IWGRP and not parent.st_mode & stat.S_IWOTH
    return parent.st_mode & (stat.S_IRWXG | stat.S_ISGID) if is_shared else 0


def make_directories(path: str, root: str) -> None:
    """Make a directory in the store at ``root``, and its parents where they lack.

    The root itself, and what is above, is for the user alone. Raises OSError.
    """
    parent = os.path.dirname(path)
    try:
        os.mkdir(path, _PRIVATE_DIRECTORY)
    except FileExistsError:
        return
    except FileNotFoundError:
        if parent == path:
            raise
        make_directories(parent, root)
        os.mkdir(path, _PRIVATE_DIRECTORY)
    if path.startswith(f"{root}/"):
        inherit(path)


def inherit(path: str) -> None:
    """Give a new directory in a store the bits for the group; the umask may have taken them."""
    if bits := _inherited(os.stat(os.path.dirname(path))):
        os.chmod(path, _PRIVATE_DIRECTORY | bits)


def new_file(path: str, extra_flags: int = 0) -> int:
    """Return the descriptor of a new file, open for writing; raises FileExistsError and OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | extra_flags
    file = os.open(path, flags, _PRIVATE_FILE)
    if bits := _inherited(os.stat(os.path.dirname(path) or ".")):
        os.fchmod(file, _PRIVATE_FILE | (bits & 0o060))
    return file


def withdraw_access(path: str) -> None:
    """Take the access of other users from a directory of this user, as earlier versions made it.

    A directory that others may write to stays: a person made it so, and what is in it may be
    theirs. So does one of another user, and a name without a directory.
    """
    try:
        status = os.lstat(path)
        is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        if is_own and status.st_mode & _OF_OTHERS and not status.st_mode & _WRITABLE:
            os.chmod(path, stat.S_IMODE(status.st_mode) & ~_OF_OTHERS)
    except OSError:  # it is not there, or on a file system without modes
        pass

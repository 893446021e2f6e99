"""Files with the tokens of servers, which scripts of this user may read.

Each is locked by its server, and by nobody once that is dead, however it died: the next server
removes it then.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from rayexec.cluster.home import home
from rayexec.private_directory import StrangerError, open_private, private_directory

__all__ = ["token_file"]

_SUFFIX = ".token"


@contextlib.contextmanager
def token_file(port: int, token: str) -> Iterator[None]:
    """Keep the token in a file during the ``with`` block.

    Without a private directory for it there is none, and the printed address has the token.
    """
    path, file = None, -1
    with contextlib.suppress(OSError, StrangerError):
        directory = private_directory(home() / f"dev-{os.geteuid()}")
        _sweep(directory)
        path = directory / f"{port}{_SUFFIX}"
        file = _locked(path)
        os.write(file, f"{token}\n".encode())
    try:
        yield
    finally:
        if path is not None:
            # A full disk, or a store that is gone, keeps no server from its end.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        if file >= 0:
            os.close(file)


def _locked(path: Path) -> int:
    """Return a new file at ``path``, open and locked."""
    while True:
        path.unlink(missing_ok=True)  # of a dead server at this port
        file = open_private(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:
            return file
        os.close(file)  # Another server took it for a leftover just now.


def _sweep(directory: Path) -> None:
    """Remove the files of dead servers."""
    for path in directory.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # a living server has it, or it has just gone
            file = open_private(str(path), os.O_RDONLY)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(file)

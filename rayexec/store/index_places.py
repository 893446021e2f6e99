"""Directories for the index of a store: beside the store, or private to this user and machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rayexec.private_directory import owned_by_me, private_directory

__all__ = ["index_directories", "is_on_network"]

_NAME = "index"
_DIGITS = 32  # of a digest, in the name of a directory
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MOUNTS = "/proc/self/mountinfo"
# SQLite's write-ahead log needs memory that all processes share, and locks that hold: both are
# certain only on a disk of this machine.
_NETWORK_TYPES = frozenset(
    {
        *("9p", "virtiofs"),  # from the host of a virtual machine
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "coda", "ncpfs"),
        *("ceph", "glusterfs", "lustre", "beegfs", "gpfs", "panfs", "pvfs2", "acfs"),
        *("gfs", "gfs2", "ocfs2"),
    }
)


def index_directories(identity: str, root: str | None) -> Iterator[Path]:
    """Yield private directories for the index of a store, the best one first.

    ``root`` is the store's directory, None for one that this machine does not mount. Beside the
    store comes first, if this user owns that directory, nobody else may write there, and it is on
    a disk of this machine. A cache of this user follows, by the store's ``identity``.
    """
    if root is not None and _is_mine_alone(root) and not is_on_network(root):
        with contextlib.suppress(OSError):
            yield private_directory(os.path.join(root, _NAME))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]
    for base in _caches():
        with contextlib.suppress(OSError):
            if not is_on_network(base):
                private_directory(base)
                yield private_directory(base / digest)


def _is_mine_alone(directory: str) -> bool:
    try:
        status = os.stat(directory)
    except OSError:
        return False
    return owned_by_me(status) and not status.st_mode & _WRITABLE_BY_OTHERS


def _caches() -> Iterator[Path]:
    with contextlib.suppress(RuntimeError):  # A user of some containers has no home.
        given = os.environ.get("XDG_CACHE_HOME", "")
        cache = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
        yield cache / "rayexec" / _NAME
    yield Path(tempfile.gettempdir(), f"rayexec-{_NAME}-{os.geteuid()}")


def is_on_network(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is, or may be, on a file system that other machines share."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:  # It is no Linux, so nobody knows.
        return True
    real = os.path.realpath(path)
    kind, longest = "", -1
    for fields in mounts:  # A later mount covers an earlier one.
        mounted_on = _unescaped(fields[4])
        is_above = mounted_on == "/" or real == mounted_on or real.startswith(f"{mounted_on}/")
        if is_above and len(mounted_on) >= longest:
            kind, longest = fields[fields.index("-", 6) + 1], len(mounted_on)
    return kind in _NETWORK_TYPES or kind.startswith("fuse")


def _unescaped(path: str) -> str:
    r"""Return a path of the table of mounts, which has ``\040`` for a space."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path

"""Owners of files on this machine whose content this user may unpickle.

A pickle runs code as whoever loads it. So a value or a cached output counts only if this user owns
its file and nobody else may change it, or the directories above it up to the store's. Users who
share a store list one another: names or uids in RAYEXEC_TRUSTED_OWNERS, or in the file
``rayexec/trusted_owners`` of the user's own configuration (``~/.config``). The list is never read
from a store, since whoever writes there would write it.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import os
import pwd
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rayexec.errors import StoreError
from rayexec.private_directory import StrangerError, open_unshared

__all__ = ["TRUSTED_OWNERS", "Owners", "adopt_owners", "trusted_owners"]

TRUSTED_OWNERS = "RAYEXEC_TRUSTED_OWNERS"
_ROOT = 0
_BETWEEN = re.compile(r"[,\s]+")
# Linux keeps an access control list as a version and entries of tag, permissions and id.
_ACL = "system.posix_acl_access"
_ACL_VERSION, _ACL_ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP, _ACL_WRITE = 0x02, 0x08, 0x02


@dataclass(frozen=True, slots=True)
class Owners:
    """Users who may own such files; a worker gets those of its driver."""

    uids: frozenset[int]
    #: Somebody listed other users, so that a group of them may share files.
    is_team: bool = False

    def open(self, path: str, levels: int) -> BinaryIO:
        """Open a regular file for reading whose content may be unpickled.

        ``levels`` are the directories above it, up to that of the store. Raises StrangerError if
        another user could have written it, and OSError.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(path, flags), "rb")
        try:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StrangerError(path, "is no regular file")
            self._check(path, status, self.uids | {os.geteuid()}, file.fileno())
            directory = path
            for _ in range(levels):
                directory = os.path.dirname(directory)
                # Of a directory, its owner's right to change it is all that counts. The
                # administrator has that anyway.
                owners = self.uids | {os.geteuid(), _ROOT}
                self._check(directory, os.stat(directory), owners)
        except BaseException:
            file.close()
            raise
        return file

    def _check(
        self,
        path: str,
        status: os.stat_result,
        owners: frozenset[int],
        descriptor: int | None = None,
    ) -> None:
        if status.st_uid not in owners:
            raise StrangerError(path, f"belongs to {_user(status.st_uid)}. {_ADVICE}")
        mode = stat.S_IMODE(status.st_mode)
        others = None
        if mode & stat.S_IWOTH:
            others = ""
        elif mode & stat.S_IWGRP:  # also the sign of a list with more users and groups
            others = self._others(status.st_gid, path if descriptor is None else descriptor)
        if others is not None:
            raise StrangerError(
                path, f"may be changed by other users{others} (mode {mode:04o}). {_ADVICE}"
            )

    def _others(self, gid: int, file: str | int) -> str | None:
        """Return in words which others may change a file that its group may; None for none."""
        if not self._is_ours(gid):
            return f" of group {_group(gid)}"
        for tag, name in _writers(file):
            if tag == _ACL_USER and name not in self.uids | {os.geteuid(), _ROOT}:
                return f" by its access control list: {_user(name)}"
            if tag == _ACL_GROUP and not self._is_ours(name):
                return f" by its access control list: group {_group(name)}"
        return None

    def _is_ours(self, gid: int) -> bool:
        """Whether a group has no other members, as far as this machine tells."""
        trusted = self.uids | {os.geteuid(), _ROOT}
        if not _users_of(gid) <= trusted:
            return False
        try:
            group = grp.getgrgid(gid)
        except KeyError:
            return self.is_team
        if not all(_uid(name) in trusted for name in group.gr_mem):
            return False
        if self.is_team:
            return True
        with contextlib.suppress(KeyError):  # Many systems give each user a group of that name.
            return pwd.getpwuid(os.geteuid()).pw_name == group.gr_name
        return False


_ADVICE = (
    "What is in there runs code as whoever loads it, so it is not used. If you trust the users who "
    f"may write there, list their names in {TRUSTED_OWNERS} (ann,bob), or in "
    "~/.config/rayexec/trusted_owners; else close it to them, or remove it"
)


# Those of the driver whose steps this worker runs; None in any other process.
_ADOPTED: Owners | None = None


def adopt_owners(owners: Owners | None) -> None:
    """Let this worker trust whom its driver trusts, since a worker may have no list of them."""
    global _ADOPTED
    _ADOPTED = owners


def trusted_owners() -> Owners:
    """Return this user, and those whom the environment or the user's own file lists.

    In a worker these are the ones of its driver. Raises StoreError for a name that this machine
    does not know, and for a file that other users may change.
    """
    if _ADOPTED is not None:
        return _ADOPTED
    names = [*_BETWEEN.split(os.environ.get(TRUSTED_OWNERS, "")), *_listed(_list_path())]
    uids = {os.geteuid()}
    for name in filter(None, names):
        uid = _uid(name)
        if uid is None:
            raise StoreError(
                f"{TRUSTED_OWNERS}, or {_list_path()}, lists {name!r}, and this machine has no "
                "user of that name: write a name or a uid."
            )
        uids.add(uid)
    return Owners(frozenset(uids), is_team=len(uids) > 1)


def _list_path() -> Path:
    configuration = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(configuration) / "rayexec" / "trusted_owners"


def _listed(path: Path) -> list[str]:
    """Return the names in a file, without comments."""
    try:
        with os.fdopen(open_unshared(path, os.O_RDONLY)) as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, PermissionError) and not isinstance(error, StrangerError):
            return []  # the home of another user, as after sudo; nobody in there is trusted then
        raise StoreError(f"the list of trusted owners cannot be read: {error}") from None
    return [name for line in lines for name in _BETWEEN.split(line.partition("#")[0])]


def _uid(name: str) -> int | None:
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


@functools.cache
def _users_of(gid: int) -> frozenset[int]:
    """Return the users whose own group this is: the group's entry does not list them."""
    return frozenset([user.pw_uid for user in pwd.getpwall() if user.pw_gid == gid])


def _writers(file: str | int) -> Iterator[tuple[int, int]]:
    """Yield tag and id of the users and groups that an access control list lets write."""
    try:
        acl = os.getxattr(file, _ACL)
    except (OSError, AttributeError):  # it has none, or the system knows none
        return
    for tag, permissions, name in _ACL_ENTRY.iter_unpack(acl[_ACL_VERSION.size :]):
        if permissions & _ACL_WRITE:
            yield tag, name


def _user(uid: int) -> str:
    try:
        return f"another user, {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"another user (uid {uid})"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)

"""Users at the other ends of connections on this machine, as Linux tells them.

Everybody on a machine reads the arguments of its processes, and so the address that a browser is
started with. An address that counts for connections of this user alone is of no use to others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from pathlib import Path
from typing import TypeAlias

__all__ = ["is_of_this_user"]

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_WORD_BYTES = 4
_ROOT = 0

_End: TypeAlias = "tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]"


def is_of_this_user(transport: asyncio.BaseTransport | None) -> bool:
    """Whether a process of this user, or of root, has the other end of a connection.

    It is False for a connection of another machine. A system without Linux's tables of connections
    does not tell: there it is True.
    """
    if not _TABLES[0].exists():
        return True
    if transport is None:
        return False
    theirs, ours = (_end(transport.get_extra_info(name)) for name in ("peername", "sockname"))
    if theirs is None or ours is None:
        return False
    return _owner(theirs, ours) in (os.geteuid(), _ROOT)


def _end(name: object) -> _End | None:
    if not isinstance(name, tuple) or len(name) < 2:
        return None
    return _plain(ipaddress.ip_address(str(name[0]).partition("%")[0])), int(name[1])


def _owner(local: _End, remote: _End) -> int | None:
    """Return the user of the connection with these ends; None without one."""
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # A system without IPv6.
            continue
        for line in lines:
            _, own, other, state, _, _, _, user, *_ = line.split()
            if state == _ESTABLISHED and _read(own) == local and _read(other) == remote:
                return int(user)
    return None


def _read(text: str) -> _End:
    """Return an end as the tables have it: 32 bits each in the machine's order, and a port."""
    digits, _, port = text.partition(":")
    data = bytes.fromhex(digits)
    if sys.byteorder == "little":
        parts = (data[at : at + _WORD_BYTES] for at in range(0, len(data), _WORD_BYTES))
        data = b"".join(part[::-1] for part in parts)
    return _plain(ipaddress.ip_address(data)), int(port, 16)


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IPv4 address in an IPv6 one as the former."""
    return getattr(address, "ipv4_mapped", None) or address

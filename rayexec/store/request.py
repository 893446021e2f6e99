"""Requests to a running run, left in its store."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["CancelRequest"]


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Request to cancel a run."""

    #: User, host and process.
    by: str = "somebody"
    #: Command or function.
    via: str = "its run store"
    #: Whether to kill steps without a grace period.
    force: bool = False
    #: Seconds since 1970.
    time: float = 0.0

    @classmethod
    def here(cls, via: str, *, force: bool = False) -> CancelRequest:
        """Return a request of this process."""
        return cls(f"{_user()}@{socket.gethostname()} (pid {os.getpid()})", via, force, time.time())

    def encode(self) -> bytes:
        """Return the content of ``cancel.json``."""
        return f"{json.dumps(asdict(self), indent=2)}\n".encode()

    @classmethod
    def decode(cls, data: bytes) -> CancelRequest:
        """Return the request behind ``encode``'s result; other data is a request by somebody."""
        try:
            document: Any = json.loads(data)
        except ValueError:
            return cls()
        if not isinstance(document, dict):
            return cls()
        kinds = {each.name: type(each.default) for each in fields(cls)}
        return cls(
            **{
                name: document[name]
                for name, kind in kinds.items()
                if isinstance(document.get(name), kind)
            }
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Users of some containers have no name.
        return f"uid {os.getuid()}"

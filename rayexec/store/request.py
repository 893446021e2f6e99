"""What is asked of a run that goes on, by whoever may write to its store."""

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
    """That a run is to end, at once where ``force`` is set.

    ``by`` says who asks and ``via`` how, in words; ``time`` is seconds since 1970.
    """

    by: str = "somebody"
    via: str = "its run store"
    force: bool = False
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
        """Return what ``encode`` wrote; of anything else what can be told, for it is a request all
        the same.
        """
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
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"

"""Mark of a one-node Ray that rayexec has started, for other processes that attach to it.

The mark is a file beside the directory of Ray's own files, in a directory that only this user may
enter. It names the address, and the processes that serve there. So no other Ray passes for one
of ours: whatever it says of itself, its mark must be a file of this user, and the processes in
it must live.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rayexec.private_directory import open_private, open_unshared, private_directory
from rayexec.run.process_identity import ProcessIdentity

__all__ = ["has_mark", "is_marked", "write_mark"]

_MARK = "ray.json"
# Ray's session is in a directory of the node, and that one is in the private directory.
_LEVELS_TO_MARK = 1


def write_mark(directory: str, address: str, pids: Iterable[int]) -> None:
    """Mark the Ray at ``address`` with its head and node ``pids`` in the private ``directory``."""
    document = {
        "address": address,
        "processes": [asdict(ProcessIdentity.of(pid)) for pid in pids],
    }
    descriptor = open_private(Path(directory, _MARK), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)


def is_marked(address: str) -> bool:
    """Whether the Ray in use, with its head at ``address``, is one that rayexec has started."""
    import ray

    node = getattr(getattr(getattr(ray, "_private", None), "worker", None), "_global_node", None)
    session = getattr(node, "get_session_dir_path", None)
    try:
        return callable(session) and has_mark(str(session()), address)
    except Exception:  # Ray's private names may go; the driver then holds the limits
        return False


def has_mark(session: str, address: str) -> bool:
    """Whether the mark near a ``session`` directory of Ray is valid for the Ray at ``address``."""
    try:
        # The way there may be a link, since the paths of sockets are short.
        directory = Path(os.path.realpath(session)).parents[_LEVELS_TO_MARK]
        if not (directory / _MARK).exists():  # else the next line would make the directory
            return False
        private_directory(directory)
        with open(directory / _MARK, opener=open_unshared) as file:
            document: dict[str, Any] = json.load(file)
        processes = [ProcessIdentity(**entry) for entry in document["processes"]]
        return (
            document["address"] == address
            and bool(processes)
            and all(one.started is not None and not one.is_gone() for one in processes)
            and all(one.host == ProcessIdentity.here().host for one in processes)
        )
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return False

"""What a worker process tells of itself."""

from __future__ import annotations

import os
import resource
import socket
import sys
from functools import cache
from typing import NamedTuple

from rayexec.events.batch_facts import UNKNOWN_BYTES

__all__ = ["Told", "peak_rss", "tell"]

_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


class Told(NamedTuple):
    """A worker and the batch that it ran, as in ``BatchFacts``; of one that died, what it knew when
    it began.
    """

    host: str
    node_id: str
    pid: int
    began: float
    ended: float = 0.0
    loading: float = 0.0
    peak_rss: int = UNKNOWN_BYTES
    input_bytes: int = UNKNOWN_BYTES


def tell(began: float) -> Told:
    """Return what a worker knows when it begins with a batch."""
    return Told(*_here(os.getpid()), began)


@cache
def _here(pid: int) -> tuple[str, str, int]:
    import ray

    return socket.gethostname(), ray.get_runtime_context().get_node_id(), pid


def peak_rss() -> int:
    """Return the most memory (bytes) that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT

"""Facts of a worker and its batch, as the worker reports them."""

from __future__ import annotations

from typing import NamedTuple

from rayexec.events.batch_facts import UNKNOWN_BYTES

__all__ = ["WorkerFacts"]


class WorkerFacts(NamedTuple):
    """A worker and its batch, with fields as in ``BatchFacts``.

    A worker that died leaves the facts of its beginning.
    """

    host: str
    node_id: str
    pid: int
    began: float
    ended: float = 0.0
    loading: float = 0.0
    peak_rss: int = UNKNOWN_BYTES
    input_bytes: int = UNKNOWN_BYTES

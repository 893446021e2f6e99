"""What is known of a batch as a whole: the worker that ran it, its times and its bytes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DRIVER_BATCH", "UNKNOWN_BYTES", "BatchFacts"]

DRIVER_BATCH = (
    -1
)  # instead of the number of a batch: the process of the driver, where that runs the steps itself
UNKNOWN_BYTES = -1  # bytes


class BatchFacts(NamedTuple):
    """One batch: which worker of which node ran it, when, and what it took; times are seconds since
    1970.

    Attempts point to it by ``batch_id``. What is not known is empty, 0, or for bytes -1: a worker
    that died tells no more than who it was. ``began`` and ``ended`` are by the worker's clock; of
    ``loading`` (seconds) are large inputs that were made objects again. ``peak_rss`` is the most
    memory that the worker process had since it started.
    """

    batch_id: int
    host: str = ""
    node_id: str = ""
    pid: int = 0
    submitted: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    loading: float = 0.0
    peak_rss: int = UNKNOWN_BYTES
    input_bytes: int = UNKNOWN_BYTES
    output_bytes: int = UNKNOWN_BYTES
    calls: int = 0

    @property
    def queued(self) -> float | None:
        """Seconds from the driver's submission to the worker's begin, with what Ray had to bring
        there; None: unknown.

        Where the clocks of two hosts differ by more than that it is 0.
        """
        return max(0.0, self.began - self.submitted) if self.submitted and self.began else None

    @property
    def node(self) -> str:
        """The node in words: its host, with the beginning of Ray's id where that is known."""
        return f"{self.host} ({self.node_id[:8]})" if self.node_id else self.host

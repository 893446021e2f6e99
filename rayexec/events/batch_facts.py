"""Facts about a batch as a whole: its worker, its times and its bytes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DRIVER_BATCH", "UNKNOWN_BYTES", "BatchFacts"]

DRIVER_BATCH = -1  # id that all attempts have in common where the driver's process runs the steps
UNKNOWN_BYTES = -1


class BatchFacts(NamedTuple):
    """Facts about one batch; times are seconds since 1970.

    Unknown facts have their defaults. A worker that died leaves only its identity.
    """

    #: The id that attempts have as ``batch``.
    batch_id: int
    host: str = ""
    #: Ray's id of the node.
    node_id: str = ""
    pid: int = 0
    #: By the driver's clock.
    submitted: float = 0.0
    #: By the worker's clock, as ``ended`` is.
    began: float = 0.0
    ended: float = 0.0
    #: Seconds of making objects of large inputs.
    loading: float = 0.0
    #: Most memory of the worker process since its start.
    peak_rss: int = UNKNOWN_BYTES
    input_bytes: int = UNKNOWN_BYTES
    output_bytes: int = UNKNOWN_BYTES
    calls: int = 0

    @property
    def queued(self) -> float | None:
        """Seconds from the submission to the start on the worker; None where unknown.

        The transfer of inputs counts. Clocks of hosts differ; the result is at least 0.
        """
        return max(0.0, self.began - self.submitted) if self.submitted and self.began else None

    @property
    def node(self) -> str:
        """Name of the node: its host, with the beginning of Ray's id where there is one."""
        return f"{self.host} ({self.node_id[:8]})" if self.node_id else self.host

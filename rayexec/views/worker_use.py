"""Use of nodes and workers by a run: attempts, batches, queue times and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rayexec.events import DRIVER_BATCH, Attempt, BatchFacts

__all__ = ["NodeUse", "QueuedBatch", "WorkerUse", "WorkerUses", "nodes_of"]

_NO_FACTS = BatchFacts(DRIVER_BATCH)


@dataclass(slots=True)
class WorkerUse:
    """One process that ran attempts, for ``seconds`` in all; ``pid`` 0 is an unknown one."""

    #: The node in words: its host, with the beginning of Ray's id.
    node: str
    host: str
    node_id: str
    pid: int
    attempts: int = 0
    batches: set[int] = field(default_factory=set)
    seconds: float = 0.0
    #: Seconds of the batch that Ray queued longest.
    longest_queue: float = 0.0
    #: Bytes; 0 if unknown.
    peak_rss: int = 0


@dataclass(slots=True)
class NodeUse:
    """One node: the pids of its workers, and the sums over them."""

    name: str
    host: str
    node_id: str
    workers: set[int] = field(default_factory=set)
    attempts: int = 0
    seconds: float = 0.0
    peak_rss: int = 0


@dataclass(frozen=True, slots=True)
class QueuedBatch:
    """Time of a batch in Ray's queue (seconds), and a step of that batch."""

    seconds: float
    step_key: str


class WorkerUses:
    """Adds up attempts by worker; ``batches`` are the facts of batches by id."""

    def __init__(self, batches: Mapping[int, BatchFacts]) -> None:
        self._batches = batches
        self._workers: dict[tuple[str, str, int], WorkerUse] = {}  # by host, node and pid
        self._worker_of: dict[tuple[int, int], WorkerUse] = {}  # by batch and pid
        self.longest_queue: QueuedBatch | None = None

    def add(self, attempt: Attempt, step_key: str, seconds: float) -> None:
        """Count an attempt of a step that took ``seconds``."""
        worker = self._worker_of.get((attempt.batch, attempt.pid))
        if worker is None:
            worker = self._first_of_batch(attempt, step_key)
        worker.attempts += 1
        worker.seconds += seconds

    def _first_of_batch(self, attempt: Attempt, step_key: str) -> WorkerUse:
        """Count the batch of its first attempt, and return the worker."""
        facts = self._batches.get(attempt.batch, _NO_FACTS)
        pid = attempt.pid or facts.pid
        key = facts.host, facts.node_id, pid
        worker = self._workers.get(key)
        if worker is None:
            worker = self._workers[key] = WorkerUse(facts.node, *key)
        self._worker_of[attempt.batch, attempt.pid] = worker
        worker.batches.add(attempt.batch)
        worker.peak_rss = max(worker.peak_rss, facts.peak_rss)
        queued = facts.queued
        if queued is not None:
            worker.longest_queue = max(worker.longest_queue, queued)
            if self.longest_queue is None or queued > self.longest_queue.seconds:
                self.longest_queue = QueuedBatch(queued, step_key)
        return worker

    def workers(self) -> list[WorkerUse]:
        """Return the workers in the order of their first attempts."""
        return list(self._workers.values())


def nodes_of(workers: Sequence[WorkerUse]) -> list[NodeUse]:
    """Return the nodes of workers, most attempts first; workers of an unknown node do not count."""
    nodes: dict[tuple[str, str], NodeUse] = {}
    for worker in workers:
        if not worker.host:
            continue
        key = worker.host, worker.node_id
        node = nodes.setdefault(key, NodeUse(worker.node, *key))
        node.workers.add(worker.pid)
        node.attempts += worker.attempts
        node.seconds += worker.seconds
        node.peak_rss = max(node.peak_rss, worker.peak_rss)
    return sorted(nodes.values(), key=lambda node: -node.attempts)

"""Live state of a run: ends so far, running steps, waits, and the progress of mapped nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rayexec.events import Record, StepEnd, ends_of
from rayexec.names import node_path
from rayexec.plan import Plan
from rayexec.scheduler.wait_reasons import Queue, Waiting
from rayexec.views.mapped_counts import MappedCounts, MappedProgress

__all__ = ["LiveState", "RunningStep", "Snapshot"]


class RunningStep(NamedTuple):
    """A step that runs: its key, its node, and the seconds since it was first seen to run."""

    key: str
    node: str
    seconds: float
    is_mapped: bool


class Snapshot(NamedTuple):
    """State of a run at one moment."""

    steps: int
    #: False as long as dynamic outputs may add steps.
    is_final: bool
    over: int
    ends: Counter[StepEnd]
    #: In the order of their starts.
    running: Sequence[RunningStep]
    queues: Sequence[Queue]
    mapped: Sequence[MappedProgress]

    @property
    def waiting(self) -> int:
        """The number of steps that neither run nor are over."""
        return max(0, self.steps - self.over - len(self.running))


class LiveState:
    """Counts ends in the run's thread; another thread takes snapshots.

    Both read and replace what they share in single operations.
    """

    def __init__(self, plan: Plan, waiting: Callable[[], Waiting]) -> None:
        self._plan = plan
        self._waiting = waiting
        self._mapped = MappedCounts(plan)
        self._mapped_paths = {node.key for node in plan.mapped_nodes}
        self._ends: Counter[StepEnd] = Counter()
        self._since: dict[int, float] = {}  # by step

    def record(self, record: Record) -> None:
        """Count the steps that a record ends."""
        ended = ends_of(record)
        if ended is not None:
            self._ends[ended.end] += len(ended.steps)
            self._mapped.ended(ended.steps, failed=ended.end == StepEnd.FAILED)

    def snapshot(self, now: float) -> Snapshot:
        """Return the state at ``now``, by a monotonic clock in seconds."""
        waiting = self._waiting()
        self._since = {step: self._since.get(step, now) for step in waiting.running}
        ends = Counter(self._ends)
        self._mapped.catch_up()
        running = [self._running(step, now - since) for step, since in self._since.items()]
        return Snapshot(
            len(self._plan.steps),
            self._mapped.is_complete,
            ends.total(),
            ends,
            running,
            waiting.queues,
            self._mapped.progress(Counter(step.node for step in running)),
        )

    def _running(self, step: int, seconds: float) -> RunningStep:
        key = self._plan.steps[step].key
        node = node_path(key)
        return RunningStep(key, node, seconds, node in self._mapped_paths)

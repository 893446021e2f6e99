"""Counts of the steps of each mapped node, which grow while the run lasts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rayexec.names import node_path
from rayexec.plan import Plan

__all__ = ["MappedCounts", "MappedProgress"]


class MappedProgress(NamedTuple):
    """One mapped node: its path, and its steps so far."""

    path: str
    steps: int
    over: int
    failed: int
    running: int
    #: True once the number of steps is final.
    is_complete: bool


class MappedCounts:
    """Counts steps of mapped nodes by the path of the node: steps so far, over, and failed.

    The run's thread calls ``ended``. The thread that draws calls ``catch_up``, and it alone reads
    the counts.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen = len(plan.steps)
        # First steps with a dynamic output that others are mapped over, and those of them that
        # are over.
        self._causes = {
            plan.steps[fan_out.node].key
            for node in plan.mapped_nodes
            for fan_out in node.fan_outs[:1]
        }
        self._causes_over: set[str] = set()
        self._ended: deque[tuple[Iterable[int | str], bool]] = deque()
        self.steps: Counter[str] = Counter()
        self.over: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        # The nodes whose number of steps is final.
        self.complete: set[str] = set()

    @property
    def is_complete(self) -> bool:
        """Whether no more steps will come."""
        return len(self.complete) == len(self._plan.mapped_nodes)

    def ended(self, steps: Iterable[int | str], *, failed: bool = False) -> None:
        """Add ends of steps, by index or by key."""
        if self._plan.mapped_nodes:
            self._ended.append((steps, failed))

    def catch_up(self) -> None:
        """Count the ends and the new steps since the last call."""
        plan = self._plan
        # Ends come first: by then the plan has the steps that came of them.
        for _ in range(len(self._ended)):
            self._count(*self._ended.popleft())
        until = len(plan.steps)
        self.steps.update([node_path(plan.steps[index].key) for index in range(self._seen, until)])
        self._seen = until
        for node in plan.mapped_nodes:  # in an order with causes first
            cause = node.fan_outs[-1].node
            above = (plan.steps[cause] if cause >= 0 else plan.mapped_nodes[-1 - cause]).key
            if cause >= 0:
                is_complete = above in self._causes_over
            else:
                is_complete = above in self.complete and self.over[above] >= self.steps[above]
            if is_complete:
                self.complete.add(node.key)

    def _count(self, steps: Iterable[int | str], failed: bool) -> None:
        for step in steps:
            key = step if isinstance(step, str) else self._plan.steps[step].key
            node = node_path(key)
            if node != key:
                self.over[node] += 1
                self.failed[node] += failed
            elif key in self._causes:
                self._causes_over.add(key)

    def progress(self, running: Mapping[str, int]) -> list[MappedProgress]:
        """Return the nodes with steps now or later; ``running`` counts running steps by path."""
        return [
            MappedProgress(
                node.key,
                self.steps[node.key],
                self.over[node.key],
                self.failed[node.key],
                running.get(node.key, 0),
                node.key in self.complete,
            )
            for node in self._plan.mapped_nodes
            if self.steps[node.key] or node.key not in self.complete
        ]

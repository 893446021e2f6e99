"""Where a recorded run ran: its nodes and workers, how long batches were queued, and the memory
they took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rayexec.events import Attempt, BatchFacts
from rayexec.store.reading import StoredLog
from rayexec.views.run_summary import duration

__all__ = ["Node", "Queued", "Workers", "bytes_in_words"]

_NAMED = 4  # nodes that a line lists


def bytes_in_words(count: float) -> str:
    """Return a number of bytes in words, such as ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


@dataclass(slots=True)
class Node:
    """What ran on one node: the pids of its workers, attempts, and for how long they ran (seconds)."""

    name: str
    host: str
    node_id: str
    workers: set[int] = field(default_factory=set)
    attempts: int = 0
    seconds: float = 0.0
    peak_rss: int = 0


class Queued(NamedTuple):
    """How long a batch was queued (seconds), and a step that ran in it."""

    seconds: float
    step: int


class Workers:
    """What is known of the workers of a run; ``add`` takes its attempts."""

    def __init__(self, log: StoredLog) -> None:
        self._batches: Mapping[int, BatchFacts] = log.batches
        self._keys = log.keys
        self._nodes: dict[tuple[str, str], Node] = {}
        self.longest: Queued | None = None

    def add(self, attempt: Attempt) -> None:
        """Count an attempt."""
        facts = self._batches.get(attempt.batch)
        if facts is None or not facts.host:
            return
        known = facts.host, facts.node_id
        node = self._nodes.get(known)
        if node is None:
            node = self._nodes[known] = Node(facts.node, *known)
        node.workers.add(facts.pid)
        node.attempts += 1
        node.seconds += attempt.ended - attempt.started
        node.peak_rss = max(node.peak_rss, facts.peak_rss)
        queued = facts.queued
        if queued is not None and (self.longest is None or queued > self.longest.seconds):
            self.longest = Queued(queued, attempt.step)

    @property
    def nodes(self) -> list[Node]:
        """The nodes, those with most attempts first."""
        return sorted(self._nodes.values(), key=lambda node: -node.attempts)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what there is to say, as names and words."""
        nodes = self.nodes
        if self.longest is not None:
            yield (
                "queue",
                f"at most {duration(self.longest.seconds)} (step {self._keys[self.longest.step]})",
            )
        largest = max(nodes, key=lambda node: node.peak_rss, default=None)
        if largest is not None and largest.peak_rss:
            yield (
                "memory",
                f"at most {bytes_in_words(largest.peak_rss)} in a process, on {largest.name}",
            )
        if nodes:
            shown = [
                f"{node.name}: {node.attempts:,} attempts, {duration(node.seconds)} in "
                f"{_processes(node)}"
                for node in nodes[:_NAMED]
            ]
            more = [f"and {len(nodes) - _NAMED:,} more"] if len(nodes) > _NAMED else []
            yield "nodes", "; ".join([*shown, *more])

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON-able data."""
        longest = self.longest
        return {
            "longest_queue": None
            if longest is None
            else {"seconds": round(longest.seconds, 6), "step_key": self._keys[longest.step]},
            "peak_rss_bytes": max((node.peak_rss for node in self.nodes), default=0) or None,
            "nodes": [
                {
                    "host": node.host,
                    "node_id": node.node_id or None,
                    "workers": len(node.workers),
                    "attempts": node.attempts,
                    "seconds": round(node.seconds, 6),
                    "peak_rss_bytes": node.peak_rss or None,
                }
                for node in self.nodes
            ],
        }


def _processes(node: Node) -> str:
    return "1 process" if len(node.workers) == 1 else f"{len(node.workers):,} processes"

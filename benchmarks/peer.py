"""Contract of a peer of rayexec, and plain functions that most peers run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from benchmarks.fine import Dag

FAN_OUT, CHAIN, LAYERED = "fan-out", "chain", "layered naps"

# Does a graph that was prepared, and returns the value of its last step.
Run = Callable[[], int]


class Peer(Protocol):
    """Another way to run the same graphs; each method takes a graph and returns a function to time.

    ``start`` makes processes, servers and connections before Ray starts, and ``stop`` ends them.
    """

    name: str
    modules: tuple[str, ...]
    """The modules that must be installed."""
    sizes: Mapping[str, int]
    """How large a graph it can bear, by shape; it does not take part in the shapes that are not
    here.
    """
    repeats: int
    warm_up: int
    """The width of the fan-out that wakes its workers, untimed before each run; 0 where it keeps
    none.

    On one Ray the workers of one peer may be ended for those of the other, so once is not enough.
    """

    def start(self) -> None:
        """Prepare everything that outlives one graph."""

    def fan_out(self, width: int) -> Run:
        """Prepare one source, ``width`` no-ops behind it, and one join of them."""

    def chain(self, steps: int) -> Run:
        """Prepare one source and the no-ops behind it, one after another: ``steps`` in all."""

    def layered(self, dag: Dag) -> Run:
        """Prepare the naps of ``dag``; the last one returns the answer."""

    def stop(self) -> None:
        """End everything from ``start``."""


def source() -> int:
    """Yield the first value."""
    return 1


def follow(value: int) -> int:
    """Pass on a value."""
    return value


def join(values: Iterable[int]) -> int:
    """Add up values."""
    return sum(values)


def nap(length: float, values: Iterable[int]) -> int:
    """Sleep, and return a proof that each value came in."""
    time.sleep(length)
    return 1 + sum(values) % 997


def answer(dag: Dag) -> int:
    """Return the right answer of the last nap of ``dag``."""
    made: list[int] = []
    for _, before in dag:
        made.append(nap(0.0, [made[each] for each in before]))
    return made[-1]

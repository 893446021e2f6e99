"""Lanes of a run's timeline: its workers, and the attempts of each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.events import DRIVER_BATCH, BatchFacts
from rayexec.views.arrow_columns import numbers_of, scalar

__all__ = ["Lane", "Lanes"]

_NO_FACTS = BatchFacts(DRIVER_BATCH)


@dataclass(frozen=True, slots=True)
class Lane:
    """One worker; ``pid`` 0 is an unknown one, and ``host`` is empty before its facts come."""

    lane_id: int
    node: str
    host: str
    node_id: str
    pid: int

    @property
    def label(self) -> str:
        """The worker in words."""
        process = f"pid {self.pid}" if self.pid else "pid unknown"
        return f"{self.node}, {process}" if self.node else process

    def to_dict(self) -> dict[str, Any]:
        """Return the lane as JSON-able data."""
        return {"id": self.lane_id, "label": self.label, "node": self.node, "pid": self.pid}


class Lanes:
    """Finds the lane of each attempt; ``lane_of_row`` has the lanes by row.

    An attempt may be recorded before the facts of its batch. It gets the lane of an unknown node
    then, and moves to its worker's lane once the facts come.
    """

    def __init__(self, batches: Mapping[int, BatchFacts]) -> None:
        self.lanes: list[Lane] = []
        self.lane_of_row = array("i")
        #: Rows that moved to another lane.
        self.moved_rows = array("i")
        #: The number of all rows when that happened.
        self.moved_at = array("i")
        self._batches = batches
        self._by_worker: dict[tuple[str, str, int], Lane] = {}
        self._by_batch: dict[tuple[int, int], int] = {}  # and pid
        # Rows of batches without facts so far, and the pid of each row.
        self._without_facts: dict[int, tuple[array[int], array[int]]] = {}

    def add(self, batches: Any, pids: Any) -> None:
        """Add attempts by their batches and pids."""
        import pyarrow as pa
        from pyarrow import compute

        wide = compute.shift_left(compute.cast(batches, pa.int64()), scalar(32, pa.int64()))
        pairs = compute.add(wide, compute.cast(pids, pa.int64())).combine_chunks()
        encoded = pairs.dictionary_encode()
        lanes, unknown = [], {}
        for index, pair in enumerate(encoded.dictionary.to_pylist()):
            pid = ((pair + 2**31) & 0xFFFFFFFF) - 2**31
            batch = (pair - pid) >> 32
            lanes.append(self._lane_of(batch, pid))
            if batch not in self._batches:
                unknown[index] = batch, pid
        first = len(self.lane_of_row)
        indices = numbers_of(encoded.indices)
        self.lane_of_row.extend([lanes[index] for index in indices])
        if not unknown:
            return
        for row, index in enumerate(indices, first):
            if index in unknown:
                batch, pid = unknown[index]
                rows, row_pids = self._without_facts.setdefault(batch, (array("i"), array("i")))
                rows.append(row)
                row_pids.append(pid)

    def facts_came(self, batch: int, rows_so_far: int) -> None:
        """Move the attempts of a batch, now that its facts are there."""
        rows, pids = self._without_facts.pop(batch, (array("i"), array("i")))
        for row, pid in zip(rows, pids, strict=True):
            self._by_batch.pop((batch, pid), None)
            lane = self._lane_of(batch, pid)
            if lane != self.lane_of_row[row]:
                self.lane_of_row[row] = lane
                self.moved_rows.append(row)
                self.moved_at.append(rows_so_far)

    def moved_since(self, first: int) -> list[list[int]]:
        """Return row and lane of the rows before ``first`` that moved since a reader had those."""
        since = bisect_left(self.moved_at, first)
        return [[row, self.lane_of_row[row]] for row in self.moved_rows[since:] if row < first]

    def _lane_of(self, batch: int, pid: int) -> int:
        known_lane = self._by_batch.get((batch, pid))
        if known_lane is not None:
            return known_lane
        facts = self._batches.get(batch, _NO_FACTS)
        worker = facts.host, facts.node_id, pid or facts.pid
        lane = self._by_worker.get(worker)
        if lane is None:
            lane = self._by_worker[worker] = Lane(len(self.lanes), facts.node, *worker)
            self.lanes.append(lane)
        if batch in self._batches:  # Without facts the lane may be another one soon.
            self._by_batch[batch, pid] = lane.lane_id
        return lane.lane_id

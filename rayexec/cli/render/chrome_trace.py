"""Trace of a recorded run in Chrome's format, which Perfetto opens too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from rayexec.events import DRIVER_BATCH, BatchFacts
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog
from rayexec.strict_json import json_text
from rayexec.views.attempt_rows import attempt_row

__all__ = ["write_trace"]

_NO_FACTS = BatchFacts(DRIVER_BATCH)
_DETAILS = (
    "op",
    "attempt",
    "batch",
    "queue_s",
    "fetch_s",
    "output_bytes",
    "peak_rss_bytes",
    "error",
)


def write_trace(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write a bar for each attempt; return their count.

    A node is a process of the trace and a worker is a thread of it. A span beside them shows the
    time of a batch in the queue.
    """
    with path.open("w") as file:
        file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
        trace = _Trace(file, record, log)
        trace.write_attempts()
        about = {
            "ph": "M",
            "name": "run",
            "pid": 0,
            "args": {"run_id": record.run_id, "job": record.job_name},
        }
        file.write(f"{json_text(about)}\n]}}\n")
    return trace.count


class _Trace:
    """Writes rows of a trace; names a node, a worker and a batch once, before its first attempt."""

    def __init__(self, file: TextIO, record: RunRecord, log: StoredLog) -> None:
        self._file = file
        self._record = record
        self._log = log
        self._node_ids: dict[tuple[str, str], int] = {}  # by host and Ray's id of the node
        self._workers: set[tuple[int, int]] = set()
        self._batches: set[int] = set()
        self.count = 0

    def write_attempts(self) -> None:
        """Write all attempts of the log."""
        for attempt in self._log.attempts():
            facts = self._log.batches.get(attempt.batch, _NO_FACTS)
            node, worker = self._node(facts), attempt.pid
            self._name_worker(node, worker)
            if facts.queued and attempt.batch not in self._batches:
                self._batches.add(attempt.batch)
                self._write_queue(facts, node, worker)
            row = attempt_row(self._record, self._log, attempt)
            details = {name: getattr(row, name) for name in _DETAILS}
            self._write(
                {
                    "ph": "X",
                    "name": row.step_key,
                    "cat": row.outcome,
                    "pid": node,
                    "tid": worker,
                    "ts": self._moment(row.started),
                    "dur": round(row.seconds * 1e6, 1),
                    "args": {name: value for name, value in details.items() if value is not None},
                }
            )
            self.count += 1

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(f"{json_text(row)},\n")

    def _moment(self, seconds: float) -> float:
        """Return microseconds since the start of the run."""
        return round((seconds - self._record.start_time) * 1e6, 1)

    def _node(self, facts: BatchFacts) -> int:
        key = facts.host, facts.node_id
        if key not in self._node_ids:
            self._node_ids[key] = len(self._node_ids) + 1
            name = {"name": facts.node or "workers"}
            self._write(
                {"ph": "M", "name": "process_name", "pid": self._node_ids[key], "args": name}
            )
        return self._node_ids[key]

    def _name_worker(self, node: int, worker: int) -> None:
        if (node, worker) in self._workers:
            return
        self._workers.add((node, worker))
        name = {"name": f"worker {worker}" if worker else "worker"}
        self._write({"ph": "M", "name": "thread_name", "pid": node, "tid": worker, "args": name})

    def _write_queue(self, facts: BatchFacts, node: int, worker: int) -> None:
        about = {
            "cat": "queue",
            "name": f"batch {facts.batch_id} queued",
            "id": facts.batch_id,
            "pid": node,
        }
        submitted = self._moment(facts.began - (facts.queued or 0.0))
        self._write({"ph": "b", "ts": submitted, "tid": worker, **about})
        self._write({"ph": "e", "ts": self._moment(facts.began), "tid": worker, **about})

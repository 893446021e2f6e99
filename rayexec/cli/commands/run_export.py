"""A recorded run as files that other tools read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rayexec.events import FAILURE, HERE, RETRY, SUCCESS, UNKNOWN, Attempt, BatchFacts
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog

__all__ = ["write_parquet", "write_trace"]

_OUTCOMES = {SUCCESS: "success", FAILURE: "failure", RETRY: "retry"}
_BATCH = 50_000
_UNTOLD = BatchFacts(HERE)
_TOLD = frozenset(
    {"op", "attempt", "batch", "queue_s", "fetch_s", "output_bytes", "peak_rss_bytes", "error"}
)


def write_parquet(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write a row for each attempt; return how many there are."""
    import pyarrow as pa
    from pyarrow import parquet

    moment = pa.timestamp("us", tz="UTC")
    columns: list[tuple[str, pa.DataType]] = [
        ("run_id", pa.string()),
        ("job", pa.string()),
        ("step_key", pa.string()),
        ("op", pa.string()),
        ("attempt", pa.int32()),
        ("outcome", pa.string()),
        ("started", moment),
        ("ended", moment),
        ("seconds", pa.float64()),
        ("pid", pa.int32()),
        ("node", pa.string()),
        ("node_id", pa.string()),
        ("batch", pa.int32()),
        ("queue_s", pa.float64()),
        ("fetch_s", pa.float64()),
        ("output_bytes", pa.int64()),
        ("peak_rss_bytes", pa.int64()),
        ("error", pa.string()),
        ("message", pa.string()),
    ]
    schema = pa.schema(columns)
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        batch: list[dict[str, Any]] = []
        for attempt in log.attempts():
            batch.append(_row(record, log, attempt))
            if len(batch) == _BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                count, batch = count + len(batch), []
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema))
    return count + len(batch)


def _row(record: RunRecord, log: StoredLog, attempt: Attempt) -> dict[str, Any]:
    error = attempt.failure.root if attempt.failure is not None else None
    facts = log.batches.get(attempt.batch, _UNTOLD)
    return {
        "run_id": record.run_id,
        "job": record.job_name,
        "step_key": log.keys[attempt.step],
        "op": log.op_of(attempt.step),
        "attempt": attempt.number,
        "outcome": _OUTCOMES[attempt.outcome],
        "started": round(attempt.started * 1e6),
        "ended": round(attempt.ended * 1e6),
        "seconds": attempt.ended - attempt.started,
        "pid": attempt.pid or None,
        "node": facts.host or None,
        "node_id": facts.node_id or None,
        "batch": attempt.batch if attempt.batch != HERE else None,
        "queue_s": facts.queued,
        "fetch_s": facts.loading if facts.ended and facts.peak_rss != UNKNOWN else None,
        "output_bytes": None if attempt.output_bytes == UNKNOWN else attempt.output_bytes,
        "peak_rss_bytes": None if facts.peak_rss == UNKNOWN else facts.peak_rss,
        "error": None if error is None else error.cls_name,
        "message": None
        if error is None
        else error.message.encode("utf-8", "backslashreplace").decode(),
    }


def write_trace(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write a trace in Chrome's format; return how many attempts it has.

    Each node is a process, each worker one of its threads, with a bar for each attempt.
    The time in which a batch was queued is a span of its own beside them.
    """
    count = 0
    places: dict[tuple[str, str], int] = {}
    threads: set[tuple[int, int]] = set()
    batches: set[int] = set()
    with path.open("w") as file:

        def write(row: dict[str, Any]) -> None:
            file.write(f"{json.dumps(row)},\n")

        def moment(seconds: float) -> float:
            return round((seconds - record.start_time) * 1e6, 1)

        file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
        for attempt in log.attempts():
            facts = log.batches.get(attempt.batch, _UNTOLD)
            known = facts.host, facts.node_id
            if known not in places:
                places[known] = len(places) + 1
                name = facts.node or "workers"
                write(
                    {
                        "ph": "M",
                        "name": "process_name",
                        "pid": places[known],
                        "args": {"name": name},
                    }
                )
            node, thread = places[known], attempt.pid
            if (node, thread) not in threads:
                threads.add((node, thread))
                named = {"name": f"worker {thread}" if thread else "worker"}
                write({"ph": "M", "name": "thread_name", "pid": node, "tid": thread, "args": named})
            if facts.queued and attempt.batch not in batches:
                batches.add(attempt.batch)
                about = {
                    "cat": "queue",
                    "name": f"batch {facts.number} queued",
                    "id": facts.number,
                    "pid": node,
                }
                write({"ph": "b", "ts": moment(facts.began - facts.queued), "tid": thread, **about})
                write({"ph": "e", "ts": moment(facts.began), "tid": thread, **about})
            told = {
                name: value for name, value in _row(record, log, attempt).items() if name in _TOLD
            }
            write(
                {
                    "ph": "X",
                    "name": log.keys[attempt.step],
                    "cat": _OUTCOMES[attempt.outcome],
                    "pid": node,
                    "tid": thread,
                    "ts": moment(attempt.started),
                    "dur": round((attempt.ended - attempt.started) * 1e6, 1),
                    "args": {name: value for name, value in told.items() if value is not None},
                }
            )
            count += 1
        about = {
            "ph": "M",
            "name": "run",
            "pid": 0,
            "args": {"run_id": record.run_id, "job": record.job_name},
        }
        file.write(f"{json.dumps(about)}\n]}}\n")
    return count

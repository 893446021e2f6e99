"""A recorded run as files that other tools read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rayexec.events import FAILURE, RETRY, SUCCESS, Attempt
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog

__all__ = ["write_parquet", "write_trace"]

_OUTCOMES = {SUCCESS: "success", FAILURE: "failure", RETRY: "retry"}
_BATCH = 50_000


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
        "error": None if error is None else error.cls_name,
        "message": None if error is None else error.message.encode("utf-8", "backslashreplace").decode(),
    }


def write_trace(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write a trace in Chrome's format, a bar for each attempt and a row for each process; return how many bars."""
    count, processes = 0, set()
    with path.open("w") as file:
        file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
        for attempt in log.attempts():
            pid = attempt.pid
            if pid not in processes:
                processes.add(pid)
                named = {"name": f"worker {pid}" if pid else "this process"}
                file.write(f"{json.dumps({'ph': 'M', 'name': 'process_name', 'pid': pid, 'args': named})},\n")
            bar = {
                "ph": "X",
                "name": log.keys[attempt.step],
                "cat": _OUTCOMES[attempt.outcome],
                "pid": pid,
                "tid": 0,
                "ts": round((attempt.started - record.start_time) * 1e6, 1),
                "dur": round((attempt.ended - attempt.started) * 1e6, 1),
                "args": {"op": log.op_of(attempt.step), "attempt": attempt.number},
            }
            file.write(f"{json.dumps(bar)},\n")
            count += 1
        about = {"ph": "M", "name": "run", "pid": 0, "args": {"run_id": record.run_id, "job": record.job_name}}
        file.write(f"{json.dumps(about)}\n]}}\n")
    return count

"""Parquet file of the attempts of a recorded run."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog
from rayexec.views.attempt_rows import AttemptRow, attempt_rows

__all__ = ["write_parquet"]

_ROWS_PER_WRITE = 50_000


def write_parquet(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write a row for each attempt; return their count."""
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
    rows = attempt_rows(record, log)
    with parquet.ParquetWriter(path, schema) as writer:
        while chunk := [_cells(row) for row in islice(rows, _ROWS_PER_WRITE)]:
            writer.write_table(pa.Table.from_pylist(chunk, schema))
            count += len(chunk)
    return count


def _cells(row: AttemptRow) -> dict[str, Any]:
    moments = {"started": round(row.started * 1e6), "ended": round(row.ended * 1e6)}
    return row._asdict() | moments

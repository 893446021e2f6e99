"""Delays of US flights, with features that later runs reuse.

Run it twice by

    rayexec job execute -f docs/examples/cached_features.py

The second run calls only ``fingerprint`` and ``report``. With another ``late_after_minutes`` in its
config ``late`` runs anew, and ``months`` and ``daily`` do not. ``rayexec cache list`` shows the
cache.
"""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rayexec import Config, DynamicOut, DynamicOutput, job, op


class Source(Config):
    """The file of the flights."""

    file: Path = Path(__file__).parent / "data" / "flights.parquet"


class Lateness(Config):
    """The delay of a late flight."""

    late_after_minutes: int = 15


@op
def fingerprint(config: Source) -> dict[str, str]:
    """Return the file's path with a hash of its content.

    A path alone would not do as a key: the same path may hold other flights tomorrow.
    """
    return {
        "file": str(config.file),
        "sha256": hashlib.sha256(config.file.read_bytes()).hexdigest(),
    }


@op(cache=True, code_version="1", out=DynamicOut())
def months(source: dict[str, str]) -> Any:
    """Yield the flights of each month."""
    print("reading the flights")
    flights = pq.read_table(source["file"], columns=["date", "origin", "delay"]).drop_null()
    flights = flights.append_column("month", pc.strftime(flights["date"], format="%Y_%m"))
    for month in sorted(map(str, flights["month"].unique().to_pylist())):
        yield DynamicOutput(flights.filter(pc.field("month") == month), mapping_key=month)


@op(cache=True, code_version="1")
def daily(flights: pa.Table) -> pa.Table:
    """Count the flights of each day and sum up their delays."""
    print(f"adding up {flights.num_rows} flights")
    day = pc.strftime(flights["date"], format="%Y-%m-%d")
    table = flights.append_column("day", day)
    return table.group_by("day").aggregate([("delay", "count"), ("delay", "sum")]).sort_by("day")


@op(cache=True, code_version="1")
def late(flights: pa.Table, config: Lateness) -> int:
    """Count the flights that were late."""
    print(f"looking for those {config.late_after_minutes} minutes late")
    return flights.filter(pc.field("delay") >= config.late_after_minutes).num_rows


@op
def report(days: list[pa.Table], late: list[int]) -> dict[str, Any]:
    """Put the months together."""
    every_day = pa.concat_tables(days)
    flights = pc.sum(every_day["delay_count"]).as_py()
    result = {
        "days": every_day.num_rows,
        "flights": flights,
        "mean_delay": round(pc.sum(every_day["delay_sum"]).as_py() / flights, 2),
        "late": sum(late),
    }
    print(", ".join(f"{name} {value}" for name, value in result.items()))
    return result


@job
def cached_features() -> None:
    flights = months(fingerprint())
    report(flights.map(daily).collect(), flights.map(late).collect())


if __name__ == "__main__":
    cached_features.execute(raise_on_error=True)

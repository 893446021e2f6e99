"""20,000 US flights of early 2001 as a partitioned data set, one file an airport and month.

The numbers of airports and months are unknown before the run, so both are dynamic outputs: the
months of an airport below the airport. Totals are collected by airport, then in all. Run it by

    rayexec job execute -f docs/examples/flights_by_origin.py
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rayexec import Config, DynamicOut, DynamicOutput, OpExecutionContext, job, op

COLUMNS: dict[str, pa.DataType] = {
    "date": pa.timestamp("ms"),
    "origin": pa.string(),
    "destination": pa.string(),
    "distance": pa.int32(),
    "delay": pa.int32(),
}


class Source(Config):
    """The file of the flights, and the least number of flights of an airport."""

    file: Path = Path(__file__).parent / "data" / "flights.parquet"
    min_flights: int = 1


class Target(Config):
    """The directory of the data set; a relative path starts at the run's working directory."""

    directory: Path = Path("flights")


class Totals(NamedTuple):
    """Written files and flights of one airport and month, of one airport, or in all."""

    files: int = 0
    flights: int = 0
    minutes: int = 0

    @property
    def mean_delay(self) -> float:
        return self.minutes / self.flights if self.flights else 0.0


def add_up(totals: list[Totals]) -> Totals:
    return Totals(*(sum(column) for column in zip(*totals, strict=True)))


@op(out=DynamicOut(pa.Table))
def by_origin(config: Source) -> Iterator[DynamicOutput[pa.Table]]:
    """Yield the flights of each airport by its code, in alphabetical order."""
    flights = pq.read_table(config.file)
    flights = flights.cast(pa.schema(COLUMNS)).append_column(
        "month", pc.strftime(flights["date"], format="%Y-%m")
    )
    counted = flights.group_by("origin").aggregate([("delay", "count")])
    large = counted.filter(pc.field("delay_count") >= config.min_flights)
    for origin in sorted(map(str, large["origin"].to_pylist())):
        yield DynamicOutput(flights.filter(pc.field("origin") == origin), origin)


@op(out=DynamicOut(pa.Table))
def by_month(flights: pa.Table) -> Iterator[DynamicOutput[pa.Table]]:
    """Yield the flights of each month; mapping keys have no dashes, so January is 2001_01."""
    for month in sorted(map(str, flights["month"].unique().to_pylist())):
        yield DynamicOutput(flights.filter(pc.field("month") == month), month.replace("-", "_"))


@op
def write(context: OpExecutionContext, config: Target, flights: pa.Table) -> Totals:
    """Write the flights of one airport and month, without the columns in the directories' names."""
    origin, month = context.mapping_keys
    directory = config.directory / f"origin={origin}" / f"month={month.replace('_', '-')}"
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(flights.drop_columns(["origin", "month"]), directory / "flights.parquet")
    return Totals(1, flights.num_rows, pc.sum(flights["delay"]).as_py() or 0)


@op
def total_of_origin(context: OpExecutionContext, months: list[Totals]) -> tuple[str, Totals]:
    """Add up the months of one airport."""
    return context.get_mapping_key() or "", add_up(months)


@op
def report(origins: list[tuple[str, Totals]]) -> Totals:
    """Print the airports with the most flights, and the totals of all; return the latter."""
    print(f"{'origin':<8}{'flights':>8}{'mean delay':>15}")
    by_flights = sorted(origins, key=lambda origin: origin[1].flights, reverse=True)
    for origin, totals in by_flights[:5]:
        print(f"{origin:<8}{totals.flights:>8}{totals.mean_delay:>11.1f} min")
    total = add_up([each for _, each in origins])
    print(f"{'all':<8}{total.flights:>8}{total.mean_delay:>11.1f} min")
    print(f"{total.files} files of {len(origins)} airports")
    return total


@job(description="Flights, written by origin and month as a partitioned Parquet data set.")
def flights_by_origin() -> None:
    def one_origin(flights: Any) -> Any:
        return total_of_origin(by_month(flights).map(write).collect())

    report(by_origin().map(one_origin).collect())

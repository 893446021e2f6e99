"""Late routes among 20,000 US flights of early 2001, as an op/job file.

Arrow tables pass between the ops; the statistics by origin and by route run in parallel. Run it by

    rayexec job execute -f docs/examples/flights.py
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from rayexec import Config, In, Nothing, OpExecutionContext, Out, graph, job, op

COLUMNS: dict[str, pa.DataType] = {
    "date": pa.timestamp("ms"),
    "origin": pa.string(),
    "destination": pa.string(),
    "distance": pa.int32(),
    "delay": pa.int32(),
}


class Source(Config):
    """The directory of flights.parquet and airports.csv."""

    directory: Path = Path(__file__).parent / "data"


class Cleaning(Config):
    """The delay of a late flight."""

    late_after_minutes: int = 15


class Report(Config):
    """The directory of the report; a relative path starts at the working directory of the run."""

    directory: Path = Path("report")


class Worst(Config):
    """Number of routes to show, and their least number of flights."""

    count: int = 10
    min_flights: int = 10


@op(out={"flights": Out(), "airports": Out()}, tags={"io": "disk"})
def load(config: Source) -> tuple[pa.Table, pa.Table]:
    """Read both tables; the airports' missing cities are written as NA."""
    nulls = pyarrow.csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return (
        pq.read_table(config.directory / "flights.parquet"),
        pyarrow.csv.read_csv(config.directory / "airports.csv", convert_options=nulls),
    )


@op
def clean(context: OpExecutionContext, config: Cleaning, flights: pa.Table) -> pa.Table:
    """Drop incomplete rows and flights without distance, and mark the late ones."""
    complete = flights.cast(pa.schema(COLUMNS)).drop_null().filter(pc.field("distance") > 0)
    context.add_output_metadata(
        {"rows": complete.num_rows, "dropped": flights.num_rows - complete.num_rows}
    )
    late = pc.greater_equal(complete["delay"], pa.scalar(config.late_after_minutes))
    return complete.append_column("late", late.cast(pa.int32()))


def _delays(flights: pa.Table, *keys: str) -> pa.Table:
    """Count flights and average their delays for each combination of ``keys``."""
    grouped = flights.group_by(list(keys)).aggregate(
        [("delay", "count"), ("delay", "mean"), ("delay", "max"), ("late", "mean")]
    )
    return grouped.rename_columns(
        {
            "delay_count": "flights",
            "delay_mean": "mean_delay",
            "delay_max": "max_delay",
            "late_mean": "late_share",
        }
    )


@op
def by_origin(flights: pa.Table) -> pa.Table:
    """Delays for each airport of departure."""
    return _delays(flights, "origin")


@op
def by_route(flights: pa.Table) -> pa.Table:
    """Delays for each pair of airports."""
    return _delays(flights, "origin", "destination")


@op
def name_airports(table: pa.Table, airports: pa.Table) -> pa.Table:
    """Put name, city and state beside each airport's code; the latest on average come first."""
    ends = [end for end in ("origin", "destination") if end in table.column_names]
    for end in ends:
        named = airports.select(["iata", "name", "city", "state"])
        named = named.rename_columns(
            [end, *(f"{end}_{each}" for each in ("name", "city", "state"))]
        )
        table = table.join(named, keys=end, join_type="left outer")
    return table.sort_by([("mean_delay", "descending"), *((end, "ascending") for end in ends)])


@graph
def origins(flights: Any, airports: Any) -> Any:
    """The statistics by origin, with the airports' names."""
    return name_airports(by_origin(flights), airports)


@graph
def routes(flights: Any, airports: Any) -> Any:
    """The statistics by route, with the airports' names."""
    return name_airports(by_route(flights), airports)


@op(tags={"io": "disk"})
def write_report(
    context: OpExecutionContext, config: Report, origins: pa.Table, routes: pa.Table
) -> None:
    """Write both tables as Parquet."""
    config.directory.mkdir(parents=True, exist_ok=True)
    for name, table in {"origins": origins, "routes": routes}.items():
        pq.write_table(table, config.directory / f"{name}.parquet")
        context.log.info("wrote %s: %d rows", config.directory / f"{name}.parquet", table.num_rows)


@op(ins={"report": In(Nothing)})
def print_worst(config: Worst, routes: pa.Table) -> None:
    """Print the latest routes on average, once the report is written."""
    busy = routes.filter(pc.field("flights") >= config.min_flights).slice(0, config.count)
    print(f"{'mean delay':>10}  {'late':>4}  {'flights':>7}  route")
    for row in busy.to_pylist():
        ends = [
            f"{row[end]} ({row[f'{end}_city'] or row[f'{end}_name']})"
            for end in ("origin", "destination")
        ]
        print(
            f"{row['mean_delay']:>6.1f} min  {row['late_share']:>4.0%}  {row['flights']:>7}  "
            f"{' to '.join(ends)}"
        )


@job(description="Flights, cleaned and summed up by origin and route, to a Parquet report.")
def flights() -> None:
    loaded, airports = load()
    cleaned = clean(loaded)
    by_routes = routes(cleaned, airports)
    report = write_report(origins(cleaned, airports), by_routes)
    print_worst(by_routes, report=report)

"""The example jobs, through the command line and by Python, their results against figures computed
apart.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from rayexec import JobDefinition, RunResult
from rayexec.definitions.code import import_file

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

Execute = Callable[..., RunResult]

# The job of Dagster's documentation on execution, as it stands there.
DOCUMENTED = """\
from dagster import job, op


@op
def return_one():
    return 1


@op
def add_two(i: int):
    return i + 2


@op
def multi_three(i: int):
    return i * 3


@job
def my_job():
    multi_three(add_two(return_one()))


if __name__ == "__main__":
    result = my_job.execute_in_process()
"""


def load_job(file: str, name: str) -> JobDefinition:
    found = getattr(import_file(EXAMPLES / file), name)
    assert isinstance(found, JobDefinition)
    return found


def run_command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``rayexec`` in a process of its own, with a Ray of its own."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "COLUMNS")
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("rayexec"), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@dataclass
class Delays:
    """The delays of the flights of one group."""

    minutes: list[int]

    def row(self, late_after: int) -> dict[str, Any]:
        return {
            "flights": len(self.minutes),
            "mean_delay": sum(self.minutes) / len(self.minutes),
            "max_delay": max(self.minutes),
            "late_share": sum(1 for each in self.minutes if each >= late_after) / len(self.minutes),
        }


class Figures:
    """What the flights' report must say, computed from rows by plain Python."""

    def __init__(self) -> None:
        with open(EXAMPLES / "data" / "airports.csv", newline="", encoding="utf-8") as file:
            self.airports = {row["iata"]: row for row in csv.DictReader(file)}
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for flight in pq.read_table(EXAMPLES / "data" / "flights.parquet").to_pylist():
            if None in flight.values() or flight["distance"] <= 0:
                continue
            groups[flight["origin"],].append(flight["delay"])
            groups[flight["origin"], flight["destination"]].append(flight["delay"])
        self.groups = {key: Delays(minutes) for key, minutes in groups.items()}

    def report(self, ends: tuple[str, ...], late_after: int = 15) -> list[dict[str, Any]]:
        rows = []
        for key, delays in self.groups.items():
            if len(key) == len(ends):
                row: dict[str, Any] = {
                    **dict(zip(ends, key, strict=True)),
                    **delays.row(late_after),
                }
                for end, code in zip(ends, key, strict=True):
                    for column in ("name", "city", "state"):
                        value = self.airports[code][column]
                        row[f"{end}_{column}"] = None if value in ("NA", "") else value
                rows.append(row)
        return sorted(rows, key=lambda row: (-row["mean_delay"], *(row[end] for end in ends)))

    def worst(self, count: int = 10, min_flights: int = 10, late_after: int = 15) -> list[str]:
        routes = [row for row in self.report(ROUTE, late_after) if row["flights"] >= min_flights]
        lines = ["mean delay  late  flights  route"]
        for row in routes[:count]:
            ends = [f"{row[end]} ({row[f'{end}_city'] or row[f'{end}_name']})" for end in ROUTE]
            lines.append(
                f"{row['mean_delay']:6.1f} min  {row['late_share']:4.0%}  {row['flights']:7d}  "
                f"{ends[0]} to {ends[1]}"
            )
        return lines


ORIGIN = ("origin",)
ROUTE = ("origin", "destination")


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures()


def check_report(directory: Path, figures: Figures, late_after: int = 15) -> None:
    for name, ends in {"origins": ORIGIN, "routes": ROUTE}.items():
        written = pq.read_table(directory / f"{name}.parquet").to_pylist()
        expected = figures.report(ends, late_after)
        assert [list(row) for row in written[:1]] == [list(row) for row in expected[:1]]
        assert len(written) == len(expected)
        for found, wanted in zip(written, expected, strict=True):
            assert found == pytest.approx(wanted)


def test_the_figures_are_of_all_flights(figures: Figures) -> None:
    assert (
        sum(len(delays.minutes) for key, delays in figures.groups.items() if len(key) == 1)
        == 20_000
    )
    assert (
        sum(len(delays.minutes) for key, delays in figures.groups.items() if len(key) == 2)
        == 20_000
    )
    assert len(figures.report(ORIGIN)) == 220
    assert len(figures.report(ROUTE)) == 2_977


def test_flights_by_the_command_line(figures: Figures, tmp_path: Path) -> None:
    done = run_command("job", "execute", "-f", EXAMPLES / "flights.py", cwd=tmp_path)
    assert done.stdout.splitlines() == figures.worst()
    check_report(tmp_path / "report", figures)


def test_flights_with_the_config_file_by_the_command_line(figures: Figures, tmp_path: Path) -> None:
    done = run_command(
        "job",
        "execute",
        "-f",
        EXAMPLES / "flights.py",
        "-c",
        EXAMPLES / "flights.yaml",
        cwd=tmp_path,
    )
    assert done.stdout.splitlines() == figures.worst(count=5, min_flights=20, late_after=30)
    check_report(tmp_path / "report" / "busy", figures, late_after=30)


def test_flights_are_the_same_on_every_engine(
    execute: Execute, figures: Figures, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = load_job("flights.py", "flights")
    result = execute(job, {"ops": {"write_report": {"config": {"directory": str(tmp_path)}}}})
    assert result.success
    assert capfd.readouterr().out.splitlines() == figures.worst()
    check_report(tmp_path, figures)
    assert (
        result.output_for_node("routes").to_pylist()
        == pq.read_table(tmp_path / "routes.parquet").to_pylist()
    )
    assert result.output_for_node("clean").num_rows == 20_000
    (cleaned,) = [event for event in result.events_for_node("clean") if event.is_successful_output]
    assert {name: value.value for name, value in cleaned.step_output_data.metadata.items()} == {
        "rows": 20_000,
        "dropped": 0,
    }


def months_of_origins(min_flights: int = 1) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the flights by airport and month, of the airports with so many of them."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    flights = pq.read_table(EXAMPLES / "data" / "flights.parquet").to_pylist()
    counts = Counter(flight["origin"] for flight in flights)
    for flight in flights:
        origin = flight.pop("origin")
        if counts[origin] >= min_flights:
            groups[origin, f"{flight['date']:%Y-%m}"].append(flight)
    return groups


def check_months_of_origins(
    directory: Path, groups: dict[tuple[str, str], list[dict[str, Any]]]
) -> list[str]:
    """Check a data set, as a whole and file by file; return the lines that are printed of it."""
    flights = [flight for group in groups.values() for flight in group]
    written = pq.read_table(directory)  # the directories' names become columns
    assert set(written.column_names) == {
        "date",
        "destination",
        "distance",
        "delay",
        "origin",
        "month",
    }
    assert written.num_rows == len(flights)
    assert sum(row["delay"] for row in written.to_pylist()) == sum(
        flight["delay"] for flight in flights
    )
    by_origin: dict[str, list[int]] = defaultdict(list)
    for (origin, month), group in groups.items():
        file = directory / f"origin={origin}" / f"month={month}" / "flights.parquet"
        assert pq.read_table(file, partitioning=None).to_pylist() == group
        by_origin[origin] += [flight["delay"] for flight in group]
    assert len(list(directory.rglob("*.parquet"))) == len(groups)
    shown = sorted(by_origin.items(), key=lambda each: (-len(each[1]), each[0]))[:5]
    shown.append(("all", [flight["delay"] for flight in flights]))
    return [
        "origin   flights     mean delay",
        *[
            f"{name:<8}{len(delays):>8}{sum(delays) / len(delays):>11.1f} min"
            for name, delays in shown
        ],
        f"{len(groups)} files of {len(by_origin)} airports",
    ]


@pytest.mark.long(
    "a whole command on the real flights; the same job runs in-process in the other tests"
)
def test_flights_by_origin_by_the_command_line(tmp_path: Path) -> None:
    done = run_command("job", "execute", "-f", EXAMPLES / "flights_by_origin.py", cwd=tmp_path)
    groups = months_of_origins()
    assert len(groups) == 598
    assert done.stdout.splitlines() == check_months_of_origins(tmp_path / "flights", groups)


def test_flights_by_origin_with_its_config_file_are_the_same_on_every_engine(
    execute: Execute, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load((EXAMPLES / "flights_by_origin.yaml").read_text(encoding="utf-8"))
    config["ops"]["write"]["config"]["directory"] = str(tmp_path)
    result = execute(load_job("flights_by_origin.py", "flights_by_origin"), config)
    assert result.success
    groups = months_of_origins(min_flights=200)
    assert len(groups) == 90
    assert capfd.readouterr().out.splitlines() == check_months_of_origins(tmp_path, groups)
    assert {key: tuple(totals) for key, totals in result.output_for_node("write").items()} == {
        f"{origin},{month.replace('-', '_')}": (
            1,
            len(group),
            sum(flight["delay"] for flight in group),
        )
        for (origin, month), group in groups.items()
    }
    origin, totals = result.output_for_node("total_of_origin")["DFW"]
    assert (origin, totals.files, totals.flights) == ("DFW", 3, 1103)
    assert result.output_for_node("report").files == 90


def test_my_job_is_the_documented_one_but_for_the_import() -> None:
    ours = (EXAMPLES / "my_job.py").read_text(encoding="utf-8")
    assert ours == DOCUMENTED.replace("from dagster import", "from rayexec import")


def test_my_job_by_the_command_line(tmp_path: Path) -> None:
    done = run_command("job", "execute", "-f", EXAMPLES / "my_job.py", cwd=tmp_path)
    assert done.stdout == ""
    for op_name in ("return_one", "add_two", "multi_three"):
        assert op_name in done.stderr


def test_my_job_is_the_same_on_every_engine(execute: Execute) -> None:
    result = execute(load_job("my_job.py", "my_job"))
    assert result.success
    assert [result.output_for_node(each) for each in ("return_one", "add_two", "multi_three")] == [
        1,
        3,
        9,
    ]


def most_at_once(spans: list[tuple[float, float]]) -> int:
    moments = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def test_tag_limits_hold_on_ray(execute_on_ray: Execute) -> None:
    limited = load_job("tag_limits.py", "tag_concurrency_job")
    assert execute_on_ray(
        limited
    ).success  # starts Ray's workers, so that they don't hold the second run back
    result = execute_on_ray(limited)
    assert result.success
    assert result.output_for_node("total") == 6 * len("flights") + 4
    spans: dict[str, list[float]] = defaultdict(list)
    for event in result.all_node_events:
        if event.step_key is not None and event.event_type_value in ("STEP_START", "STEP_SUCCESS"):
            spans[event.step_key].append(event.timestamp)
    assert len(spans) == 12
    times = {key: (start, end) for key, (start, end) in spans.items()}
    assert most_at_once([span for key, span in times.items() if key.startswith("query")]) == 2
    assert 2 < most_at_once(list(times.values())) <= 4


def test_tag_limits_in_process() -> None:
    result = load_job("tag_limits.py", "tag_concurrency_job").execute_in_process()
    assert result.success
    assert result.output_for_node("total") == 6 * len("flights") + 4


def test_warm_model_loads_once_a_process(execute_on_ray: Execute) -> None:
    job = load_job("warm_model.py", "warm_model")
    alone = {"execution": {"config": {"ray": {"batches": False, "max_concurrent": 2}}}}
    result = execute_on_ray(job, alone)
    assert result.success
    counted = result.output_for_node("report")
    assert counted["batches"] == 24
    assert counted["loads"] == counted["processes"]
    opened = [
        event for event in result.all_events if event.event_type_value == "RESOURCE_INIT_SUCCESS"
    ]
    assert len(opened) == counted["loads"]
    model = job.resource_defs["model"].with_scope("batch")
    assert (
        execute_on_ray(job, alone, resources={"model": model}).output_for_node("report")["loads"]
        == 24
    )


@pytest.mark.long(
    "a whole command on the real flights; the same job runs in-process in the other tests"
)
def test_warm_model_by_the_command_line(tmp_path: Path) -> None:
    done = run_command("job", "execute", "-f", EXAMPLES / "warm_model.py", cwd=tmp_path)
    (line,) = done.stdout.splitlines()
    batches, processes, loads = [int(word) for word in line.split() if word.isdigit()]
    assert batches == 24
    assert loads == processes <= (os.cpu_count() or 1) + 1


def late_flights(after: int) -> int:
    flights = pq.read_table(
        EXAMPLES / "data" / "flights.parquet", columns=["date", "origin", "delay"]
    ).to_pylist()
    return sum(1 for each in flights if None not in each.values() and each["delay"] >= after)


def test_cached_features_work_out_what_is_new(execute_on_ray: Execute, tmp_path: Path) -> None:
    job = load_job("cached_features.py", "cached_features")
    months = {"2001_01", "2001_02", "2001_03"}
    kept = {"months"} | {f"daily[{month}]" for month in months}
    first = execute_on_ray(job, store=tmp_path)
    assert first.success
    assert first.reused == {}
    assert first.output_for_node("report") == {
        "days": 90,
        "flights": 20_000,
        "mean_delay": 7.7,
        "late": late_flights(15),
    }
    again = execute_on_ray(job, store=tmp_path)
    assert set(again.reused) == kept | {f"late[{month}]" for month in months}
    assert again.output_for_node("report") == first.output_for_node("report")
    stricter = execute_on_ray(
        job, {"ops": {"late": {"config": {"late_after_minutes": 30}}}}, store=tmp_path
    )
    assert set(stricter.reused) == kept
    assert stricter.output_for_node("report")["late"] == late_flights(30)


def test_cached_features_notice_that_the_file_is_another(tmp_path: Path) -> None:
    job = load_job("cached_features.py", "cached_features")
    table = pq.read_table(EXAMPLES / "data" / "flights.parquet")
    config = {
        "ops": {"fingerprint": {"config": {"file": str(tmp_path / "flights.parquet")}}},
        "execution": {"config": {"in_process": {}}},
    }
    for rows in (500, 400):
        pq.write_table(table.slice(0, rows), tmp_path / "flights.parquet")
        result = job.execute(config, store=tmp_path / "store")
        assert result.reused == {}
        assert result.output_for_node("report")["flights"] == rows


@pytest.mark.long(
    "a whole command on the real flights; the same job runs in-process in the other tests"
)
def test_cached_features_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    arguments = ("job", "execute", "-f", EXAMPLES / "cached_features.py")
    first, again = [run_command(*arguments, cwd=tmp_path).stdout.splitlines() for _ in range(2)]
    assert len(first) == 8
    assert again == first[-1:]

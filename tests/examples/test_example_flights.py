"""The example jobs on flights, their results against figures computed apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from example_runs import EXAMPLES, load_job, run_command
from flight_figures import (
    ORIGIN,
    ROUTE,
    Figures,
    months_of_origins,
)

from rayexec import RunResult

Execute = Callable[..., RunResult]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures()


def check_report(directory: Path, figures: Figures, late_after: int = 15) -> None:
    for name, ends in {"origins": ORIGIN, "routes": ROUTE}.items():
        written = pq.read_table(directory / f"{name}.parquet").to_pylist()
        expected = figures.report(ends, late_after)
        assert [list(row) for row in written[:1]] == [list(row) for row in expected[:1]]
        assert len(written) == len(expected)
        for row, wanted in zip(written, expected, strict=True):
            assert row == pytest.approx(wanted)


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


@pytest.mark.long("starts a Ray of its own")
def test_flights_by_the_command_line(figures: Figures, tmp_path: Path) -> None:
    done = run_command("job", "execute", "-f", EXAMPLES / "flights.py", cwd=tmp_path)
    assert done.stdout.splitlines() == figures.worst()
    check_report(tmp_path / "report", figures)


@pytest.mark.long(
    "a whole command on the real flights; the same runs without the file in another test"
)
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

"""The example jobs, through the command line and by Python."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from example_runs import EXAMPLES, load_job, run_command

from rayexec import RunResult

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


def test_my_job_is_the_documented_one_but_for_the_import() -> None:
    ours = (EXAMPLES / "my_job.py").read_text(encoding="utf-8")
    assert ours == DOCUMENTED.replace("from dagster import", "from rayexec import")


@pytest.mark.long("starts a Ray of its own")
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
    reused = {"months"} | {f"daily[{month}]" for month in months}
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
    assert set(again.reused) == reused | {f"late[{month}]" for month in months}
    assert again.output_for_node("report") == first.output_for_node("report")
    stricter = execute_on_ray(
        job, {"ops": {"late": {"config": {"late_after_minutes": 30}}}}, store=tmp_path
    )
    assert set(stricter.reused) == reused
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

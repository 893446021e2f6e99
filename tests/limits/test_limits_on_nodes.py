"""Limits on Rays of several nodes and processes: counted inside the ops, with workers and drivers
killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long("starts clusters of several nodes")

CROWD = Path(__file__).with_name("crowd.py")
REDSHIFT = {"tags": {"database": "redshift"}}
PATIENCE_S = 120.0
TIMEOUT_S = 300.0


class Nodes:
    """A cluster of three nodes with two CPUs each; the first declares limits."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        declared = {"limit:database=redshift": 2, "pool:licence": 3, "pool:single": 1}
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 2, "resources": declared}
        )
        self.cluster.add_node(num_cpus=2)
        self.cluster.add_node(num_cpus=2)
        self.cluster.wait_for_nodes()
        self.address: str = self.cluster.address


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    yield made
    made.cluster.shutdown()


@dataclass
class Run:
    """A run of ``crowd.py``, which writes how it went to ``report``."""

    process: subprocess.Popen[str]
    report: Path


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a run of ``crowd.py``; what still runs when the test is over is killed."""
    started: list[Run] = []
    folder = tmp_path / "folder"
    folder.mkdir()

    def start_run(steps: Sequence[dict[str, Any]], **spec: Any) -> Run:
        command = [sys.executable, str(CROWD), str(folder), json.dumps({"steps": steps, **spec})]
        # A node that joins a script's own Ray by hand would need its token.
        environment = {**os.environ, **({"RAY_AUTH_MODE": "disabled"} if "join" in spec else {})}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        started.append(Run(process, folder.with_name(f"{spec.get('run', 'r')}.json")))
        return started[-1]

    yield start_run
    for run in started:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()


def outcome(run: Run) -> dict[str, Any]:
    _, errors = run.process.communicate(timeout=TIMEOUT_S)
    assert run.process.returncode == 0, errors
    document: dict[str, Any] = json.loads(run.report.read_text())
    return document


def peak(*runs: dict[str, Any], of: str = "") -> int:
    """Return the most steps with ``of`` in their names that a step saw, itself included."""
    return max(sum(of in name for name in names) for names in seen(*runs))


def seen(*runs: dict[str, Any]) -> list[list[str]]:
    """Return all that steps saw at once: the names of those that were there."""
    return [names for run in runs for each in run["steps"].values() for names in each["seen"]]


def wait_for(folder: Path, name: str, seconds: float = PATIENCE_S) -> dict[str, Any]:
    """Return what a step or its run wrote to the file whose name holds ``name``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in folder.iterdir():
            if name in path.name:
                try:
                    note: dict[str, Any] = json.loads(path.read_text())
                except (ValueError, FileNotFoundError):  # half written, or over
                    continue
                return note
        time.sleep(0.02)
    raise AssertionError(f"{name} did not come within {seconds:g} s")


def test_per_run_limits_are_exact_across_nodes(nodes: Nodes, start: Start) -> None:
    limits = [{"key": "team", "limit": 2}]
    meets = {"meets": {"": 4, "team=a": 2}}
    steps = [{"tags": {"team": "a"}, **meets}] * 8 + [meets] * 16
    run = outcome(
        start(
            steps,
            address=nodes.address,
            execution={"max_concurrent": 4, "tag_concurrency_limits": limits},
        )
    )
    assert run["status"] == "SUCCESS"
    assert peak(run) == 4
    assert peak(run, of="team=a") == 2
    assert len({each["node"] for each in run["steps"].values()}) > 1
    assert {each["held_by"] for each in run["limits"]} == {"driver"}


def test_declared_limits_hold_across_runs_and_run_where_they_are_declared(
    nodes: Nodes, start: Start
) -> None:
    # Two of the limited steps stay until both are there, and a step of each run.
    meets = {"meets": {"mine": 1, "yours": 1, "database=redshift": 2}}
    steps = [{**REDSHIFT, **meets}] * 5 + [{"cpus": 0, **meets}] + [{}] * 2
    mine, yours = (start(steps, address=nodes.address, run=run) for run in ("mine", "yours"))
    first, second = outcome(mine), outcome(yours)
    assert first["status"] == second["status"] == "SUCCESS"
    assert peak(first, second, of="database=redshift") == 2
    # The two did run beside each other, else this proves nothing.
    assert any(
        any("mine" in name for name in names) and any("yours" in name for name in names)
        for names in seen(first, second)
    )
    limited = [
        each["node"]
        for run in (first, second)
        for key, each in run["steps"].items()
        if key in {"s0", "s4"}
    ]
    assert len(set(limited)) == 1
    assert first["limits"][0]["held_by"] == "cluster"
    assert any(
        "for database=redshift" in message for message in first["blocked"] + second["blocked"]
    )


def test_limits_that_are_not_declared_stay_apart(nodes: Nodes, start: Start) -> None:
    execution = {"max_concurrent": 1}
    steps = [{"meets": {"mine": 1, "yours": 1}}] * 4
    mine, yours = (
        start(steps, address=nodes.address, run=run, execution=execution)
        for run in ("mine", "yours")
    )
    first, second = outcome(mine), outcome(yours)
    assert peak(first, of="mine.") == peak(second, of="yours.") == 1
    assert peak(first, second) == 2


def test_a_pool_counts_the_slots_of_its_ops(nodes: Nodes, start: Start) -> None:
    steps = [{"pool": ["licence", 2], "tags": {"kind": "two"}}] * 3 + [{"pool": ["licence", 1]}] * 4
    run = outcome(start(steps, address=nodes.address))
    weights = [sum(2 if "kind=two" in name else 1 for name in names) for names in seen(run)]
    assert max(weights) <= 3
    assert peak(run, of="kind=two") == 1


@pytest.mark.parametrize("whom", ["worker", "driver"])
def test_what_a_killed_process_held_is_free_for_the_next_run(
    nodes: Nodes, start: Start, tmp_path: Path, whom: str
) -> None:
    single = {"pool": ["single", 1]}
    first = start([{**single, "seconds": 900}], address=nodes.address, run="first")
    holder = wait_for(tmp_path / "folder", "first.s0")
    second = start([single], address=nodes.address, run="second")
    wait_for(tmp_path, "second.waits")
    assert not any("second" in name for name in os.listdir(tmp_path / "folder"))
    os.kill(holder["pid"] if whom == "worker" else first.process.pid, signal.SIGKILL)
    wait_for(tmp_path / "folder", "second.s0")
    assert outcome(second)["status"] == "SUCCESS"
    if whom == "worker":
        assert outcome(first)["status"] == "FAILURE"


def test_steps_that_wait_for_another_runs_limit_take_no_place_of_the_others(
    nodes: Nodes, start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    start([{"pool": ["single", 1], "seconds": 900}], address=nodes.address, run="first")
    holder = wait_for(folder, "first.s0")
    pooled: list[dict[str, Any]] = [{"pool": ["single", 1]}] * 6
    free = [*[{"meets": {"second": 2}}] * 7, {"until": "go"}]
    second = start(
        [*pooled, *free], address=nodes.address, run="second", execution={"max_concurrent": 2}
    )
    wait_for(folder, "second.s13")  # the last of the free ones
    wait_for(tmp_path, "second.waits")
    (tmp_path / "go").touch()
    time.sleep(3)  # for which nothing but the other run keeps the pooled steps waiting
    assert not any("second.s0@" in name for name in os.listdir(folder))
    os.kill(holder["pid"], signal.SIGKILL)
    report = outcome(second)
    assert report["status"] == "SUCCESS"
    assert peak(report, of="second") == 2
    assert report["waits"]["s0"][0] == "pool single, held by other runs"


def test_a_node_that_joins_in_mid_run_raises_no_peak(
    nodes: Nodes, start: Start, tmp_path: Path
) -> None:
    steps = [{"until": "joined", "meets": {"": 3}}] * 24
    run = start(steps, address=nodes.address, execution={"max_concurrent": 3})
    wait_for(tmp_path / "folder", ".s0")
    joined = nodes.cluster.add_node(num_cpus=4)
    try:
        (tmp_path / "joined").touch()
        report = outcome(run)
        assert peak(report) == 3
    finally:
        nodes.cluster.remove_node(joined)


def test_a_node_that_joins_the_ray_of_a_run_raises_no_peak(start: Start, tmp_path: Path) -> None:
    limits = [{"key": "team", "limit": 2}]
    meets = {"until": "joined", "meets": {"": 3, "team=a": 2}}
    steps = [{**meets, "tags": {"team": "a"}}] * 12 + [meets] * 24
    execution = {"max_concurrent": 3, "tag_concurrency_limits": limits}
    run = start(steps, num_cpus=4, execution=execution, join={"num_cpus": 4})
    report = outcome(run)
    assert report["nodes"] == 2
    assert {each["held_by"] for each in report["limits"]} == {"token"}
    assert peak(report) == 3
    assert peak(report, of="team=a") == 2
    assert len({each["node"] for each in report["steps"].values()}) == 1


def test_four_waiting_ops_at_once_on_two_cpus_by_four_workers(start: Start) -> None:
    step = {"seconds": 0.1, "meets": {"": 4}}
    report = outcome(start([step] * 60, num_cpus=2, execution={"max_concurrent": 4}))
    assert peak(report) == 4
    # Ray may replace a worker now and then; one a step, or a few a second, would be some sixty.
    assert len({each["pid"] for each in report["steps"].values()}) <= 6


def test_all_that_a_cluster_cannot_do_is_said_before_anything_runs(
    nodes: Nodes, start: Start
) -> None:
    steps = [{"cpus": 9}, {"pool": ["licence", 5]}, {"pool": ["licence", 2], "cpus": 3}, {}]
    run = start(steps, address=nodes.address)
    _, errors = run.process.communicate(timeout=TIMEOUT_S)
    assert run.process.returncode == 1
    assert not run.report.exists()
    assert errors.splitlines()[-5:] == [
        "rayexec.errors.EngineError: job 'crowd' would wait for ever on this Ray:",
        "  op 's0' asks for 9 CPU (the largest node has 2); no autoscaler is there to add a node",
        (
            "  op 's1' asks for 5 pool:licence (the largest node has 3); no autoscaler is there "
            "to "
            "add a node"
        ),
        "  op 's2' asks for 3 CPU (the largest node has 2); no autoscaler is there to add a node",
        (
            "Give the ops less (ray_options, pool), or Ray more; rayexec job plan shows what each "
            "asks for."
        ),
    ]


def test_job_plan_asks_the_cluster_who_holds_what(nodes: Nodes, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "tag_limits.py"
    command = [
        sys.executable,
        "-m",
        "rayexec",
        "job",
        "plan",
        "-f",
        str(example),
        "--address",
        nodes.address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert "capacity 6 CPUs on 3 nodes" in lines
    assert (
        "max_concurrent 4 (from the config or the command line); held by the driver, exactly"
        in lines
    )
    assert "limit database=redshift: 2 at once, for 6 steps; held by the driver, exactly" in lines
    declared = "held by Ray for all runs, exactly: limit:database=redshift of one node"
    assert f"limit database=redshift (cluster): 2 at once, for 6 steps; {declared}" in lines
    assert any("1 limit:database=redshift" in line and "query_2" in line for line in lines)

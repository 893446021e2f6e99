"""Runs by a spare driver: they are as those of a fresh process, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from user_machine import await_until, machine_at

from rayexec.errors import LoadError
from rayexec.events import RunStatus
from rayexec.launch import LaunchedRun, launch_job
from rayexec.launch.job_file import JobSource
from rayexec.launch.launch_request import LaunchRequest
from rayexec.launch.launching import new_run_id, resume_here
from rayexec.launch.warm_cluster import WarmCluster

pytestmark = pytest.mark.long("starts a Ray")

TIMEOUT_S = 120.0
JOB = """
import os, sys
import neighbour
from rayexec import job, op

@op(config_schema={"fails": bool})
def first(context):
    if context.op_config["fails"]:
        raise ValueError("as asked")
    return os.getppid()

@op
def second(number):
    print("in", neighbour.NAME, os.environ.get("OF_RUN"))
    return number

@job
def pair():
    second(first())
"""
FAILS = {"ops": {"first": {"config": {"fails": True}}}}
FINE = {"ops": {"first": {"config": {"fails": False}}}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[WarmCluster]:
    cluster = WarmCluster()
    states = [cluster.state]
    cluster.begin()
    states.append(cluster.state)
    cluster.wait()
    states.append(cluster.state)
    yield cluster
    cluster.close()
    states.append(cluster.state)
    assert [state.value for state in states] == ["none", "starting", "up", "none"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "neighbour.py").write_text("NAME = 'the neighbour'\n")
    (tmp_path / "pair.py").write_text(JOB)
    return tmp_path / "pair.py"


def spare_pid(cluster: WarmCluster) -> int:
    """Wait for a spare driver, and return its pid."""
    until = time.monotonic() + TIMEOUT_S
    while not (cluster.spares is not None and cluster.spares.is_ready):
        assert time.monotonic() < until
        time.sleep(0.05)
    spare = cluster.spares._spare
    assert spare is not None
    return spare.pid


def launch(
    cluster: WarmCluster, file: Path, config: Any = FINE, **options: Any
) -> tuple[LaunchedRun, int]:
    pid = spare_pid(cluster)
    run = launch_job(file, config, attach=cluster.address, spares=cluster.spares, **options)
    return run, pid


def test_a_spare_drives_a_run(cluster: WarmCluster, file: Path) -> None:
    run, pid = launch(cluster, file)
    assert run.wait(TIMEOUT_S) == RunStatus.SUCCESS
    assert run.note.driver is not None
    assert run.note.driver.pid == pid
    output = "".join(run.logs(follow=True))
    assert "in the neighbour None\n" in output
    assert "RUN_SUCCESS" in output
    assert run.driver.wait().exit_code == 0
    # The next one is another process.
    assert spare_pid(cluster) != pid


def test_a_failed_run_is_resumed_by_a_spare(cluster: WarmCluster, file: Path) -> None:
    failed, _ = launch(cluster, file, FAILS)
    assert failed.wait(TIMEOUT_S) == RunStatus.FAILURE
    pid = spare_pid(cluster)
    (file.parent / "fine.yaml").write_text("ops: {first: {config: {fails: false}}}")
    request = LaunchRequest(
        JobSource(None, None, None, None), new_run_id(), config_files=(f"{file.parent}/fine.yaml",)
    )
    run = resume_here(failed.run_id, request, attach=cluster.address, spares=cluster.spares)
    assert run.wait(TIMEOUT_S) == RunStatus.SUCCESS
    assert run.note.driver is not None
    assert run.note.driver.pid == pid
    assert run.record().parent_run_id == failed.run_id


def test_a_run_of_a_spare_is_canceled(cluster: WarmCluster, file: Path) -> None:
    file.write_text(
        "import time\nfrom rayexec import job, op\n@op\ndef long():\n    time.sleep(600)\n"
        "@job\ndef sleeps(): long()\n"
    )
    run, _pid = launch(cluster, file, None)
    until = time.monotonic() + TIMEOUT_S
    while "STEP_START" not in "".join(run.logs()) and time.monotonic() < until:
        time.sleep(0.05)
    run.cancel()
    assert run.wait(TIMEOUT_S) == RunStatus.CANCELED


def test_an_environment_of_the_run_holds_for_its_workers(cluster: WarmCluster, file: Path) -> None:
    ray = {"config": {"ray": {"runtime_env": {"env_vars": {"OF_RUN": "yes"}}}}}
    run, _ = launch(cluster, file, {**FINE, "execution": ray})
    assert run.wait(TIMEOUT_S) == RunStatus.SUCCESS
    output = "".join(run.logs(follow=True))
    assert "in the neighbour yes\n" in output
    assert "already used Ray" not in output


def test_a_job_file_that_starts_ray_itself_is_served_as_by_a_fresh_process(
    cluster: WarmCluster, file: Path
) -> None:
    file.write_text(
        "import ray\nray.init(address='local', num_cpus=1, include_dashboard=False)\n"
        f"print('cpus', ray.cluster_resources()['CPU'])\n{file.read_text()}"
    )
    run, _ = launch(cluster, file)
    assert run.wait(TIMEOUT_S) == RunStatus.FAILURE
    output = "".join(run.logs(follow=True))
    assert "cpus 1.0" in output
    assert "this process already uses the Ray at" in output


def test_a_used_run_id_takes_no_spare(cluster: WarmCluster, file: Path) -> None:
    run, _ = launch(cluster, file, run_id="once")
    run.wait(TIMEOUT_S)
    pid = spare_pid(cluster)
    with pytest.raises(LoadError, match="launched before"):
        launch(cluster, file, run_id="once")
    assert spare_pid(cluster) == pid


def test_without_a_ready_spare_a_fresh_process_drives_the_run(
    cluster: WarmCluster, file: Path
) -> None:
    first, _ = launch(cluster, file)
    second = launch_job(file, FINE, attach=cluster.address, spares=cluster.spares)
    assert [run.wait(TIMEOUT_S) for run in (first, second)] == [RunStatus.SUCCESS] * 2


def test_a_dead_spare_is_replaced(cluster: WarmCluster, file: Path) -> None:
    pid = spare_pid(cluster)
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + TIMEOUT_S
    while cluster.spares is not None and cluster.spares.is_ready and time.monotonic() < until:
        time.sleep(0.01)
    run = launch_job(file, FINE, attach=cluster.address, spares=cluster.spares)
    assert run.wait(TIMEOUT_S) == RunStatus.SUCCESS
    assert spare_pid(cluster) != pid


OWNER = """
import sys, time
from rayexec.launch.warm_cluster import WarmCluster
cluster = WarmCluster()
cluster.begin()
cluster.wait()
while sys.argv[1] == "ready" and not cluster.spares.is_ready:
    time.sleep(0.05)
print("up", flush=True)
sys.stdin.readline()
cluster.close()
print("closed", "ray" in sys.modules, flush=True)
"""


@pytest.mark.parametrize("state", ["ready", "preparing"])
@pytest.mark.parametrize("end", ["close", "kill"])
def test_nothing_is_left_of_a_warm_cluster(tmp_path: Path, state: str, end: str) -> None:
    with machine_at(tmp_path) as machine:
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, state],
            env=machine.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as owner:
            assert owner.stdin is not None
            assert owner.stdout is not None
            assert owner.stdout.readline() == "up\n"
            if end == "kill":
                owner.kill()
            else:
                owner.stdin.write("\n")
                owner.stdin.flush()
                assert owner.stdout.readline() == "closed False\n"
        if end == "kill":
            await_until(lambda: not machine.processes())
        assert not machine.processes()


def test_where_a_driver_runs_is_said_once(file: Path) -> None:
    with pytest.raises(LoadError, match="--attach"):
        launch_job(file, attach="auto", address="http://head:8265")

"""Beginning and end of a lasting cluster, with real processes, and states that outlive it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from user_machine import (
    TIMEOUT_S,
    Machine,
    await_until,
    machine_at,
    pids_named,
    process_stats,
    still_there,
)

pytestmark = [
    pytest.mark.long("starts and stops clusters of several nodes"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_at(tmp_path) as machine:
        yield machine


# Beginning and end.


def test_two_ups_at_once_start_one_cluster_and_down_ends_all_of_it(machine: Machine) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        asked = ["cluster", "up", "--port", str(free_port()), "--num-cpus", "1", "--json"]
        both = [machine.begin(*asked), machine.begin(*asked)]
        printed = [json.loads(each.communicate(timeout=TIMEOUT_S)[0]) for each in both]
        assert sorted(each["started"] for each in printed) == [False, True]
        assert printed[0]["address"] == printed[1]["address"]
        assert len(pids_named(machine, "gcs_server")) == 1
        assert (machine.home / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
        started_before = machine.processes()
        assert {"gcs_server", "raylet"} <= {name for _, name in started_before.values()}
        assert Path(printed[0]["logs"]).parent == machine.temp

        stopped = machine.ok("cluster", "down")["stopped"]
        assert stopped["processes"] >= len(started_before)
        assert still_there(started_before) == []
        assert machine.processes() == {}
        assert list(machine.temp.iterdir()) == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    code, stdout, _ = machine.run("cluster", "down")
    assert (code, "Nothing to stop" in stdout) == (0, True)
    code, _, stderr = machine.run("cluster", "status")
    assert (code, "no cluster was started here" in stderr) == (1, True)


def _begin_and_await_gcs(machine: Machine, *arguments: str) -> subprocess.Popen[str]:
    process = machine.begin(
        "cluster", "up", "--port", str(free_port()), "--num-cpus", "1", *arguments
    )
    await_until(lambda: bool(pids_named(machine, "gcs_server")) or process.poll() is not None)
    assert process.poll() is None
    return process


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(machine: Machine, signal_number: signal.Signals) -> None:
    process = _begin_and_await_gcs(machine)
    process.send_signal(signal_number)
    _, stderr = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert stderr == "Error: Interrupted.\n"
    assert machine.processes() == {}
    assert not machine.state.exists()


def test_what_a_killed_up_and_a_dead_node_leave_is_ended(machine: Machine) -> None:
    process = _begin_and_await_gcs(machine)
    process.kill()
    process.communicate()
    (starter,) = json.loads(machine.state.read_text())["sessions"]
    await_until(
        lambda: starter not in process_stats()
    )  # it goes on by itself, and leaves a whole cluster
    first = machine.processes()
    assert "raylet" in {name for _, name in first.values()}
    assert machine.run("cluster", "status")[0] == 1

    again = machine.ok("cluster", "up", "--port", str(free_port()), "--num-cpus", "1")
    assert again["started"]
    assert still_there(first) == []

    started_before = machine.processes()
    os.kill(pids_named(machine, "raylet")[0], signal.SIGKILL)
    await_until(lambda: not pids_named(machine, "raylet"))
    code, _, stderr = machine.run("cluster", "status")
    assert (code, "lost a part" in stderr) == (1, True)
    machine.ok("cluster", "down")
    assert still_there(started_before) == []
    assert machine.processes() == {}


def test_a_taken_port_is_told_and_leaves_nothing(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, stderr = machine.run("cluster", "up", "--port", str(taken.getsockname()[1]))
    assert (code, "is already used" in stderr) == (1, True)
    assert not machine.state.exists()


def test_ray_that_does_not_start_says_why(machine: Machine) -> None:
    code, _, stderr = machine.run(
        "cluster", "up", "--port", str(free_port()), RAY_START_HOOK="no.such.hook"
    )
    assert code == 1
    assert "Ray did not start" in stderr
    assert "No module named" in stderr
    assert machine.processes() == {}
    assert not machine.state.exists()


# A state file that is not true any more.


@pytest.mark.parametrize("change", ["another boot", "pid used again", "not JSON"])
def test_a_stale_state_confuses_nothing(machine: Machine, change: str) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = process_stats()[bystander.pid][0]
        entry = [bystander.pid, started if change == "another boot" else "1", "raylet"]
        state = {
            "mark": "RAYEXEC_CLUSTER=0",
            "boot": "x" if change == "another boot" else boot,
            "address": "127.0.0.1:1",
            "directory": str(machine.home / "rayexec-gone"),
            "spec": {"nodes": 1},
            "sessions": [bystander.pid],
            "core": [entry],
            "others": [],
        }
        machine.state.parent.mkdir()
        machine.state.write_text("{" if change == "not JSON" else json.dumps(state))
        code, _, stderr = machine.run("cluster", "status")
        assert code == 1
        assert ("no cluster was started" if change == "not JSON" else "runs no more") in stderr
        code, stdout, _ = machine.run("cluster", "down")
        assert (code, "Nothing to stop" in stdout) == (0, True)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()

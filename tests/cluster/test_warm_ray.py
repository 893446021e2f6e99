"""Ray in a child process: it has a mark, and ends with its owner however that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from user_machine import Machine, await_until, machine_at

pytestmark = [
    pytest.mark.long("starts Rays"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]

OWNER = """
import sys, time
from rayexec.cluster.warm_ray import WarmRay
ray = WarmRay()
print(ray.address(), flush=True)
sys.stdin.readline()
assert "ray" not in sys.modules
ray.close()
print("closed", ray.is_alive, flush=True)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_at(tmp_path) as machine:
        yield machine


@contextlib.contextmanager
def owner_of_a_ray(machine: Machine) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=machine.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_warm_ray_is_a_marked_one_and_ends_when_it_is_closed(machine: Machine) -> None:
    with owner_of_a_ray(machine) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        address = owner.stdout.readline().strip()
        (machine.home / "one.py").write_text(
            "from rayexec import job, op\n@op\ndef a(): ...\n@job\ndef j(): a()\n"
        )
        options = ["-f", "one.py", "--address", address, "--max-concurrent", "1"]
        plan = machine.ok("job", "plan", *options)
        assert [limit["held_by"] for limit in plan["limits"]] == ["token"]
        code, _, stderr = machine.run("job", "execute", *options)
        assert code == 0, stderr
        owner.stdin.write("\n")
        owner.stdin.flush()
        assert owner.stdout.readline() == "closed False\n"
        owner.wait()
    assert not machine.processes()
    assert not list(machine.temp.glob("rayexec-*/ray.json"))


def test_nothing_is_left_of_it_once_its_owner_is_killed(machine: Machine) -> None:
    with owner_of_a_ray(machine) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        owner.send_signal(signal.SIGKILL)
    await_until(lambda: not machine.processes())


def test_it_ends_also_when_its_owner_is_killed_during_the_start(machine: Machine) -> None:
    with owner_of_a_ray(machine) as owner:
        await_until(lambda: any(name == "gcs_server" for _, name in machine.processes().values()))
        owner.send_signal(signal.SIGKILL)
    await_until(lambda: not machine.processes())


def test_its_processes_end_when_it_is_killed_itself(machine: Machine) -> None:
    with owner_of_a_ray(machine) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        [child] = [
            pid
            for pid in machine.processes()
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(owner.pid)
        ]
        os.kill(child, signal.SIGKILL)
        until = time.monotonic() + 60
        while set(machine.processes()) - {owner.pid, child} and time.monotonic() < until:
            time.sleep(0.05)
        assert not set(machine.processes()) - {owner.pid, child}

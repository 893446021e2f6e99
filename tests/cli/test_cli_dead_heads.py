"""A cluster whose head (Ray's GCS) dies under a run: noticed soon, ended in order, resumable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from user_machine import TIMEOUT_S, Machine, await_until, machine_at, pids_named

pytestmark = [
    pytest.mark.long("starts Ray, and waits for the silence of its head"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]
NOTICED_S = 10.0
JOBS = """
import os, time
from pathlib import Path
from rayexec import job, op

HERE = Path(__file__).parent

@op
def large():
    return bytes(3_000_000)

@op
def nap(value):
    (HERE / "pid").write_text(str(os.getpid()))
    while not (HERE / "go").exists():
        time.sleep(0.05)
    return len(value)

@job
def naps():
    nap(large())
"""
# Goes on after the run, as a server does, and runs another job on a Ray of its own.
PROGRAM = """
import sys
from jobs import HERE, naps
result = naps.execute(address=sys.argv[1])
print(result.status, type(result.error).__name__, flush=True)
(HERE / "go").touch()
print(naps.execute(store=False).output_for_node("nap"), flush=True)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_at(tmp_path) as machine:
        (tmp_path / "jobs.py").write_text(JOBS)
        yield machine


def _strike(machine: Machine, signal_number: int, process: subprocess.Popen[str]) -> float:
    """Send a signal to the head once the step runs, and return the time."""
    await_until(lambda: (machine.home / "pid").exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    (head,) = pids_named(machine, "gcs_server")
    os.kill(head, signal_number)
    return time.monotonic()


def _check_record(machine: Machine) -> str:
    """Check that the only run has failed by the death of its head; return its id."""
    (run,) = machine.ok("run", "list")
    assert run["status"] == "FAILURE"
    code, stdout, stderr = machine.run("run", "events", run["run_id"], "--json")
    assert code == 0, stderr
    events = [json.loads(line) for line in stdout.splitlines()]
    types = [event["event_type"] for event in events]
    assert types[-1] == "RUN_FAILURE"
    assert "(Ray's GCS) has died" in events[-1]["message"]
    assert "STEP_FAILURE" in types  # it was asked to end
    return str(run["run_id"])


@pytest.mark.alone
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_run_whose_head_dies_ends_in_order_and_can_be_resumed(
    machine: Machine, signal_number: int
) -> None:
    with machine.begin("job", "execute", "-f", "jobs.py") as process:
        struck = _strike(machine, signal_number, process)
        _, stderr = process.communicate(timeout=TIMEOUT_S)
        seconds = time.monotonic() - struck
    assert process.returncode == 1
    assert seconds < NOTICED_S, stderr
    run_id = _check_record(machine)
    assert f"rayexec run resume {run_id}" in stderr
    assert "Traceback" not in stderr.partition("Step ")[0]
    await_until(lambda: not machine.processes())
    # A dying process shows no environment any more, some time before it is gone.
    await_until(lambda: not Path("/proc", (machine.home / "pid").read_text()).exists())
    assert list(machine.temp.iterdir()) == []
    (machine.home / "go").touch()
    code, _, stderr = machine.run("run", "resume", run_id)
    assert (code, "large - STEP_START" in stderr) == (0, False), stderr


def test_a_process_goes_on_after_the_death_of_a_cluster(machine: Machine) -> None:
    address = machine.ok("cluster", "up", "--port", str(free_port()), "--num-cpus", "1")["address"]
    (machine.home / "program.py").write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "program.py", address],
        cwd=machine.home,
        env=machine.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        _strike(machine, signal.SIGKILL, process)
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    assert stdout.split() == ["FAILURE", "EngineError", "3000000"], stderr
    assert process.returncode == 0, json.dumps(stderr)
    _check_record(machine)
    machine.ok("cluster", "down")
    assert machine.processes() == {}

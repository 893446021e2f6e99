"""``rayexec dev`` outlives its children and its user's mistakes, and leaves nothing behind.

What the code of a user may do to its process is in ``launch/test_hostile_code.py``, the spare
driver in ``launch/test_spare_drivers.py``, the cluster and its probe in ``test_cluster_api.py``,
and ends with a run on the Ray of the server in ``test_ends.py``.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dev_processes import (
    PATIENCE_S,
    SHORT_JOBS,
    await_nothing_left,
    client_of,
    is_ready,
    is_up,
    processes_of,
    until,
)
from dev_server import DevServer

pytestmark = pytest.mark.long("starts the command in processes of their own")

RAY = "warm_ray_process"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "jobs.py").write_text(SHORT_JOBS)
    yield tmp_path / "home"
    await_nothing_left(tmp_path / "home")


@pytest.fixture
def server(home: Path) -> Iterator[DevServer]:
    """A server with a file of jobs, which are ready."""
    server = DevServer(["-f", "jobs.py"], home, home.parent)
    client = client_of(server)
    until(lambda: is_ready(client))
    yield server
    server.stop()


def said_after(server: DevServer) -> str:
    assert server.process.stdout is not None
    return server.process.stdout.read().decode()


def test_an_interrupt_during_the_start_of_ray_ends_all(server: DevServer, home: Path) -> None:
    until(lambda: processes_of(home, RAY))
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in said_after(server)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay_s", [0.1, 0.9])
def test_an_interrupt_during_the_start_ends_all_without_a_traceback(
    home: Path, delay_s: float, sent: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rayexec", "dev", "--no-open", "--port", "0", "-f", "jobs.py"],
        cwd=home.parent,
        env={**os.environ, "RAYEXEC_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    time.sleep(delay_s)  # It must come at some moment of the start, whichever that is.
    process.send_signal(sent)
    said = process.communicate(timeout=PATIENCE_S)[0].decode()
    assert process.returncode in (0, 1, 130, 143, -sent)
    # In the first imports of the command nobody can catch it.
    assert "Traceback" not in said or 'rayexec/__main__.py", line 3, in <module>' in said


def test_an_impatient_user_interrupts_again_and_again(server: DevServer) -> None:
    until(lambda: is_up(client_of(server)))
    for _ in range(20):
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert server.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in said_after(server)


def test_two_servers_share_a_store_and_a_file(server: DevServer, home: Path) -> None:
    other = DevServer(["-f", "jobs.py"], home, home.parent)
    try:
        assert other.base != server.base
        for each in (server, other):
            client = client_of(each)
            until(functools.partial(is_ready, client))
        tokens = sorted((home / f"dev-{os.geteuid()}").iterdir())
        assert len(tokens) == 2
        other.process.send_signal(signal.SIGTERM)
        assert other.process.wait(PATIENCE_S) == 0
        assert client_of(server).get("api/jobs")["state"] == "ready"
    finally:
        other.process.kill()
        other.process.wait()
        assert other.process.stdout is not None
        other.process.stdout.close()


def test_a_terminal_that_closes_ends_it(home: Path) -> None:
    terminal, its_end = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "rayexec", "dev", "--no-open", "--port", "0"],
        cwd=home.parent,
        env={**os.environ, "RAYEXEC_HOME": str(home)},
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
    )
    os.close(its_end)
    shown = b""
    while b"token=" not in shown:
        shown += os.read(terminal, 4096)
    os.close(terminal)
    assert process.wait(PATIENCE_S) == 0
    assert not list((home / f"dev-{os.geteuid()}").iterdir())


def test_an_idle_server_takes_no_time_of_the_processor(
    home: Path, dev_server: Callable[..., DevServer]
) -> None:
    """Nobody watches: no look at the store, no question to anybody."""
    server = dev_server()
    client_of(server).get("api/runs")
    time.sleep(1)

    def switches() -> int:
        lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_"))

    before = switches()
    time.sleep(3)
    assert switches() - before <= 3

"""``rayexec dev`` ends with a run on its Ray: nothing is left, and the record says why.

What is left includes files: those of Ray, of the run's workers in memory, and of the token.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dev_processes import (
    PATIENCE_S,
    await_nothing_left,
    client_of,
    is_ready,
    launched_long,
    shown_of,
    until,
)
from dev_server import DevServer
from served_pages import Client

from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, own_directories

pytestmark = pytest.mark.long("starts the command, a Ray and a run each time")

JOBS = """
import time
from rayexec import job, op

@op
def first():
    return 1

@op
def lasts(number):
    time.sleep(600)

@job
def long():
    lasts(first())
"""
OPTIONS = ("--no-open", "--port", "0")
CANCELED = "with rayexec dev, which ended with the Ray of the run"
#: The driver notices it, and lives to write it down.
HEAD_DIED = "(Ray's GCS) has died"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of a user whose files of Ray are in a directory of their own."""
    (tmp_path / "jobs.py").write_text(JOBS)
    sessions = Path(tempfile.mkdtemp(prefix="rx-", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(sessions))
    yield tmp_path / "home"
    await_nothing_left(tmp_path / "home")
    left = list(sessions.iterdir())
    shutil.rmtree(sessions)
    assert not left


def driver_of(client: Client, run_id: str) -> int:
    [row] = [row for row in client.get("api/runs")["runs"] if row["run_id"] == run_id]
    return int(row["driver"]["pid"])


def files_of(driver: int) -> list[Path]:
    """Return the files that a driver and its workers have in memory."""
    return [
        path
        for directory in own_directories()
        for path in directory.glob(f"{JOURNAL_PREFIX}{driver}[-.]*")
    ]


def tokens_of(home: Path) -> list[Path]:
    return list((home / f"dev-{os.geteuid()}").iterdir())


@pytest.mark.parametrize(
    "sent",
    [
        (signal.SIGINT,),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM,),
        (signal.SIGHUP,),
        (signal.SIGKILL,),
    ],
    ids=lambda sent: "-".join(each.name for each in sent),
)
def test_nothing_is_left(
    home: Path, dev_server: Callable[..., DevServer], sent: tuple[signal.Signals, ...]
) -> None:
    server = dev_server("-f", "jobs.py", home=home, cwd=home.parent)
    client = client_of(server)
    until(lambda: is_ready(client))
    run_id = launched_long(client)
    driver = driver_of(client, run_id)
    assert files_of(driver)
    assert server.process.stdout is not None
    with server.process.stdout as stdout:
        for each in sent:
            server.process.send_signal(each)
        said = stdout.read().decode()
    is_killed = signal.SIGKILL in sent
    assert server.process.wait(PATIENCE_S) == (-signal.SIGKILL if is_killed else 0)
    if not is_killed:  # What it started is gone before it is.
        assert not server.processes()
        assert f"Canceling what runs on the Ray of this command: {run_id}." in said
        assert f"Run {run_id}: CANCELED." in said
    await_nothing_left(home)
    assert "Traceback" not in said
    assert (HEAD_DIED if is_killed else CANCELED) in shown_of(home, run_id, "events")
    assert not files_of(driver)
    if is_killed:
        [left] = tokens_of(home)
        dev_server(home=home).stop()
        assert not left.exists()
    assert not tokens_of(home)


def test_a_terminal_that_closes_takes_the_run_along(home: Path) -> None:
    """Nobody hears any more what the server says about the end."""
    terminal, its_end = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "rayexec", "dev", "-f", "jobs.py", *OPTIONS],
        cwd=home.parent,
        env={**os.environ, "RAYEXEC_HOME": str(home)},
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
    )
    os.close(its_end)
    shown = b""
    while b"token=" not in shown or not shown.endswith(b"\n"):
        shown += os.read(terminal, 4096)
    url = next(word for word in shown.decode().split() if "token=" in word)
    client = Client(url.partition("?")[0], url.partition("token=")[2])
    until(lambda: is_ready(client))
    run_id = launched_long(client)
    os.close(terminal)
    assert process.wait(PATIENCE_S) == 0
    await_nothing_left(home)
    assert CANCELED in shown_of(home, run_id, "events")
    assert not tokens_of(home)

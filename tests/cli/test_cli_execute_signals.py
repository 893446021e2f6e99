"""Signals to a job from the shell: cancel, force, and the handlers left as before."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from cli_process import IN_PROCESS, imports_undone, run
from executed_jobs import JOBS, execute_job
from typer.testing import CliRunner

from rayexec.cli.main import app


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "here.yaml").write_text(IN_PROCESS)
    return tmp_path


def test_an_interrupt_cancels_the_run(directory: Path) -> None:
    ended = execute_job(directory, "sleeping", "--json", until=directory / "asleep")
    assert ended.code == 1
    outcome = json.loads(ended.stdout)
    assert outcome["status"] == "CANCELED"
    assert outcome["duration"] < 300  # where its step would sleep for 600 s
    assert "Press Ctrl-C again to force it" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("was canceled.")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)"])
def test_signals_that_end_a_process_cancel_the_run(
    directory: Path, signal_number: int, before: str
) -> None:
    ended = execute_job(
        directory,
        "sleeping",
        "--json",
        until=directory / "asleep",
        signal_number=signal_number,
        before=before,
    )
    assert ended.code == 1
    assert json.loads(ended.stdout)["status"] == "CANCELED"
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("was canceled.")
    assert ended.left_over == []


def test_a_second_signal_forces(directory: Path) -> None:
    ended = execute_job(
        directory,
        "clinging",
        "--json",
        until=directory / "asleep",
        again=directory / "closing",
        signal_number=signal.SIGTERM,
    )
    assert ended.code == 1
    assert json.loads(ended.stdout)["duration"] < 300
    assert ended.stderr.rstrip().endswith("was canceled.")
    assert ended.left_over == []


def test_a_signal_that_is_ignored_stays_so(directory: Path) -> None:
    under_nohup = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert execute_job(directory, "hung_up", before=under_nohup).code == 0
    assert execute_job(directory, "hung_up").code == 1


def test_processes_that_an_op_forks_end_by_signals_as_ever(directory: Path) -> None:
    ended = execute_job(directory, "forks")
    assert ended.code == 0
    assert ended.stdout == "ended by 15\n"
    assert "Interrupt" not in ended.stderr


@pytest.mark.parametrize("job", ["good", "bad"])
def test_the_handlers_of_signals_are_put_back(directory: Path, job: str) -> None:
    signal_numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(signal_number) for signal_number in signal_numbers]
    with imports_undone(directory):
        CliRunner().invoke(app, ["job", "execute", "-f", "jobs.py", "-c", "here.yaml", "-j", job])
    assert [signal.getsignal(signal_number) for signal_number in signal_numbers] == before


def test_outside_of_the_main_thread_signals_are_left_alone(directory: Path) -> None:
    code: list[int] = []

    def execute() -> None:
        result = CliRunner().invoke(
            app, ["job", "execute", "-f", "jobs.py", "-c", "here.yaml", "-j", "good"]
        )
        code.append(result.exit_code)

    with imports_undone(directory):
        thread = threading.Thread(target=execute)
        thread.start()
        thread.join()
    assert code == [0]


@pytest.mark.long("starts a Ray, and interrupts the command beside it")
def test_on_ray_an_interrupt_leaves_nothing_behind(directory: Path) -> None:
    (directory / "long.py").write_text(
        "import pathlib, time\nfrom rayexec import job, op\n"
        "@op\ndef nap():\n    pathlib.Path('asleep').touch()\n    try:\n        time.sleep(600)\n"
        "    finally:\n        pathlib.Path('closed').touch()\n"
        "@job\ndef naps():\n    nap()\n"
    )
    ended = run("job", "execute", "-f", "long.py", cwd=directory, until=directory / "asleep")
    assert ended.code == 1
    assert (directory / "closed").exists()  # it was woken, and not killed in its sleep
    assert "RUN_CANCELED" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("was canceled.")
    assert ended.left_over == []


@pytest.mark.long("starts a Ray, and interrupts the command twice")
def test_on_ray_a_second_signal_forces(directory: Path) -> None:
    (directory / "stubborn.py").write_text(
        "import pathlib, time\nfrom rayexec import job, op\n"
        "@op\ndef clings():\n    pathlib.Path('asleep').touch()\n    while True:\n        try:\n"
        "            time.sleep(600)\n        except KeyboardInterrupt:\n            "
        "pathlib.Path('asked').touch()\n"
        "@job\ndef stubborn():\n    clings()\n"
    )
    how: dict[str, Any] = {
        "until": directory / "asleep",
        "again": directory / "asked",
        "signal_number": signal.SIGTERM,
    }
    ended = run("job", "execute", "-f", "stubborn.py", "--json", cwd=directory, **how)
    assert ended.code == 1
    assert json.loads(ended.stdout)["status"] == "CANCELED"
    assert "interrupted again" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.left_over == []

"""``job launch`` on this machine: a driver that outlives the command, by the id of its run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import IN_PROCESS, run, run_on_terminal
from ports import free_port

from rayexec import __version__
from rayexec.cluster.jobs_api import STOP_WAIT
from rayexec.launch.environment import ClusterTarget, runtime_env
from rayexec.launch.launcher_versions import LAUNCHED_FROM
from rayexec.launch.notes import LaunchNote, find_note
from rayexec.run.process_identity import ProcessIdentity

pytestmark = pytest.mark.long("each launched run is a process with a Ray of its own")

_TIMEOUT = 180.0

JOB = """
import pathlib, time
from rayexec import job, op

@op
def waits():
    print("printed")
    pathlib.Path("waiting").touch()
    deadline = time.monotonic() + 300
    while not pathlib.Path("go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

@op
def breaks():
    raise ValueError("broken")

@job
def patient():
    waits()

@job
def broken():
    breaks()
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a job; launched drivers end with the test."""
    home = tmp_path / "home"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.py").write_text(JOB)
    (tmp_path / "run.yaml").write_text(IN_PROCESS)
    yield tmp_path
    for note in (home / "launched").glob("*.json"):
        driver = json.loads(note.read_text()).get("driver")
        if driver is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(driver["pid"], signal.SIGKILL)


def rayexec(*arguments: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "rayexec", *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


def launch(*arguments: str) -> Any:
    code, stdout, stderr = rayexec(
        "job", "launch", "-f", "jobs.py", "-c", "run.yaml", *arguments, "--json"
    )
    assert code == 0, stderr
    return json.loads(stdout)


def until(file: Path) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not come to be"
        time.sleep(0.02)


def test_a_launched_run_goes_on_by_itself(directory: Path) -> None:
    launched = launch("-j", "patient")
    until(directory / "waiting")
    run_id, pid = launched["run_id"], launched["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)
    os.kill(pid, signal.SIGHUP)  # as when the terminal is closed
    shown = json.loads(rayexec("run", "show", run_id, "--json")[1])
    assert shown["status"] == "STARTED"
    (directory / "go").touch()
    code, stdout, _ = rayexec("run", "wait", run_id)
    assert (code, stdout.startswith(f"Run {run_id} succeeded")) == (0, True)
    assert "printed" in Path(launched["log"]).read_text()
    assert Path(launched["log"]).stat().st_mode & 0o777 == 0o600
    assert [each["run_id"] for each in json.loads(rayexec("run", "list", "--json")[1])] == [run_id]


def test_a_head_with_another_rayexec_says_so(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHED_FROM, "rayexec 0.0.9, Ray 2.60.0, Python 3.11")
    code, _, stderr = rayexec("job", "execute", "-f", "jobs.py", "-j", "broken", "-c", "run.yaml")
    assert code == 1
    assert f"the cluster's head has rayexec {__version__}" in stderr
    assert "was launched by rayexec 0.0.9" in stderr
    assert "RUN_START" not in stderr


def test_ray_waits_longer_for_a_driver_than_its_run_gives_its_steps() -> None:
    def stop_wait(given: dict[str, str], grace: float | None, before: int = 0) -> str:
        config = (
            None if grace is None else {"execution": {"config": {"ray": {"cancel_grace": grace}}}}
        )
        target = ClusterTarget("http://127.0.0.1:8265", runtime_env={"env_vars": given})
        return str(runtime_env(target, config, None, before)["env_vars"][STOP_WAIT])

    assert stop_wait({}, None) == stop_wait({}, 5.0) == "3600"  # also for what the job itself says
    assert stop_wait({}, 4000.5) == "4121"
    for without_end in (1e300, 10**400):
        assert stop_wait({}, without_end) == "1000000120"
    assert stop_wait({}, float("nan")) == stop_wait({}, float("inf")) == "3600"
    assert stop_wait({}, None, 4121) == "4121"
    assert stop_wait({STOP_WAIT: "7"}, 4000.5) == "7"


def test_the_id_alone_is_on_standard_output(directory: Path) -> None:
    (directory / "go").touch()
    code, stdout, stderr = rayexec(
        "job", "launch", "-f", "jobs.py", "-c", "run.yaml", "-j", "patient", "--run-id", "mine"
    )
    assert (code, stdout) == (0, "mine\n")
    assert str(directory / "home/launched/mine.log") in stderr
    assert rayexec("run", "wait", "mine")[0] == 0
    code, _, stderr = rayexec("job", "launch", "-f", "jobs.py", "--run-id", "mine")
    assert code == 2
    assert "give another --run-id" in stderr


def test_wait_shows_what_is_printed_and_ends_as_the_run_does(directory: Path) -> None:
    (directory / "go").touch()
    options = ("job", "launch", "-f", "jobs.py", "-c", "run.yaml", "--wait")
    code, stdout, _ = rayexec(*options, "-j", "patient")
    assert code == 0
    assert "\nprinted\n" in stdout
    assert "RUN_SUCCESS" in stdout
    code, stdout, _ = rayexec(*options, "-j", "broken")
    assert code == 1
    assert "ValueError: broken" in stdout
    code, stdout, stderr = rayexec(*options, "-j", "nothing", "--json")
    assert code == json.loads(stdout)["exit_code"] == 2
    assert "has no job 'nothing'" in stderr


def test_a_run_that_could_not_begin_is_known(directory: Path) -> None:
    run_id = launch("-j", "nothing")["run_id"]
    code, stdout, _ = rayexec("run", "wait", run_id[:8])
    assert code == 1
    assert "failed" in stdout
    assert "its driver ended before the run began" in stdout
    shown = json.loads(rayexec("run", "show", run_id, "--json")[1])
    assert (shown["status"], shown["source"]) == ("FAILURE", str(directory / "jobs.py"))
    assert "has no job 'nothing'" in rayexec("run", "logs", run_id)[1]
    assert [each["status"] for each in json.loads(rayexec("run", "list", "--json")[1])] == [
        "FAILURE"
    ]
    code, _, stderr = rayexec("run", "events", run_id)
    assert code == 2
    assert f"rayexec run logs {run_id}" in stderr
    assert rayexec("run", "delete", run_id)[0] == 0
    assert json.loads(rayexec("run", "list", "--json")[1]) == []
    assert list((directory / "home/launched").iterdir()) == []


def test_a_launched_run_is_canceled(directory: Path) -> None:
    run_id = launch("-j", "patient")["run_id"]
    until(directory / "waiting")
    code, stdout, _ = rayexec("run", "cancel", run_id)
    assert code == 0
    assert "canceled" in stdout


def test_a_run_that_is_about_to_begin_is_canceled(directory: Path) -> None:
    (directory / "jobs.py").write_text(
        "import pathlib, time\npathlib.Path('waiting').touch()\ntime.sleep(600)\n"
    )
    run_id = launch()["run_id"]
    until(directory / "waiting")
    code, stdout, _ = rayexec("run", "cancel", run_id)
    assert code == 0, stdout
    assert "canceled" in stdout


def test_a_launched_run_is_resumed_where_it_was_recorded(directory: Path) -> None:
    run_id = launch("-j", "broken", "--home", str(directory / "elsewhere"))["run_id"]
    assert rayexec("run", "wait", run_id)[0] == 1
    (directory / "jobs.py").write_text(JOB.replace('raise ValueError("broken")', "return 1"))
    code, _, stderr = rayexec("run", "resume", run_id, "--run-id", "again")
    assert code == 0, stderr
    assert (directory / "elsewhere/runs/again/run.json").exists()


def test_another_home_is_found_again(directory: Path) -> None:
    (directory / "go").touch()
    run_id = launch("-j", "patient", "--home", str(directory / "elsewhere"))["run_id"]
    assert rayexec("run", "wait", run_id)[0] == 0
    assert (directory / "elsewhere/runs" / run_id / "run.json").exists()
    assert "RUN_SUCCESS" in rayexec("run", "events", run_id)[1]
    assert [each["status"] for each in json.loads(rayexec("run", "list", "--json")[1])] == [
        "SUCCESS"
    ]


@pytest.mark.parametrize(
    ("keys", "again", "code", "said"),
    [
        (b"\x03d\n", None, 130, "rayexec run cancel mine"),
        (b"\x03c\n", None, 1, "RUN_CANCELED"),
        (b"\x03", "[d]etach", 130, "rayexec run cancel mine"),
    ],
)
def test_an_interrupt_asks_what_to_do(
    directory: Path, keys: bytes, again: str | None, code: int, said: str
) -> None:
    options = (
        "job",
        "launch",
        "-f",
        "jobs.py",
        "-c",
        "run.yaml",
        "-j",
        "patient",
        "--wait",
        "--run-id",
        "mine",
    )
    ended = run_on_terminal(*options, cwd=directory, until="printed", keys=keys, again=again)
    assert ended.code == code, ended.stdout
    assert "[d]etach" in ended.stdout
    assert said in ended.stdout
    launched = find_note("mine")
    assert launched is not None
    assert launched.driver is not None
    assert launched.driver.is_gone() == (code == 1)


def test_an_interrupt_without_a_terminal_leaves_the_run_alone(directory: Path) -> None:
    options = (
        "job",
        "launch",
        "-f",
        "jobs.py",
        "-c",
        "run.yaml",
        "-j",
        "patient",
        "--wait",
        "--run-id",
        "mine",
    )
    ended = run(*options, cwd=directory, until=directory / "waiting")
    assert ended.code == 130
    assert "To end it: rayexec run cancel mine" in ended.stderr
    (directory / "go").touch()
    assert rayexec("run", "wait", "mine")[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-f", "jobs.py", "-c", "none.yaml"), "there is no config file none.yaml"),
        (("-f", "jobs.py", "--run-id", "a/b"), "--run-id 'a/b'"),
        (("-f", "jobs.py", "--tags", "x"), "--tags is not JSON"),
        ((), "a job is in a file (-f FILE)"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    directory: Path, options: tuple[str, ...], message: str
) -> None:
    code, stdout, stderr = rayexec("job", "launch", *options)
    assert (code, stdout) == (2, "")
    assert message in stderr
    assert not (directory / "home/launched").exists()


def test_a_home_directory_is_sent_only_where_that_is_said(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "user").mkdir()
    (directory / "user/job.py").write_text(JOB)
    (directory / "alias").symlink_to(directory / "user")
    nowhere = ("--address", f"http://127.0.0.1:{free_port()}")
    for home, launched in (("user", "user/job.py"), ("alias", "user/job.py"), ("user", "jobs.py")):
        monkeypatch.setenv("HOME", str(directory / home))
        code, stdout, stderr = rayexec("job", "launch", "-f", launched, *nowhere)
        assert (code, stdout) == (2, "")
        assert f"all of {Path(directory, launched).parent} would be sent to the cluster" in stderr
        assert "--working-dir DIR" in stderr
    assert rayexec("job", "launch", "-m", "job", *nowhere)[0] == 2
    code, _, stderr = rayexec(
        "job", "launch", "-f", "user/job.py", "--working-dir", "user", *nowhere
    )
    assert (code, "no Ray answers" in stderr) == (1, True), stderr


def test_a_process_that_ended_and_was_not_awaited_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    driver = ProcessIdentity.of(process.pid)
    assert not driver.is_gone()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert driver.is_gone()
    process.communicate()


def test_a_note_of_another_version_is_passed_by(directory: Path) -> None:
    LaunchNote("known", 1.0, {"file": "jobs.py"}).write()
    (directory / "home/launched/newer.json").write_text('{"run_id": "newer", "unheard_of": 1}')
    listed = json.loads(rayexec("run", "list", "--json")[1])
    assert [each["run_id"] for each in listed] == ["known"]

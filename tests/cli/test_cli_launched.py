"""Runs launched on a cluster, by the answers of its dashboard alone."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
from cli_process import IN_PROCESS
from dashboard import Dashboard, serving
from test_cli_launch import JOB, rayexec

from rayexec import __version__
from rayexec.cli.commands.run_wait import wait_for
from rayexec.cluster.jobs_api import OTHER_PROJECT, STOP_WAIT, Jobs, JobState
from rayexec.cluster.packing import survey
from rayexec.errors import EngineError
from rayexec.events import RunStatus
from rayexec.launch import polling
from rayexec.launch.cluster_driver import ClusterDriver, find_unsent
from rayexec.launch.launcher_versions import LAUNCHED_FROM
from rayexec.launch.notes import LaunchNote, find_note
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import RunRecord, store_at

# An op that tells what a run that it starts would be compared with.
NESTING = f"""
import os
from rayexec import job, op

@op
def tells():
    print("op has", os.environ.get({LAUNCHED_FROM!r}))

@job
def nesting():
    tells()
"""


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with serving() as dashboard:
        yield dashboard


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    (tmp_path / "project/jobs.py").write_text(JOB)
    return tmp_path / "project"


def launch(dashboard: Dashboard, run_id: str, *arguments: str) -> None:
    options = ("-f", "jobs.py", "--address", dashboard.address, "--run-id", run_id, *arguments)
    code, _, stderr = rayexec("job", "launch", *options)
    assert code == 0, stderr


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_was_sent_is_known_from_another_directory_and_to_nobody_else(
    project: Path, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "env.yaml").write_text("env_vars: {PASSWORD: secret}\npip: needs.txt\n")
    (project / "needs.txt").write_text("tiny\n")
    (project / "run.yaml").write_text("execution: {config: {ray: {cancel_grace: 4000}}}\n")
    before = os.umask(0o022)
    try:
        launch(dashboard, "mine", "--runtime-env", "env.yaml", "-c", "run.yaml")
    finally:
        os.umask(before)
    note = project.parent / "home/launched/mine.json"
    assert (stat.S_IMODE(note.stat().st_mode), stat.S_IMODE(note.parent.stat().st_mode)) == (
        0o600,
        0o700,
    )
    launched = find_note("mine")
    assert launched is not None
    assert launched.sent["runtime_env"] == {
        "env_vars": {"PASSWORD": "secret"},
        "pip": str(project / "needs.txt"),
    }

    monkeypatch.chdir(project.parent)
    code, _, stderr = rayexec("run", "cancel", "mine", "--force")
    assert code == 0, stderr
    forced = dashboard.submitted[-1]
    assert "run cancel mine --force" in forced["entrypoint"]
    assert forced["runtime_env"]["env_vars"]["PASSWORD"] == "secret"
    assert "tiny" in json.dumps(forced["runtime_env"]["pip"])

    dashboard.outcome = {"status": "SUCCEEDED"}
    code, _, stderr = rayexec("run", "resume", "mine", "--run-id", "again")
    assert code == 0, stderr
    resumed = dashboard.submitted[-1]
    assert (resumed["submission_id"], "run resume mine" in resumed["entrypoint"]) == ("again", True)
    assert resumed["runtime_env"]["env_vars"]["PASSWORD"] == "secret"
    assert (
        resumed["runtime_env"]["env_vars"][STOP_WAIT] == "4120"
    )  # the config of the run before holds


def test_nothing_is_stopped_where_force_cannot_be_had(project: Path, dashboard: Dashboard) -> None:
    launch(dashboard, "mine")
    note = project.parent / "home/launched/mine.json"
    document = json.loads(note.read_text())
    document["sent"]["runtime_env"] = "gone.yaml"  # as it was noted once
    note.write_text(json.dumps(document))
    code, _, stderr = rayexec("run", "cancel", "mine", "--force")
    assert (code, "gone.yaml" in stderr) == (2, True), stderr
    assert dashboard.jobs["mine"]["status"] == "RUNNING"


@pytest.mark.long("waits for processes for some seconds")
def test_a_run_that_its_cluster_does_not_know_any_more_is_over(
    project: Path, dashboard: Dashboard
) -> None:
    store = project.parent / "shared"
    launch(dashboard, "mine", "--home", str(store))
    LaunchNote(
        "sent", time.time(), {"file": "jobs.py"}, None, dashboard.address, submitting=True
    ).write()
    assert rayexec("run", "wait", "mine", "--timeout", "0")[0] == 1
    dashboard.jobs.clear()  # as after its head was started again
    code, stdout, stderr = rayexec("run", "wait", "mine")
    assert (code, "does not know it any more" in stdout) == (1, True), stdout + stderr
    assert json.loads(rayexec("run", "show", "sent", "--json")[1])["status"] == "STARTED"

    # Recorded in a store that both sides reach, by a driver on a machine that is gone.
    record = RunRecord(
        "mine", "patient", RunStatus.STARTED, 1.0, driver=ProcessIdentity("elsewhere", 1)
    )
    store_at(str(store)).create(record).close()
    code, stdout, stderr = rayexec("run", "wait", "mine")
    assert (code, "driver died" in stdout) == (1, True), stdout + stderr
    assert rayexec("run", "logs", "mine", "--follow")[0] == 0


@pytest.mark.long("waits for processes for some seconds")
def test_a_wait_outlasts_questions_that_fail(
    project: Path,
    dashboard: Dashboard,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dashboard.begin("mine")
    note = LaunchNote("mine", 1.0, {"file": "jobs.py"}, None, dashboard.address)
    note.write()

    def exit_code() -> int:
        return ClusterDriver(note).wait().exit_code

    dashboard.failing = True
    with ThreadPoolExecutor() as pool:
        waiting = [
            pool.submit(wait_for, None, "mine", timeout=None, as_json=False),
            pool.submit(exit_code),
        ]
        until(lambda: dashboard.times_asked("GET mine") > 8)
        assert [each.done() for each in waiting] == [False, False]
        dashboard.end("mine")
        dashboard.failing = False
        assert [each.result(180) for each in waiting] == [0, 0]
    assert "Run mine succeeded" in capsys.readouterr().out

    note.write()  # as if nobody had asked yet
    jobs = Jobs(dashboard.address)
    dashboard.failing = True
    monkeypatch.setattr(polling, "RETRY_LIMIT_S", 0.5)
    assert wait_for(None, "mine", timeout=None, as_json=False) == 1
    assert (
        "The run may continue. To wait for it again: rayexec run wait mine"
        in capsys.readouterr().err
    )
    driver = ClusterDriver(note, lambda address: jobs)
    with pytest.raises(EngineError, match="The run may continue"):
        driver.wait()
    dashboard.failing = False
    dashboard.jobs.clear()
    end = driver.wait()
    assert end.exit_code == 1
    assert "does not know the run any more" in end.explanations[0]


def test_the_driver_alone_compares_itself_with_the_launching_machine(
    project: Path, dashboard: Dashboard
) -> None:
    (project / "jobs.py").write_text(NESTING)
    (project / "run.yaml").write_text(IN_PROCESS)
    launch(dashboard, "mine", "-c", "run.yaml")
    submitted = dashboard.submitted[-1]
    assert LAUNCHED_FROM not in submitted["runtime_env"]["env_vars"]
    (project / ".rayexec").mkdir()
    (project / "run.yaml").rename(project / ".rayexec/run-config.yaml")  # as it is unpacked
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    own = f"rayexec {__version__}, Ray {version('ray')}, Python {python}"
    assert own in submitted["entrypoint"]
    older = submitted["entrypoint"].replace(own, f"rayexec {__version__}, Ray 2.9.0, Python 3.9")
    older = older.replace(" exec python ", f" exec {shlex.quote(sys.executable)} ").replace(
        "--address=auto", ""
    )
    ended = subprocess.run(
        older, shell=True, check=False, capture_output=True, text=True, timeout=180
    )
    assert "Ray 2.9.0, Python 3.9; the cluster has " in ended.stderr
    assert "op has None" in ended.stdout, ended.stdout + ended.stderr


def test_code_that_was_left_out_is_told_of_where_it_is_missed(
    project: Path, dashboard: Dashboard
) -> None:
    for path in ("package/inner.py", "tools/job.py", "tools/beside.py", "sent.py"):
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text("")
    (project / ".gitignore").write_text("package/\nbeside.py\n")
    packing = survey(project)
    for module, here in (
        ("package.inner", "package/inner.py"),
        ("package", "package"),
        ("sent", None),
        ("none", None),
    ):
        assert find_unsent(module, packing, "tools/job.py") == (
            None if here is None else project / here
        )
    for module, message_part in (
        ("beside", f"{project}/tools/beside.py was not sent"),
        ("sent.more", "name the package that it is in with --pip"),
    ):
        message = f"ModuleNotFoundError: No module named '{module}'"
        dashboard.outcome = {"status": "FAILED", "driver_exit_code": 2, "message": message}
        options = (
            "-f",
            "tools/job.py",
            "--working-dir",
            ".",
            "--address",
            dashboard.address,
            "--wait",
        )
        code, stdout, stderr = rayexec("job", "launch", *options)
        assert (code, "printed" in stdout) == (2, True), stderr
        assert f"the cluster has no module {module!r}: {message_part}" in stderr


@pytest.mark.parametrize(
    ("message", "lacking"),
    [
        ("/usr/bin/python: No module named rayexec", "rayexec"),
        (
            "python: No module named rayexec.__main__; 'rayexec' is a package",
            OTHER_PROJECT,
        ),
        (
            "python: Error while finding module specification for 'rayexec.__main__' (ImportError",
            OTHER_PROJECT,
        ),
        ("ModuleNotFoundError: No module named 'rayexec.rayexec'", OTHER_PROJECT),
        ("ModuleNotFoundError: No module named 'other'", None),
    ],
)
def test_what_python_says_of_a_rayexec_that_is_not_there_or_not_ours(
    message: str, lacking: str | None
) -> None:
    assert JobState("FAILED", 1, message, None, None).lacks == lacking
    assert JobState("RUNNING", None, message, None, None).lacks is None


def test_of_runs_that_are_listed_those_that_are_shown_are_asked_for_until_they_are_over(
    project: Path, dashboard: Dashboard
) -> None:
    for index in range(5):
        run_id = f"run-{index}"
        dashboard.begin(run_id)
        LaunchNote(run_id, float(index), {"file": "jobs.py"}, None, dashboard.address).write()

    def listed(*options: str) -> dict[str, str]:
        rows = json.loads(rayexec("run", "list", "--json", *options)[1])
        return {each["run_id"]: each["status"] for each in rows}

    dashboard.end("run-4", "FAILED")
    assert listed("--limit", "2") == {"run-4": "FAILURE", "run-3": "STARTED"}
    assert sorted(dashboard.asked) == ["GET run-3", "GET run-4"]
    assert len(listed()) == 5
    assert dashboard.times_asked("GET run-4") == 1
    assert dashboard.times_asked("GET run-3") == 2
    dashboard.jobs.clear()
    assert listed("--limit", "1") == {"run-4": "FAILURE"}

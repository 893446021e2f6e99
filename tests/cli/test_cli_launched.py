"""Runs that were launched on a cluster, as they are known from its dashboard's answers alone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard import Dashboard, serving
from test_cli_launch import JOB, rayexec

from rayexec.cli.launched import noted


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


def test_what_was_sent_is_known_from_another_directory_and_to_nobody_else(
    project: Path, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "env.yaml").write_text("env_vars: {PASSWORD: secret}\npip: needs.txt\n")
    (project / "needs.txt").write_text("tiny\n")
    before = os.umask(0o022)
    try:
        launch(dashboard, "mine", "--runtime-env", "env.yaml")
    finally:
        os.umask(before)
    note = project.parent / "home/launched/mine.json"
    assert (stat.S_IMODE(note.stat().st_mode), stat.S_IMODE(note.parent.stat().st_mode)) == (0o600, 0o700)
    launched = noted("mine")
    assert launched is not None
    assert launched.sent["runtime_env"] == {"env_vars": {"PASSWORD": "secret"}, "pip": str(project / "needs.txt")}

    monkeypatch.chdir(project.parent)
    code, _, stderr = rayexec("run", "cancel", "mine", "--force")
    assert code == 0, stderr
    forced = dashboard.submitted[-1]
    assert "run cancel mine --force" in forced["entrypoint"]
    assert forced["runtime_env"]["env_vars"]["PASSWORD"] == "secret"
    assert "tiny" in json.dumps(forced["runtime_env"]["pip"])


def test_nothing_is_stopped_where_force_cannot_be_had(project: Path, dashboard: Dashboard) -> None:
    launch(dashboard, "mine")
    note = project.parent / "home/launched/mine.json"
    document = json.loads(note.read_text())
    document["sent"]["runtime_env"] = "gone.yaml"  # as it was noted once
    note.write_text(json.dumps(document))
    code, _, stderr = rayexec("run", "cancel", "mine", "--force")
    assert (code, "gone.yaml" in stderr) == (2, True), stderr
    assert dashboard.jobs["mine"]["status"] == "RUNNING"

"""Launched runs import nothing from the directory that somebody launched them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayexec import launch_job

JOB = """
from rayexec import job, op

@op
def one():
    return 1

@job(config={"execution": {"config": {"in_process": {}}}})
def only():
    one()
"""


@pytest.mark.parametrize("planted", ["rayexec", "typer"])
def test_a_module_that_lies_where_a_run_was_launched_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/only.py").write_text(JOB)
    public = tmp_path / "public"  # such as /tmp
    public.mkdir()
    (public / planted).mkdir()
    for name in ("__init__", "__main__"):
        (public / planted / f"{name}.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(public)
    run = launch_job(tmp_path / "jobs/only.py")
    assert run.wait(60) == "SUCCESS", "".join(run.logs())

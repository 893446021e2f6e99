"""Ctrl-C before a run begins: one exit code and one line at every stage, at once, nothing left."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from cli_process import Ended, run

JOB = """
import time
from pathlib import Path
from rayexec import job, op

@op
def one():
    Path("ran").touch()

@job
def single():
    one()
"""
# Stops at the import of a module, until an interrupt comes.
AT_IMPORT = """
import sys, time
from pathlib import Path

class Stage:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r} and not Path("stage").exists():
            Path("stage").touch()
            time.sleep(60)

sys.meta_path.insert(0, Stage())
"""
# Tells of the first process of a name below this one.
AT_PROCESS = """
import os, threading, time
from pathlib import Path

def look():
    while not Path("stage").exists():
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and os.getsid(int(process.name)) == os.getpid():
                    if (process / "comm").read_text().strip() == {name!r}:
                        Path("stage").touch()
            except OSError:
                pass
        time.sleep(0.01)

threading.Thread(target=look, daemon=True).start()
"""


def _interrupt(directory: Path, before: str = "") -> tuple[Ended, float]:
    """Run a job with an interrupt once the file ``stage`` is there; return it with its delay."""
    ended = run(
        "job", "execute", "-f", "jobs.py", cwd=directory, until=directory / "stage", before=before
    )
    return ended, time.time() - (directory / "stage").stat().st_mtime


def _check(ended: Ended, directory: Path) -> None:
    assert ended.code == 1, ended.stderr
    assert ended.stderr.startswith("Error: Interrupted")
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
    assert not (directory / "ran").exists()
    assert ended.left_over == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("typer", id="imports of the program"),
        pytest.param("rayexec.cli.commands.bench", id="table of commands"),
        pytest.param("rayexec.cli.commands.job_execute", id="imports of the command"),
        pytest.param("yaml", id="imports below"),
        pytest.param("jobs", id="job file"),
        pytest.param("ray", id="import of Ray"),
    ],
)
def test_an_import_that_is_interrupted_ends_the_command_in_a_line(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "jobs.py").write_text(JOB)
    if name == "jobs":
        (tmp_path / "jobs.py").write_text(f"{JOB}\nPath('stage').touch()\ntime.sleep(60)\n")
    ended, _ = _interrupt(tmp_path, "" if name == "jobs" else AT_IMPORT.format(name=name))
    _check(ended, tmp_path)


@pytest.mark.long("starts Ray")
@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_start_of_ray_that_is_interrupted_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "jobs.py").write_text(JOB)
    place = Path(os.environ.get("RAY_TMPDIR", "/tmp"))
    before = set(place.glob("rayexec-*/ray.lock"))
    ended, _ = _interrupt(tmp_path, AT_PROCESS.format(name=name))
    _check(ended, tmp_path)
    assert set(place.glob("rayexec-*/ray.lock")) - before == set()


@pytest.mark.long("starts Ray, and watches the clock")
@pytest.mark.alone
def test_a_start_of_ray_is_interrupted_at_once(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOB)
    ended, seconds = _interrupt(tmp_path, AT_PROCESS.format(name="raylet"))
    _check(ended, tmp_path)
    assert seconds < 3

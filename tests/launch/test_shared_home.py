"""Launched runs of several users of one home: each has notes and logs of his own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from strangers import STRANGER_UID, needs, open_to_all

import rayexec
from rayexec import EngineError
from rayexec.launch.notes import LaunchNote, find_note, launch_notes, note_directory

_BY_UID = "setpriv", f"--reuid={STRANGER_UID}", f"--regid={STRANGER_UID}", "--clear-groups"
# As ``job launch`` does it, whose driver is another process of this Python.
_LAUNCH = """
from rayexec.launch.notes import LaunchNote, log_path, note_directory

note_directory()
log_path("theirs").write_text("printed by one")
LaunchNote("theirs", 2.0, {}, log=str(log_path("theirs"))).write()
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that another user may write to, with a run that this one launched."""
    with open_to_all() as directory:
        home = directory / "home"
        home.mkdir()
        home.chmod(0o777)
        monkeypatch.setenv("RAYEXEC_HOME", str(home))
        LaunchNote("ours", 1.0, {}).write()
        yield home


def by_stranger(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as another user in the same home."""
    own = home.parent / "user"
    if not own.exists():
        own.mkdir()
        os.chown(own, STRANGER_UID, STRANGER_UID)
    package = Path(rayexec.__file__).parents[1]
    return subprocess.run(
        [*_BY_UID, sys.executable, *arguments],
        cwd=home.parent,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(own),
            "RAYEXEC_HOME": str(home),
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.long("three commands of another user, 2 s each")
def test_a_second_user_notes_launched_runs_in_the_home_of_the_first(home: Path) -> None:
    needs(*_BY_UID, sys.executable, "-c", "import rayexec")
    launched = by_stranger(home, "-c", _LAUNCH)
    assert launched.returncode == 0, launched.stderr
    directory = home / f"launched-{STRANGER_UID}"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name for path in directory.iterdir()} == {"theirs.json", "theirs.log"}
    for arguments, expected in ((["list"], "theirs"), (["logs", "theirs"], "printed by one")):
        ended = by_stranger(home, "-m", "rayexec", "run", *arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert expected in ended.stdout
        assert "ours" not in ended.stdout
    assert [note.run_id for note in launch_notes()] == ["ours"]


@pytest.mark.long("a command of another user, 2 s")
def test_a_home_that_is_closed_to_a_user_is_told_to_him(home: Path) -> None:
    needs(*_BY_UID, sys.executable, "-c", "import rayexec")
    home.chmod(0o755)
    (home.parent / "jobs.py").touch()
    ended = by_stranger(home, "-m", "rayexec", "job", "launch", "-f", "jobs.py")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "Set RAYEXEC_HOME to a directory where you may write" in ended.stderr


def test_each_user_has_notes_of_his_own(home: Path) -> None:
    needs(*_BY_UID)
    os.chown(home / "launched", STRANGER_UID, STRANGER_UID)
    assert find_note("ours") is None
    LaunchNote("mine", 1.0, {}).write()
    assert note_directory() == home / f"launched-{os.geteuid()}"
    assert find_note("mine") is not None
    (home / "launched").rename(home / "gone")
    assert find_note("mine") is not None  # his directory stays the same


def test_a_directory_that_others_made_in_both_places_is_not_used(home: Path) -> None:
    needs(*_BY_UID)
    trap = home / f"launched-{os.geteuid()}"
    trap.mkdir()
    for path in (home / "launched", trap):
        os.chown(path, STRANGER_UID, STRANGER_UID)
    with pytest.raises(EngineError, match=r"belongs to another user\. Set RAYEXEC_HOME"):
        LaunchNote("mine", 1.0, {}).write()
    assert list(trap.iterdir()) == []

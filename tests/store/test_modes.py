"""Modes of what a run leaves on this machine: nobody else reads it, unless a team shares it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec import job, op
from rayexec.launch.notes import LaunchNote
from rayexec.store import CancelRequest, DirectoryRunStore, RunRecord, default_store

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op(cache=True, code_version="1")
def cached() -> str:
    return "x" * 100_000


@op
def keep(text: str) -> str:
    print("printed")
    return text


@job(config=IN_PROCESS)
def keeping() -> None:
    keep(cached())


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """The user's habits, which give others too much."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(home: Path) -> dict[str, str]:
    """Return the modes of all files and directories in a home, by kind and with examples."""
    by_kind: dict[str, str] = {}
    for path in (home, *home.rglob("*")):
        status = path.lstat()
        kind = "directory" if stat.S_ISDIR(status.st_mode) else "file"
        by_kind.setdefault(f"{kind} {stat.S_IMODE(status.st_mode):04o}", str(path))
    return by_kind


def use(home: Path) -> None:
    """Leave one of each kind of file in a home."""
    assert keeping.execute(durable=True, run_id="r").success
    default_store().ask("r", CancelRequest())
    LaunchNote("r", 1.0, {}).write()


def test_what_a_run_leaves_is_of_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a" / "home"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    use(home)
    assert {path.name for path in home.iterdir()} >= {"runs", "cache", "launched"}
    assert list(home.rglob("*.values"))
    assert set(modes(home)) == {"directory 0700", "file 0600"}, modes(home)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1777])
def test_a_directory_that_is_open_already_holds_what_others_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    use(home)
    del (left := modes(home))[f"directory {mode:04o}"]
    assert set(left) == {"directory 0700", "file 0600"}, left


def test_a_store_of_a_team_lets_its_group_do_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o2770)
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    use(home)
    for name in ("runs", "cache"):
        assert set(modes(home / name)) == {"directory 2770", "file 0660"}, modes(home)
    # Passwords are in the environments of launched runs.
    assert set(modes(home / "launched")) == {"directory 2700", "file 0600"}


def test_the_directories_of_earlier_versions_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    for name in ("runs/old", "cache/ab"):
        (home / name).mkdir(parents=True)
        (home / name).chmod(0o755)
        (home / name).parent.chmod(0o755)
    DirectoryRunStore(home).create(RunRecord("r", "j")).close()
    for name in ("runs", "cache"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o700


def test_the_default_home_of_earlier_versions_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAYEXEC_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".rayexec"
    home.mkdir()
    home.chmod(0o755)
    use(home)
    assert set(modes(home)) == {"directory 0700", "file 0600"}, modes(home)

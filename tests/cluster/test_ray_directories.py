"""Directories for Ray: private, swept after a killed process, and short enough for sockets."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from strangers import STRANGER_UID, as_stranger

from rayexec.cluster import ray_directory
from rayexec.cluster.ray_directory import RayDirectory, make_private, sweep_directories

HOLDING = """
import sys
from pathlib import Path
from rayexec.cluster.ray_directory import RayDirectory
directory = RayDirectory()
Path(directory.for_ray, "session/logs").mkdir(parents=True)
print(directory.for_ray, flush=True)
sys.stdin.read()
"""

PRYING = """
import os, sys
path = sys.argv[1]
for pry in (
    lambda: os.listdir(path),
    lambda: os.rename(path, path + "-old"),
    lambda: os.rename(os.path.dirname(path), os.path.dirname(path) + "-old"),
):
    try:
        pry()
        print("done")
    except PermissionError:
        print("denied")
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a short directory for Ray's directories, open to all as ``/tmp`` is."""
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp") as name:
        os.chmod(name, 0o1777)
        monkeypatch.setenv("RAY_TMPDIR", name)
        yield Path(name)


def _hold() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDING]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_nobody_else_may_enter_what_is_around_a_ray(place: Path) -> None:
    directory = RayDirectory()
    os.mkdir(directory.for_ray, 0o777)
    os.chmod(directory.for_ray, 0o777)  # as Ray does
    assert Path(directory.for_ray).parent.stat().st_mode & 0o777 == 0o700
    assert as_stranger(PRYING, directory.for_ray).split() == ["denied"] * 3
    directory.remove()
    directory.remove()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_stays(place: Path) -> None:
    killed, living = _hold(), _hold()
    try:
        left, kept = (Path(_line(process)) for process in (killed, living))
        sweep_directories()
        assert left.exists()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        sweep_directories()
        assert not left.parent.exists()
        assert kept.exists()
    finally:
        for process in (killed, living):
            process.kill()
            process.communicate()


def test_a_sweep_leaves_what_is_no_leftover(place: Path) -> None:
    for name in ("rayexec-cluster", "rayexec-a", "other"):
        (place / name).mkdir()
    (place / "other/ray.lock").touch()
    (place / "rayexec-link").symlink_to(place / "other")
    stranger = place / "rayexec-stranger"
    stranger.mkdir()
    (stranger / "ray.lock").touch()
    os.chown(stranger, STRANGER_UID, STRANGER_UID)
    before = sorted(path.name for path in place.iterdir())
    sweep_directories()
    assert sorted(path.name for path in place.iterdir()) == before
    assert (stranger / "ray.lock").exists()


def test_a_leftover_without_all_its_parts_is_swept_later(place: Path) -> None:
    """A removal that ends half-way leaves the lock, by which the next one finds the rest."""
    directory = place / "rayexec-half"
    directory.mkdir()
    (directory / "ray.lock").touch()
    (directory / "ray").mkdir()
    (directory / "ray/file").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_directory, "_TRIES", 1)

        def fail(_: Path) -> None:
            raise OSError("busy")

        patch.setattr(shutil, "rmtree", fail)
        sweep_directories()
    assert (directory / "ray.lock").exists()
    sweep_directories()
    assert not directory.exists()


def test_a_directory_that_is_swept_as_it_is_made_is_made_again(place: Path) -> None:
    made: list[int] = []
    lock = fcntl.flock

    def sweep_first(file: int, how: int) -> None:
        if not made:
            made.append(file)
            (only,) = place.iterdir()
            (only / "ray.lock").unlink()
            only.rmdir()
        lock(file, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", sweep_first)
        directory = RayDirectory()
    assert made
    assert Path(directory.for_ray).parent.exists()
    directory.remove()


def test_a_forked_child_removes_nothing(place: Path) -> None:
    directory = RayDirectory()
    pid = os.fork()
    if not pid:
        directory.remove()
        os._exit(0)
    os.waitpid(pid, 0)
    assert Path(directory.for_ray).parent.exists()
    directory.remove()


@pytest.mark.parametrize("length", [20, 43, 44, 90, 150])
def test_paths_of_sockets_are_never_too_long(
    place: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    long = place / ("d" * (length - len(str(place)) - 1))
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    directory = RayDirectory()
    socket = f"/session_2026-01-01_00-00-00_000000_{2**22}/sockets/plasma_store"
    assert len(directory.for_ray + socket) <= 107
    made = Path(os.path.realpath(directory.for_ray)).parent
    assert made.is_relative_to(long)
    assert made.stat().st_mode & 0o777 == 0o700
    front = Path(directory.for_ray).parent.parent
    directory.remove()
    assert list(long.iterdir()) == []
    assert front == long or not front.exists()
    cluster = make_private("node-10")
    assert len(f"{cluster}/node-10{socket}") <= 107
    ray_directory.remove_private(cluster)
    assert list(long.iterdir()) == []

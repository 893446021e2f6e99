"""Mark of a Ray that rayexec started: valid for that Ray alone, and only from this user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rayexec.cluster.ray_mark import has_mark, write_mark

ADDRESS = "127.0.0.1:6379"


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Return the session of a marked Ray whose only process is this one."""
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    made = directory / "node-1" / "session_1"
    made.mkdir(parents=True)
    write_mark(str(directory), ADDRESS, [os.getpid()])
    return made


def mark_of(session: Path) -> Path:
    return session.parents[1] / "ray.json"


def test_a_mark_holds_for_its_ray(session: Path) -> None:
    assert has_mark(str(session), ADDRESS)
    assert mark_of(session).stat().st_mode & 0o777 == 0o600


def test_a_mark_holds_through_the_link_of_a_long_path(session: Path, tmp_path: Path) -> None:
    link = tmp_path / "far"
    link.symlink_to(session.parents[1])
    assert has_mark(str(link / "node-1" / "session_1"), ADDRESS)


def test_another_ray_does_not_pass_for_it(session: Path) -> None:
    assert not has_mark(str(session), "127.0.0.1:6380")


def test_a_mark_ends_with_its_processes(session: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        write_mark(str(session.parents[1]), ADDRESS, [os.getpid(), child.pid])
        assert has_mark(str(session), ADDRESS)
    assert not has_mark(str(session), ADDRESS)


@pytest.mark.parametrize("field", ["host", "started"])
def test_a_later_process_of_the_pid_does_not_count(session: Path, field: str) -> None:
    document = json.loads(mark_of(session).read_text())
    document["processes"][0][field] = "another"
    mark_of(session).write_text(json.dumps(document))
    assert not has_mark(str(session), ADDRESS)


def test_what_others_may_write_is_no_mark(session: Path) -> None:
    mark_of(session).chmod(0o622)
    assert not has_mark(str(session), ADDRESS)
    mark_of(session).chmod(0o600)
    session.parents[1].chmod(0o755)
    assert not has_mark(str(session), ADDRESS)


def test_a_link_is_no_mark(session: Path, tmp_path: Path) -> None:
    mark_of(session).rename(tmp_path / "elsewhere.json")
    mark_of(session).symlink_to(tmp_path / "elsewhere.json")
    assert not has_mark(str(session), ADDRESS)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"address": "127.0.0.1:6379", "processes": []}'])
def test_a_damaged_mark_is_none(session: Path, text: str) -> None:
    mark_of(session).write_text(text)
    assert not has_mark(str(session), ADDRESS)


def test_no_directory_is_made_for_a_missing_one(tmp_path: Path) -> None:
    assert not has_mark(str(tmp_path / "a" / "node-1" / "session"), ADDRESS)
    assert not list(tmp_path.iterdir())

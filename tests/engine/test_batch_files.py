"""Files of a batch in directories that strangers share."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from strangers import STRANGER_UID, as_stranger, open_to_all

from rayexec.engine.ray.protocol import batch_files
from rayexec.engine.ray.protocol.batch_files import (
    JOURNAL_PREFIX,
    find_file,
    journal_path,
    memory_directory,
    new_file,
    own_directories,
)
from rayexec.engine.ray.protocol.remains import collect_remnants, kill_holders
from rayexec.engine.ray.worker.capture import Capture
from rayexec.engine.ray.worker.journal import Journal

NAME = f"{JOURNAL_PREFIX}7.abcd-run-1"
HOLDS = """
import os, sys, time
file = os.open(sys.argv[1], int(sys.argv[2]))
print("has it", flush=True)
time.sleep(60)
"""


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for all users in the place of /dev/shm and /tmp."""
    with open_to_all() as made:
        monkeypatch.setattr(batch_files, "_MEMORY", str(made))
        monkeypatch.setattr(batch_files, "_DISK", str(made))
        yield made


def mode_of(path: str | Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_files_of_a_batch_lie_where_no_other_user_may_look(shared: Path) -> None:
    path = journal_path(NAME)
    with Capture(batch_files.capture_path(NAME)), Journal(path, b"key"):
        assert Path(path).parent == shared / f"rayexec-{os.geteuid()}"
        assert mode_of(Path(path).parent) == 0o700
        for name in (NAME, f"{NAME}.stdout", f"{NAME}.stderr"):
            file = find_file(name)
            assert file is not None
            assert mode_of(file) == 0o600
        seen = as_stranger(
            "import os, sys\n"
            "try: print(os.listdir(sys.argv[1]))\n"
            "except PermissionError: print('refused')",
            Path(path).parent,
        )
        assert seen == "refused\n"


@pytest.mark.parametrize("planted", ["directory", "link", "file"])
def test_who_has_the_name_of_the_directory_first_stops_no_batch(
    shared: Path, planted: str, tmp_path: Path
) -> None:
    code = {
        "directory": "os.mkdir(p); os.chmod(p, 0o777); open(p + '/' + sys.argv[2], 'w').write('x')",
        "link": "os.symlink('/root', p)",
        "file": "open(p, 'w').close()",
    }[planted]
    name = f"rayexec-{os.geteuid()}"
    as_stranger(f"import os, sys\np = sys.argv[1]\n{code}", shared / name, NAME)
    directory = memory_directory()
    assert directory.startswith(f"{shared}/{name}-")
    assert mode_of(directory) == 0o700
    assert memory_directory() == directory, "each process makes one of its own"
    assert Path(directory) in own_directories()
    assert shared / name not in own_directories()
    assert find_file(NAME) is None
    with Journal(journal_path(NAME), b"key"):
        assert find_file(NAME) == journal_path(NAME)


def test_a_directory_that_only_looks_like_ours_is_never_used(shared: Path) -> None:
    name = f"rayexec-{os.geteuid()}"
    as_stranger(
        "import os, sys\nfor p in sys.argv[1:]: os.mkdir(p, 0o700)",
        shared / name,
        shared / f"{name}-0000",
    )
    assert os.lstat(memory_directory()).st_uid == os.geteuid()


def test_a_journal_that_is_a_link_or_a_stranger_s_is_not_read(shared: Path) -> None:
    path = Path(journal_path(NAME))
    elsewhere = shared / "elsewhere"
    with Journal(str(elsewhere), b"key") as journal:
        journal.finished(b"entry")
        path.symlink_to(elsewhere)
        assert collect_remnants(NAME) is None
        path.unlink()
        path.write_bytes(elsewhere.read_bytes())
        os.chown(path, STRANGER_UID, STRANGER_UID)
        assert collect_remnants(NAME) is None
        os.chown(path, os.geteuid(), -1)
        remnants = collect_remnants(NAME)
        assert remnants is not None
        assert remnants.journal == elsewhere.read_bytes()
        assert not path.exists()


def test_a_new_file_writes_through_no_link(shared: Path) -> None:
    target = shared / "target"
    target.write_text("text")
    path = journal_path(NAME)
    Path(path).symlink_to(target)
    file = new_file(path, os.O_RDWR)
    os.write(file, b"journal")
    os.close(file)
    assert target.read_text() == "text"
    assert not Path(path).is_symlink()


class Holder:
    """A process that has a file open."""

    def __init__(self, path: str | Path, flags: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(path), str(flags)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "has it\n"

    def is_killed(self) -> bool:
        """Tell whether it is dead, and end it."""
        is_dead = True
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            is_dead = False
        self._process.kill()
        self._process.communicate()
        return is_dead


def test_a_kill_by_force_meets_writers_of_the_very_file_only(shared: Path) -> None:
    path = Path(journal_path(NAME))
    path.touch(0o600)
    elsewhere = shared / "elsewhere"
    elsewhere.mkdir()
    same_name = elsewhere / NAME
    same_name.touch()
    writer = Holder(path, os.O_RDWR)
    reader = Holder(path, os.O_RDONLY)
    bystander = Holder(same_name, os.O_RDWR)
    kill_holders([NAME])
    assert writer.is_killed()
    assert not reader.is_killed()
    assert not bystander.is_killed()


def test_a_kill_by_force_follows_no_link(shared: Path) -> None:
    target = shared / "target"
    target.touch()
    Path(journal_path(NAME)).symlink_to(target)
    bystander = Holder(target, os.O_RDWR)
    kill_holders([NAME])
    assert not bystander.is_killed()


def test_a_kill_by_force_meets_those_who_have_a_removed_file(shared: Path) -> None:
    path = Path(journal_path(NAME))
    printed = path.with_name(f"{NAME}.stdout")
    printed.touch(0o600)
    left = Holder(printed, os.O_WRONLY)
    printed.unlink()
    kill_holders([NAME])
    assert left.is_killed()

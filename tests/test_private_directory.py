"""Directories and files that other users can neither plant nor enter."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from strangers import STRANGER_UID, as_stranger, open_to_all

from rayexec.private_directory import (
    StrangerError,
    open_private,
    out_of_reach,
    owned_by_me,
    private_directory,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_missing_directory_is_made_for_this_user_alone_and_so_are_its_parents(
    tmp_path: Path,
) -> None:
    former = os.umask(0)
    try:
        made = private_directory(tmp_path / "outer" / "inner")
    finally:
        os.umask(former)
    assert made == tmp_path / "outer" / "inner"
    assert mode_of(made) == mode_of(made.parent) == 0o700
    assert private_directory(str(made)) == made


def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    open_one = tmp_path / "open"
    open_one.mkdir()
    for mode in (0o755, 0o710, 0o701, 0o770, 0o1777):
        open_one.chmod(mode)
        with pytest.raises(StrangerError, match=rf"open to other users \(mode {mode:04o}\)"):
            private_directory(open_one)
    open_one.chmod(0o700)
    assert private_directory(open_one) == open_one


def test_a_link_and_a_file_are_refused(tmp_path: Path) -> None:
    private_directory(tmp_path / "own")
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name, kind in (("link", "a link"), ("dangling", "a link"), ("file", "no directory")):
        with pytest.raises(StrangerError, match=kind) as refused:
            private_directory(tmp_path / name)
        assert refused.value.filename == str(tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_of_another_user_is_refused() -> None:
    with open_to_all() as shared:
        as_stranger("import os, sys; os.mkdir(sys.argv[1], 0o700)", shared / "theirs")
        with pytest.raises(StrangerError, match=f"another user .uid {STRANGER_UID}"):
            private_directory(shared / "theirs")


def test_a_file_is_of_this_user_alone_and_no_child_inherits_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    former = os.umask(0)
    try:
        file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    finally:
        os.umask(former)
    assert mode_of(path) == 0o600
    assert not os.get_inheritable(file)
    os.write(file, b"text")
    os.close(file)
    with pytest.raises(FileExistsError):
        open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    file = open_private(path, os.O_WRONLY | os.O_TRUNC)
    assert os.fstat(file).st_size == 0
    assert owned_by_me(os.fstat(file))
    os.close(file)


def test_a_link_a_directory_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("text")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic links"):
        open_private(tmp_path / "link", os.O_WRONLY | os.O_TRUNC)
    for name in ("directory", "pipe"):
        with pytest.raises(StrangerError, match="no regular file"):
            open_private(tmp_path / name, os.O_RDONLY)
    assert target.read_text() == "text"


def test_a_file_of_another_user_is_neither_read_nor_emptied() -> None:
    with open_to_all() as shared:
        shared.chmod(0o777)  # a sticky one may refuse by itself, by fs.protected_regular
        theirs = shared / "theirs"
        as_stranger("import sys; open(sys.argv[1], 'w').write('planted')", theirs)
        theirs.chmod(0o666)
        for flags in (os.O_RDONLY, os.O_RDWR | os.O_TRUNC, os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            with pytest.raises(StrangerError, match=f"another user .uid {STRANGER_UID}"):
                open_private(theirs, flags)
        assert theirs.read_text() == "planted"


def test_a_path_is_out_of_reach_where_nobody_else_may_rename_what_leads_there() -> None:
    with open_to_all() as shared:
        assert out_of_reach(shared / "mine"), "a sticky directory protects each owner's names"
        between = shared / "between"
        between.mkdir()
        for mode, is_safe in ((0o700, True), (0o755, True), (0o775, False), (0o777, False)):
            between.chmod(mode)
            assert out_of_reach(between / "mine") is is_safe, oct(mode)
        below = between / "below"
        below.mkdir()
        below.chmod(0o755)
        assert not out_of_reach(below / "mine"), "all of below may be renamed away"
        between.chmod(0o700)
        below.chmod(0o777)
        assert out_of_reach(below / "mine"), "nobody else comes there"
        shared.chmod(0o777)
        assert not out_of_reach(below / "mine"), "the private directory itself may be renamed"
        shared.chmod(0o1777)
        (shared / "link").symlink_to(below)
        assert out_of_reach(shared / "link" / "mine")
        as_stranger("import os, sys; os.mkdir(sys.argv[1], 0o755)", shared / "theirs")
        assert not out_of_reach(shared / "theirs" / "mine")

"""Sources on a node: what counts as the same, and how copies come and go."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray._private import worker
from strangers import STRANGER_UID, open_to_all

from rayexec.definitions.sources import SourceFile, SourceRoot, Sources, content_digest
from rayexec.engine.ray.worker import unpacking

CONTENT = b"X = 1\n"
MOMENT = 1_700_000_000_123_456_789


def sources(root: Path, changed: int = MOMENT) -> Sources:
    file = SourceFile(len(CONTENT), changed, content_digest(CONTENT))
    files = {"a.py": file, "own/b.py": file}
    return Sources(
        (SourceRoot(str(root), True, files),), zlib.compress(CONTENT * 2), frozenset(), "digest"
    )


def test_a_copy_is_made_once_and_again_where_it_was_broken(tmp_path: Path) -> None:
    wanted = sources(Path("/nowhere"))
    made = Path(unpacking._unpacked(wanted, wanted.contents, str(tmp_path)))
    assert (made / "0/own/b.py").read_bytes() == CONTENT
    assert unpacking._unpacked(wanted, b"not read", str(tmp_path)) == str(made)
    (made / "0/a.py").unlink()
    other = Path(unpacking._unpacked(wanted, wanted.contents, str(tmp_path)))
    assert other != made
    assert (other / "0/a.py").read_bytes() == CONTENT
    assert not list(tmp_path.glob("making-*"))


def test_what_was_not_used_for_long_is_removed(tmp_path: Path) -> None:
    for name in ("old", "young"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "old", (0, 0))
    unpacking._unpacked(sources(Path("/nowhere")), zlib.compress(CONTENT * 2), str(tmp_path))
    assert {each.name for each in tmp_path.iterdir()} == {"young", "digest"}


@pytest.mark.parametrize("changed", [MOMENT, MOMENT - MOMENT % 1_000_000_000])
def test_the_same_time_tells_only_where_nobody_has_set_it(tmp_path: Path, changed: int) -> None:
    (root,) = sources(tmp_path, changed).roots
    (tmp_path / "own").mkdir()
    for name, content in (("a.py", CONTENT), ("own/b.py", CONTENT.replace(b"1", b"2"))):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(changed, changed))
    assert unpacking._is_here(root, str(tmp_path)) == bool(changed % 1_000_000_000)
    os.utime(tmp_path / "own/b.py", ns=(changed + 1, changed + 1))
    assert not unpacking._is_here(root, str(tmp_path))


def test_what_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    wanted = sources(Path("/nowhere"))
    file = wanted.roots[0].files["a.py"]
    root = wanted.roots[0]._replace(files={"a.py": file, "a.py/b.py": file})
    with pytest.raises(OSError, match="exists"):
        unpacking._unpacked(wanted._replace(roots=(root,)), wanted.contents, str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.getuid() != 0, reason="gives a directory to another user")
def test_code_is_never_unpacked_where_others_may_put_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"rayexec-code-{os.getuid()}"
    with open_to_all() as place:
        session, temporary = place / "session", place / "tmp"
        session.mkdir()
        temporary.mkdir()
        node = SimpleNamespace(get_session_dir_path=lambda: str(session))
        monkeypatch.setattr(worker, "_global_node", node)
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        assert unpacking._parent() == str(session / name)
        session.chmod(0o777)  # as Ray makes it; no sticky bit, so that anybody may rename ours
        assert unpacking._parent() == str(temporary / name)
        os.chown(temporary / name, STRANGER_UID, STRANGER_UID)
        made = Path(unpacking._parent())
        assert made.parent == temporary
        assert made.name != name
        assert made.stat().st_mode & 0o777 == 0o700
        os.chown(place, 0, 0)
        place.chmod(0o700)  # a private directory around it, as rayexec makes one
        assert unpacking._parent() == str(session / name)

"""Values and cached outputs that other users could have written: refused, but for listed users."""

from __future__ import annotations

import os
import pickle
import pwd
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strangers import (
    STRANGER_UID,
    MakesDirectory,
    as_stranger,
    by_all,
    by_group,
    by_sticky,
    needs,
    of_stranger,
    open_to_all,
)

from rayexec import ReexecutionOptions, StoreError, job, op
from rayexec.config.file_owners import TRUSTED_OWNERS, trusted_owners
from rayexec.store import DirectoryRunStore, is_own

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {"durable": True}}}}
MENDED: list[bool] = []
CALLS: list[str] = []


@op(cache=True, code_version="1")
def cached() -> str:
    CALLS.append("cached")
    return "from the op"


@op
def fails(text: str) -> str:
    if not MENDED:
        raise ValueError("not yet")
    return text


@job(config=IN_PROCESS)
def failing() -> None:
    fails(cached())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store with a failed run, one stored value and one cached output."""
    monkeypatch.delenv(TRUSTED_OWNERS, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    home = tmp_path / "home"
    assert not failing.execute(store=home, run_id="r").success
    MENDED.append(True)
    CALLS.clear()
    yield home
    MENDED.clear()


def resume(home: Path) -> None:
    """Resume the run with its stored value."""
    options = ReexecutionOptions.from_failure("r", is_forced=True)
    result = failing.execute(store=home, reexecution_options=options)
    assert result.success
    assert CALLS == []


def files(home: Path, kind: str) -> tuple[Path, ...]:
    """Return a file of a kind and the directories above it, up to the home."""
    pattern = {"value": "runs/r/values/*.values", "cache": "cache/??/*"}[kind]
    [file] = home.glob(pattern)
    above = [path for path in file.parents if path.is_relative_to(home)]
    return (file, *above)


OPENINGS = (of_stranger, by_all, by_sticky, by_group)


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("opened", OPENINGS)
def test_a_value_that_others_could_have_written_is_refused(
    home: Path, opened: Any, level: int
) -> None:
    opened(files(home, "value")[level])
    with pytest.raises(
        StoreError, match=rf"(?s)({files(home, 'value')[level]}) .*{TRUSTED_OWNERS}"
    ):
        resume(home)


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("opened", OPENINGS)
def test_a_cached_output_that_others_could_have_written_is_not_used(
    home: Path, opened: Any, level: int
) -> None:
    opened(files(home, "cache")[level])
    result = failing.execute(store=home)
    assert result.success
    assert CALLS == ["cached"]
    warnings = [event.message for event in result.all_events if "cannot be used" in event.message]
    assert len(warnings) == 1
    assert TRUSTED_OWNERS in warnings[0]


def test_a_link_or_a_pipe_is_no_value(home: Path) -> None:
    file = files(home, "value")[0]
    kept = file.rename(home / "kept")
    file.symlink_to(kept)
    with pytest.raises(StoreError):
        resume(home)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StoreError, match="no regular file"):
        resume(home)


def test_one_s_own_store_is_used(home: Path) -> None:
    resume(home)
    assert failing.execute(store=home).success
    assert CALLS == []


def make_team(home: Path) -> None:
    """Have another user write all of the store, and its group too."""
    needs("setpriv", f"--reuid={STRANGER_UID}", "--clear-groups")
    for path in (home, *home.rglob("*")):
        os.chown(path, STRANGER_UID, 54321)
        path.chmod(0o2770 if path.is_dir() else 0o660)


def test_a_team_uses_one_another_s_values_and_cached_outputs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_team(home)
    with pytest.raises(StoreError, match=f"uid {STRANGER_UID}"):
        resume(home)
    monkeypatch.setenv(TRUSTED_OWNERS, f"root, {STRANGER_UID}")
    resume(home)
    assert failing.execute(store=home).success
    assert CALLS == []
    for path in home.glob("runs/*/events"):  # The other user has the same rights in new runs.
        assert stat.S_IMODE(path.stat().st_mode) & 0o070 == 0o070
    by_all(files(home, "value")[0])
    with pytest.raises(StoreError, match="may be changed by other users"):
        resume(home)


def test_a_group_has_the_users_too_whose_own_group_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry of a group does not list those, and a team may name such a group."""
    [user] = pwd.getpwall()[1:2]
    assert user.pw_uid not in (0, os.geteuid())
    make_team(home)
    monkeypatch.setenv(TRUSTED_OWNERS, f"{STRANGER_UID}")
    resume(home)
    os.chown(files(home, "value")[0], STRANGER_UID, user.pw_gid)
    with pytest.raises(StoreError, match="may be changed by other users of group"):
        resume(home)
    monkeypatch.setenv(TRUSTED_OWNERS, f"{STRANGER_UID},{user.pw_uid}")
    resume(home)


_WRITERS = {"user": (0x02, STRANGER_UID), "group": (0x08, 54321)}


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("kind", _WRITERS)
def test_an_access_control_list_opens_a_value_to_others(home: Path, kind: str, level: int) -> None:
    """Its mode looks as if only the user's own group could write."""
    path = files(home, "value")[level]
    tag, name = _WRITERS[kind]
    nobody = 0xFFFFFFFF
    entries = ((1, 7, nobody), (tag, 7, name), (4, 0, nobody), (16, 7, nobody), (32, 0, nobody))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"there are no access control lists here: {error}")
    with pytest.raises(StoreError, match="access control list"):
        resume(home)


def test_the_list_may_be_a_file_of_the_user_and_never_one_of_the_store(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_team(home)
    (home / "trusted_owners").write_text(f"{STRANGER_UID}\n")
    (home / ".config/rayexec").mkdir(parents=True)
    (home / ".config/rayexec/trusted_owners").write_text(f"{STRANGER_UID}\n")
    with pytest.raises(StoreError, match=f"uid {STRANGER_UID}"):
        resume(home)
    listed = Path(os.environ["HOME"]) / ".config/rayexec/trusted_owners"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"# the team\nroot\n{STRANGER_UID}  # ann\n")
    resume(home)
    listed.chmod(0o666)
    with pytest.raises(StoreError, match="trusted_owners may be changed by other users"):
        resume(home)
    listed.chmod(0o600)
    os.chown(listed, STRANGER_UID, -1)
    with pytest.raises(StoreError, match="belongs to another user"):
        resume(home)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "nowhere"))
    assert trusted_owners().uids == {os.geteuid()}


def test_an_unknown_name_on_the_list_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED_OWNERS, "root,nobody-of-that-name")
    with pytest.raises(StoreError, match="lists 'nobody-of-that-name'"):
        trusted_owners()


_PLANT = """
import os, shutil, sys
home, content = sys.argv[1:]
for path in (home + "/runs/r/values", home + "/cache"):
    os.makedirs(path, exist_ok=True)
with open(home + "/runs/r/values/9999999999999999-ffffffffffff-000000.values", "wb") as file:
    file.write(bytes.fromhex(content))
print(os.getuid())
"""


def test_a_pickle_that_a_stranger_planted_in_a_store_open_to_all_never_runs(home: Path) -> None:
    with open_to_all() as shared:
        store = DirectoryRunStore(shared)
        MENDED.clear()
        assert not failing.execute(store=shared, run_id="r").success
        MENDED.append(True)
        for path in (shared / "runs", shared / "runs/r", shared / "runs/r/values"):
            path.chmod(0o777)
        # A frame as the stranger would write it: that of a value, with another pickle in it.
        evil = DirectoryRunStore(home)
        writer = evil.values("r").writer()
        [outputs] = {step.outputs for step in evil.values("r").committed().values()}
        writer.commit(
            "cached", 1, outputs, {"result": pickle.dumps(MakesDirectory(shared / "pwned"))}
        )
        writer.close()
        content = max(home.glob("runs/r/values/*")).read_bytes()
        assert as_stranger(_PLANT, shared, content.hex()).strip() == str(STRANGER_UID)
        CALLS.clear()
        with pytest.raises(StoreError, match=TRUSTED_OWNERS):
            resume(shared)
        assert not (shared / "pwned").exists()
        reader = store.open("r")
        assert not is_own(reader, reader.record())

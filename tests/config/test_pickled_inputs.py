"""Pickles that run config names for inputs, where other users could have written them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strangers import STRANGER_UID, MakesDirectory, as_stranger, needs, open_to_all

from rayexec import ConfigError, ReexecutionOptions, job, op
from rayexec.config.file_owners import TRUSTED_OWNERS

_PLANT = """
import sys
with open(sys.argv[1], "wb") as file:
    file.write(bytes.fromhex(sys.argv[2]))
"""


@op
def take(given: Any) -> Any:
    return given


@job(config={"execution": {"config": {"in_process": {}}}})
def taking() -> None:
    take()


def config(path: Path) -> dict[str, Any]:
    return {"ops": {"take": {"inputs": {"given": {"pickle": {"path": str(path)}}}}}}


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory like /tmp, and an empty list of trusted owners."""
    monkeypatch.delenv(TRUSTED_OWNERS, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with open_to_all() as directory:
        yield directory


def test_a_pickle_that_a_stranger_wrote_never_runs(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = pickle.dumps(MakesDirectory(shared / "pwned")).hex()
    as_stranger(_PLANT, shared / "evil", evil)
    link = shared / "link"
    link.symlink_to(shared / "evil")
    for path in (shared / "evil", link):
        with pytest.raises(ConfigError, match=rf"(?s)evil belongs to .*{TRUSTED_OWNERS}"):
            taking.execute(config(path), store=False)
    assert not (shared / "pwned").exists()
    as_stranger(_PLANT, shared / "good", pickle.dumps(3).hex())
    monkeypatch.setenv(TRUSTED_OWNERS, str(STRANGER_UID))
    assert taking.execute(config(shared / "good"), store=False).output_for_node("take") == 3


def test_the_config_of_others_runs_no_pickle_of_theirs(shared: Path, tmp_path: Path) -> None:
    file = shared / "value"
    file.write_bytes(pickle.dumps(3))
    assert taking.execute(config(file), store=tmp_path, run_id="r").success
    file.unlink()
    evil = pickle.dumps(MakesDirectory(shared / "pwned")).hex()
    as_stranger(_PLANT, file, evil)
    with pytest.raises(ConfigError, match="value belongs to another user"):
        taking.execute(store=tmp_path, reexecution_options=ReexecutionOptions("r", ("take",)))
    assert not (shared / "pwned").exists()


@pytest.mark.parametrize("mode", [0o602, 0o666])
def test_a_pickle_that_others_may_change_is_refused(shared: Path, mode: int) -> None:
    file = shared / "value"
    file.write_bytes(pickle.dumps(3))
    file.chmod(mode)
    with pytest.raises(ConfigError, match="may be changed by other users"):
        taking.execute(config(file), store=False)


def test_what_the_user_and_the_administrator_own_is_read(shared: Path) -> None:
    needs("setpriv", "--reuid=20002", "--clear-groups")
    file, link = shared / "value", shared / "link"
    link.symlink_to("value")
    file.write_bytes(pickle.dumps(3))
    file.chmod(0o644)
    assert taking.execute(config(link), store=False).output_for_node("take") == 3
    os.seteuid(STRANGER_UID)
    try:
        assert taking.execute(config(link), store=False).output_for_node("take") == 3
    finally:
        os.seteuid(0)


def test_a_bad_list_of_owners_and_what_is_no_file_are_told(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(shared / "pipe")
    for path, message in ((shared, "Is a directory"), (shared / "pipe", "no regular file")):
        with pytest.raises(ConfigError, match=message):
            taking.execute(config(path), store=False)
    with pytest.raises(ConfigError, match=r"cannot read .*No such file"):
        taking.execute(config(shared / "nothing"), store=False)
    monkeypatch.setenv(TRUSTED_OWNERS, "nobody-of-that-name")
    with pytest.raises(ConfigError, match="lists 'nobody-of-that-name'"):
        taking.execute(config(shared / "pipe"), store=False)

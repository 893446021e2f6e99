"""Ids of runs at the door of every store: nothing else than a run has a name there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from store_kinds import KINDS, make_store
from typer.testing import CliRunner

from rayexec import RunNotFoundError, StoreError
from rayexec.cli.main import app
from rayexec.launch.notes import LaunchNote, find_note, find_note_by_prefix, note_directory
from rayexec.store import CancelRequest, DirectoryRunStore, RunRecord, RunStore

NO_IDS = (
    "",
    ".",
    "..",
    "../..",
    "a/..",
    "a/b",
    "/",
    "/etc",
    "-a",
    "_a",
    "a\n",
    "a\x00",
    "a b",
    "a\\b",
    "~",
    "*",
    "\x1b[2J",
    "a" * 129,
)
VERBS = ("show", "events", "logs", "wait", "cancel", "delete", "resume")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A run store of each kind, with one run."""
    store = make_store(request.param, tmp_path)
    store.create(RunRecord("a", "j")).close()
    return store


@pytest.mark.parametrize("wrong", NO_IDS)
def test_what_is_no_id_names_no_run_in_any_store(store: RunStore, wrong: str) -> None:
    for look_up in (store.open, store.delete, lambda name: store.ask(name, CancelRequest())):
        with pytest.raises(RunNotFoundError, match="has no run"):
            look_up(wrong)
    with pytest.raises(StoreError, match="is not a valid run id"):
        store.values(wrong)
    with pytest.raises(StoreError, match="is not a valid run id"):
        store.create(RunRecord(wrong, "j"))
    assert [record.run_id for record in store.list()] == ["a"]


def planted(home: Path) -> Path:
    """Return a store in a directory with a run.json of its own, which is that of no run."""
    DirectoryRunStore(home).create(RunRecord("good", "j", start_time=1.0)).close()
    record = {"schema_version": 2, "run_id": "..", "job_name": "j", "start_time": 1.0}
    for directory in (home, home / "runs"):
        (directory / "run.json").write_text(json.dumps(record))
    return home


@pytest.mark.parametrize("wrong", ["..", ".", "../..", "{home}", "{home}/runs/good", "runs/good"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_command_takes_a_path_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, wrong: str
) -> None:
    home = planted(tmp_path / "home")
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    force = ["--force"] if verb in ("cancel", "delete", "resume") else []
    given = wrong.format(home=home)
    ended = CliRunner().invoke(app, ["run", verb, *force, "--", given])
    assert (ended.exit_code, ended.stdout) == (2, ""), ended
    assert "has no run" in ended.stderr
    assert {path.name for path in home.iterdir()} == {"run.json", "runs"}
    assert (home / "runs/good/run.json").exists()


def test_a_directory_without_the_name_of_a_run_is_not_listed(tmp_path: Path) -> None:
    store = DirectoryRunStore(planted(tmp_path / "home"))
    for name in ("-rf", "_x", ".hidden", "a b", "a\n", "\x1b[2J"):
        odd = tmp_path / "home/runs" / name
        odd.mkdir()
        (odd / "run.json").write_bytes((tmp_path / "home/runs/good/run.json").read_bytes())
    assert [record.run_id for record in store.list()] == ["good"]


def test_a_link_is_no_run_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    home, elsewhere = planted(tmp_path / "home"), planted(tmp_path / "elsewhere")
    os.symlink(elsewhere / "runs/good", home / "runs/linked")
    store = DirectoryRunStore(home)
    assert [record.run_id for record in store.list()] == ["good"]
    for look_up in (store.open, store.delete):
        with pytest.raises(RunNotFoundError):
            look_up("linked")
    os.symlink(elsewhere, home / "runs/good/link out")
    store.delete("good")
    assert (elsewhere / "runs/good/run.json").exists()


def test_a_record_of_another_id_is_unreadable(tmp_path: Path) -> None:
    store = DirectoryRunStore(planted(tmp_path / "home"))
    path = tmp_path / "home/runs/good/run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": "other"}))
    [listed] = store.list()
    assert (listed.run_id, listed.status) == ("good", "UNREADABLE")
    with pytest.raises(StoreError, match="it is of another run, 'other'"):
        store.open("good").record()


@pytest.mark.parametrize("wrong", NO_IDS)
def test_what_is_no_id_has_no_note_of_a_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    LaunchNote("good", 1.0, {}).write()
    (tmp_path / "home/x.json").write_text((note_directory() / "good.json").read_text())
    assert find_note("good") is not None
    assert find_note(wrong) is None
    assert find_note_by_prefix(wrong) is None
    assert find_note("../x") is None


def test_a_note_that_another_user_may_write_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    for name in ("good", "open", "strange", "odd"):
        LaunchNote(name, 1.0, {}).write()
    directory = note_directory()
    (directory / "open.json").chmod(0o622)
    if os.geteuid() == 0:
        os.chown(directory / "strange.json", 20002, 20002)
    else:
        (directory / "strange.json").chmod(0o602)
    (directory / "odd.json").write_text((directory / "good.json").read_text())
    assert {name for name in ("good", "open", "strange", "odd") if find_note(name)} == {"good"}

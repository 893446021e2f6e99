"""Contract of every run store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from store_kinds import KINDS, make_store

from rayexec import RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import CancelRequest, DirectoryRunStore, RunRecord, RunStore

RECORD = RunRecord(
    "abc-1",
    "daily",
    start_time=100.0,
    tags={"team": "a"},
    run_config={"ops": {"load": {"config": {"n": [1, None, "ü"]}}}},
    op_selection=("load+",),
    versions={"python": "3.11"},
    origin={"file": "/x.py"},
    driver=ProcessIdentity("host", 12, "boot:1"),
)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A run store of each kind."""
    return make_store(request.param, tmp_path)


def test_a_record_comes_back_as_it_was(store: RunStore) -> None:
    store.create(RECORD).close()
    assert store.open("abc-1").record() == RECORD


def test_an_update_takes_the_place_of_the_record(store: RunStore) -> None:
    writer = store.create(RECORD)
    ended = replace(RECORD, status=RunStatus.SUCCESS, end_time=101.5, steps={"succeeded": 3})
    writer.update(ended)
    writer.close()
    assert store.open("abc-1").record() == ended
    assert store.list() == [ended]


def test_a_log_is_read_in_the_order_of_its_appends_while_it_grows(store: RunStore) -> None:
    writer = store.create(RECORD)
    reader = store.open("abc-1")
    assert b"".join(reader.log()) == b""
    writer.append(b"one,")
    assert b"".join(reader.log()) == b"one,"
    for number in range(12):
        writer.append(b"%d," % number)
    writer.close()
    assert b"".join(reader.log()) == b"one,0,1,2,3,4,5,6,7,8,9,10,11,"


def test_a_log_is_read_on_from_any_byte(store: RunStore) -> None:
    writer, reader = store.create(RECORD), store.open("abc-1")
    whole = b""
    for part in (b"one,", b"", b"two,", b"three,"):
        writer.append(part)
        whole += part
        for start in range(len(whole) + 2):
            assert b"".join(reader.log(start)) == whole[start:]
    writer.close()


def test_runs_are_listed_newest_first(store: RunStore) -> None:
    assert store.list() == []
    for number, moment in enumerate((2.0, 3.0, 1.0)):
        store.create(RunRecord(f"r{number}", "j", start_time=moment)).close()
    assert [each.run_id for each in store.list()] == ["r1", "r0", "r2"]


def test_the_beginning_of_an_id_is_enough_where_it_is_unique(store: RunStore) -> None:
    for run_id in ("abc-1", "abd-2", "ab"):
        store.create(RunRecord(run_id, "j")).close()
    assert store.open("abc").run_id == "abc-1"
    assert store.open("ab").run_id == "ab"
    store.delete("ab")
    with pytest.raises(RunNotFoundError, match="2 runs begin with 'ab': abc-1, abd-2"):
        store.open("ab")


@pytest.mark.parametrize("wrong", ["nope", "", "..", "a/b"])
def test_an_unknown_run_is_told(store: RunStore, wrong: str) -> None:
    store.create(RECORD).close()
    with pytest.raises(RunNotFoundError, match="has no run"):
        store.open(wrong)
    with pytest.raises(RunNotFoundError, match="has no run"):
        store.delete(wrong)
    assert len(store.list()) == 1


def test_a_run_that_is_deleted_is_gone_and_its_id_free(store: RunStore) -> None:
    writer = store.create(RECORD)
    writer.append(b"data")
    writer.close()
    store.delete("abc")
    assert store.list() == []
    with pytest.raises(RunNotFoundError):
        store.open("abc-1")
    store.create(RECORD).close()
    assert b"".join(store.open("abc-1").log()) == b""


def test_a_request_reaches_the_writer_and_the_last_one_counts(store: RunStore) -> None:
    writer = store.create(RECORD)
    store.create(RunRecord("other", "j")).close()
    assert writer.asked() is None
    assert writer.poll_interval > 0
    first = CancelRequest("ann@host (pid 1)", "cancel_run", time=100.5)
    store.ask("abc", first)
    assert writer.asked() == first
    store.ask("abc-1", replace(first, force=True))
    assert writer.asked() == replace(first, force=True)
    assert store.open("abc-1").record() == RECORD
    writer.close()
    store.delete("abc-1")
    assert store.create(RECORD).asked() is None
    with pytest.raises(RunNotFoundError, match="has no run"):
        store.ask("nope", first)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"by": 3, "more": 1}'])
def test_a_request_that_cannot_be_read_is_a_request(tmp_path: Path, content: bytes) -> None:
    writer = DirectoryRunStore(tmp_path).create(RECORD)
    (tmp_path / "runs/abc-1/cancel.json").write_bytes(content)
    assert writer.asked() == CancelRequest()


def test_an_id_is_taken_once(store: RunStore) -> None:
    store.create(RECORD).close()
    with pytest.raises(StoreError, match="a run 'abc-1' already"):
        store.create(RECORD)


def test_what_a_newer_rayexec_wrote_is_refused(store: RunStore) -> None:
    store.create(replace(RECORD, schema_version=99)).close()
    with pytest.raises(
        StoreError, match=r"newer rayexec \(schema version 99; this one reads up to 2\): upgrade"
    ):
        store.open("abc-1").record()
    [listed] = store.list()
    assert (listed.run_id, listed.status) == ("abc-1", "UNREADABLE")
    assert "newer rayexec" in (listed.note or "")


def test_one_run_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    for run_id in ("good", "bad", "odd"):
        store.create(RunRecord(run_id, "j", start_time=1.0)).close()
    (tmp_path / "runs/bad/run.json").write_bytes(b"\xff{")
    (tmp_path / "runs/odd/run.json").write_text(json.dumps({"schema_version": 1, "run_id": "odd"}))
    (tmp_path / "runs/none").mkdir()
    (tmp_path / "runs/a file").touch()
    assert {each.run_id: each.status for each in store.list()} == {
        "good": "STARTED",
        "bad": "UNREADABLE",
        "odd": "UNREADABLE",
    }


def test_a_store_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match=r"taken cannot be written: .*(Not a directory|exists)"):
        DirectoryRunStore(tmp_path / "taken").create(RECORD)


def test_a_uri_of_no_known_kind_is_an_error() -> None:
    with pytest.raises(StoreError, match="nosuch://x is no place for a run store"):
        DirectoryRunStore("nosuch://x")

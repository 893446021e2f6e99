"""Contract of the storage for values in every run store."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_kinds import KINDS, make_store

from rayexec import StoreError
from rayexec.engine.packed_values import INLINE_LIMIT_BYTES, pack
from rayexec.events import OutputRecord
from rayexec.run.previous_run import ValueStorage
from rayexec.store import DirectoryRunStore, RunRecord, RunStore

RESULT = (OutputRecord("result"),)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A run store of each kind, with a run ``r``."""
    store = make_store(request.param, tmp_path)
    store.create(RunRecord("r", "j")).close()
    return store


def commit(value_storage: ValueStorage, key: str, value: Any, number: int = 0) -> None:
    writer = value_storage.writer()
    writer.commit(key, number, RESULT, {"result": pack(value, "it")})
    writer.close()


def test_what_is_committed_comes_back(store: RunStore) -> None:
    value_storage = store.values("r")
    assert value_storage.committed() == {}
    array = np.arange(3 * INLINE_LIMIT_BYTES)
    outputs = (OutputRecord("left", {"rows": 3}), OutputRecord("right"))
    writer = value_storage.writer()
    writer.commit(
        "a.b[k,0]", 2, outputs, {"left": pack({"x": [1, "ü"]}, "it"), "right": pack(array, "it")}
    )
    writer.commit("next", 0, RESULT, {"result": pack(None, "it")})
    writer.close()
    found = store.values("r").committed()
    assert found.keys() == {"a.b[k,0]", "next"}
    done = found["a.b[k,0]"]
    assert done.outputs == outputs
    assert done.values["left"].load() == {"x": [1, "ü"]}
    assert np.array_equal(done.values["right"].load(), array)
    assert done.values["right"].size >= array.nbytes
    main, *buffers = done.values["right"].parts()
    assert np.array_equal(pickle.loads(main, buffers=buffers), array)
    assert found["next"].values["result"].load() is None


def test_values_that_come_ahead_count_with_their_commit_alone(store: RunStore) -> None:
    value_storage = store.values("r")
    writer = value_storage.writer()
    writer.add("d", 0, "result[a]", pack(1, "it"))
    writer.add("d", 0, "result[b]", pack(2, "it"))
    assert value_storage.committed() == {}
    names = (OutputRecord("result[a]"), OutputRecord("result[c]"))
    writer.add("d", 1, "result[a]", pack(3, "it"))  # another attempt
    writer.commit("d", 1, names, {"result[c]": pack(4, "it")})
    writer.close()
    values = value_storage.committed()["d"].values
    assert {name: value.load() for name, value in values.items()} == {
        "result[a]": 3,
        "result[c]": 4,
    }


def test_of_two_commits_of_a_step_the_last_counts(store: RunStore) -> None:
    value_storage = store.values("r")
    commit(value_storage, "s", "first")
    commit(value_storage, "s", "second", 1)
    assert value_storage.committed()["s"].values["result"].load() == "second"


def test_values_of_one_step_may_be_stored_at_different_times(store: RunStore) -> None:
    value_storage = store.values("r")
    outputs = (OutputRecord("one"), OutputRecord("two"))
    for name in ("one", "two"):
        writer = value_storage.writer()
        writer.commit("s", 0, outputs, {name: pack(name, "it")})
        writer.close()
    values = value_storage.committed()["s"].values
    assert {name: value.load() for name, value in values.items()} == {"one": "one", "two": "two"}


def test_many_writers_write_at_once(store: RunStore) -> None:
    value_storage = store.values("r")
    writers = [value_storage.writer() for _ in range(4)]
    for number in range(40):
        writers[number % 4].commit(f"s{number}", 0, RESULT, {"result": pack(number, "it")})
    for each in writers:
        each.close()
    assert {
        key: done.values["result"].load() for key, done in value_storage.committed().items()
    } == {f"s{number}": number for number in range(40)}


def test_values_go_with_their_run(store: RunStore) -> None:
    commit(store.values("r"), "s", 1)
    store.delete("r")
    store.create(RunRecord("r", "j")).close()
    assert store.values("r").committed() == {}


def test_other_processes_write_by_a_copy_where_they_can(store: RunStore) -> None:
    value_storage = store.values("r")
    if value_storage.is_shared and "Mock" not in repr(getattr(store, "_filesystem", "")):
        commit(pickle.loads(pickle.dumps(value_storage)), "s", 5)
        assert value_storage.committed()["s"].values["result"].load() == 5


def test_a_writer_that_died_leaves_whole_commits_wherever_it_stopped(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    store.create(RunRecord("r", "j")).close()
    value_storage = store.values("r")
    writer = value_storage.writer()
    ends = []
    [place] = [tmp_path / "runs/r/values"]
    for number in range(3):
        writer.add(f"s{number}", 0, "more", pack("x" * 300, "it"))
        outputs = (OutputRecord("result"), OutputRecord("more"))
        writer.commit(f"s{number}", 0, outputs, {"result": pack(np.arange(100), "it")})
        [file] = place.iterdir()
        ends.append(file.stat().st_size)
    writer.close()
    whole = file.read_bytes()
    for cut in range(0, len(whole) + 1, 7):
        file.write_bytes(whole[:cut])
        # A value's padding may be missing, its bytes may not.
        expected = {f"s{number}" for number, end in enumerate(ends) if cut >= end}
        found = value_storage.committed()
        assert expected <= found.keys() <= expected | {f"s{len(expected)}"}
        for done in found.values():
            assert {name: len(value.load()) for name, value in done.values.items()} == {
                "result": 100,
                "more": 300,
            }


def test_a_damaged_value_is_told_and_never_loaded(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    store.create(RunRecord("r", "j")).close()
    commit(store.values("r"), "s", np.arange(100_000))
    [file] = (tmp_path / "runs/r/values").iterdir()
    data = bytearray(file.read_bytes())
    data[-5000] ^= 1
    file.write_bytes(data)
    value = store.values("r").committed()["s"].values["result"]
    with pytest.raises(StoreError, match="is damaged"):
        value.load()
    file.unlink()
    with pytest.raises(StoreError, match=r"cannot be read: No such file"):
        value.load()


def test_arrays_are_mapped_from_files_of_this_machine(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    store.create(RunRecord("r", "j")).close()
    commit(store.values("r"), "s", np.arange(1_000_000))
    array = store.values("r").committed()["s"].values["result"].load()
    assert not array.flags.owndata
    assert not array.flags.writeable
    assert array.ctypes.data % 64 == 0


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    store.create(RunRecord("r", "j")).close()
    (tmp_path / "runs/r/values").write_text("a file in its place")
    with pytest.raises(StoreError, match=r"values cannot be stored in .*runs/r/values"):
        commit(store.values("r"), "s", 1)


def test_a_node_that_does_not_have_the_place_stores_nothing_of_its_own(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    store.create(RunRecord("r", "j")).close()
    value_storage = store.values("r")
    (tmp_path / "runs/r").rename(tmp_path / "elsewhere")  # as on a node with a disk of its own
    with pytest.raises(
        StoreError, match=r"runs/r is not there on node .* a place that all nodes reach"
    ):
        commit(value_storage, "step", 1)
    assert not (tmp_path / "runs/r").exists()

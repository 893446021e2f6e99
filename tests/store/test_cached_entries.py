"""Contract of every cache of outputs: entries are complete or absent, and damage is an error."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import fs
from store_kinds import KINDS, make_store

from rayexec import StoreError
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.events import Handling
from rayexec.run.cached_outputs import CachedOutput, CacheOrigin
from rayexec.store import DirectoryRunStore, MemoryRunStore, StepCache
from rayexec.store.cache_storage import FilesCache, LocalCache, MemoryCache

KEY, OTHER = "0" * 64, "f" * 64
ORIGIN = CacheOrigin("run-1", "graph.load[a]", "load", "2", 100.5)


@pytest.fixture(params=KINDS)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> StepCache:
    """The cache of a run store of each kind."""
    return make_store(request.param, tmp_path).cache()


def keep(cache: StepCache, key: str, *values: Any, origin: CacheOrigin = ORIGIN) -> None:
    filling = cache.begin(key, origin)
    for number, value in enumerate(values):
        filling.add(CachedOutput(f"result[{number}]", value, None, None))
    filling.commit()


def found(cache: StepCache, key: str) -> list[Any]:
    entry = cache.find(key)
    assert entry is not None
    return [each.value for each in entry.outputs]


def test_what_was_kept_is_found_as_it_was(cache: StepCache) -> None:
    assert cache.find(KEY) is None
    outputs = [
        CachedOutput("result", {"a": [1, "ü"]}, {"rows": MetadataValue.int(3)}, None),
        CachedOutput(
            "more[k]",
            np.arange(30_000.0),
            None,
            Handling("files", {"path": MetadataValue.path("/x")}),
        ),
        CachedOutput("table", pa.table({"n": range(30_000)}), None, None),
        CachedOutput("nothing", None, None, None),
    ]
    filling = cache.begin(KEY, ORIGIN)
    for each in outputs:
        filling.add(each)
    assert cache.find(KEY) is None  # it is not there before it is whole
    filling.commit()
    entry = cache.find(KEY)
    assert entry is not None
    assert entry.origin == ORIGIN
    assert [each.name for each in entry.outputs] == ["result", "more[k]", "table", "nothing"]
    assert entry.outputs[0] == outputs[0]
    assert entry.outputs[3] == outputs[3]
    np.testing.assert_array_equal(entry.outputs[1].value, outputs[1].value)
    assert entry.outputs[1].handled == outputs[1].handled
    assert entry.outputs[2].value == outputs[2].value
    assert cache.find(OTHER) is None


def test_a_step_may_have_no_outputs_at_all(cache: StepCache) -> None:
    keep(cache, KEY)
    assert found(cache, KEY) == []


def test_values_are_kept_as_they_were_when_they_were_added(cache: StepCache) -> None:
    value = [1]
    filling = cache.begin(KEY, ORIGIN)
    filling.add(CachedOutput("result", value, None, None))
    value.append(2)
    filling.commit()
    assert found(cache, KEY) == [[1]]


def test_the_last_one_wins(cache: StepCache) -> None:
    first, second = cache.begin(KEY, ORIGIN), cache.begin(KEY, ORIGIN._replace(run_id="run-2"))
    for filling, value in ((first, "first"), (second, "second")):
        filling.add(CachedOutput("result", value, None, None))
    second.commit()
    first.commit()
    assert found(cache, KEY) == ["first"]


def test_nothing_is_left_of_what_was_discarded(cache: StepCache, tmp_path: Path) -> None:
    keep(cache, KEY, "kept")
    before = sorted(each for each in tmp_path.rglob("*") if each.is_file())
    filling = cache.begin(KEY, ORIGIN)
    filling.add(CachedOutput("result", np.arange(100_000), None, None))
    filling.discard()
    assert sorted(each for each in tmp_path.rglob("*") if each.is_file()) == before
    assert found(cache, KEY) == ["kept"]


def test_an_output_that_cannot_be_pickled_is_an_error_and_not_kept(cache: StepCache) -> None:
    filling = cache.begin(KEY, ORIGIN)
    filling.add(CachedOutput("result", 1, None, None))
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        filling.add(CachedOutput("more", lambda: 1, None, None))
    filling.discard()
    assert cache.find(KEY) is None


def test_entries_are_listed_newest_first_and_removed(cache: StepCache) -> None:
    assert cache.list() == []
    keep(cache, KEY, "old", origin=ORIGIN._replace(created=1.0))
    keep(cache, OTHER, np.arange(100_000.0), origin=ORIGIN._replace(op="big", created=2.0))
    newest, oldest = cache.list()
    assert (newest.key, oldest.key) == (OTHER, KEY)
    assert newest.origin == ORIGIN._replace(op="big", created=2.0)
    assert 800_000 < newest.size < 802_000
    assert oldest.size < 1_000
    cache.delete(OTHER)
    cache.delete(OTHER)
    assert [each.key for each in cache.list()] == [KEY]
    assert cache.find(OTHER) is None


def test_steps_that_reuse_an_entry_are_counted(cache: StepCache) -> None:
    keep(cache, KEY, "old")
    keep(cache, OTHER, "new")
    for key in (KEY, KEY, "1" * 64, KEY):
        cache.find(key)
    hits = {each.key: each.hits for each in cache.list()}
    # A file system of pyarrow.fs adds to no file.
    assert hits == (
        {KEY: None, OTHER: None} if isinstance(cache, FilesCache) else {KEY: 3, OTHER: 0}
    )
    cache.delete(KEY)
    keep(cache, KEY, "anew")
    assert {each.hits for each in cache.list()} <= {None, 0}


def test_a_count_follows_no_link_and_needs_no_permission(tmp_path: Path) -> None:
    cache = LocalCache(str(tmp_path / "cache"))
    keep(cache, KEY, "old")
    other = tmp_path / "other"
    other.write_text("of a stranger")
    count = tmp_path / "cache" / KEY[:2] / f"{KEY}.hits"
    count.symlink_to(other)
    assert found(cache, KEY) == ["old"]
    assert other.read_text() == "of a stranger"
    count.unlink()
    os.mkfifo(count)  # nobody reads it
    assert found(cache, KEY) == ["old"]
    count.unlink()
    count.mkdir()
    assert found(cache, KEY) == ["old"]


@pytest.fixture(params=["memory", "path", "segments"])
def damaged(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[StepCache, Callable[[Callable[[bytes], bytes]], None]]:
    """A cache with an entry, and what changes the bytes of it."""
    cache = make_store(request.param, tmp_path).cache()
    keep(cache, KEY, "small", np.arange(20_000.0))

    def change(how: Callable[[bytes], bytes]) -> None:
        if isinstance(cache, MemoryCache):
            cache._entries[KEY] = how(cache._entries[KEY])
        elif isinstance(cache, LocalCache):
            path = Path(cache.root) / KEY[:2] / KEY
            path.write_bytes(how(path.read_bytes()))
        else:
            assert isinstance(cache, FilesCache)
            with cache._filesystem.open_input_file(cache._path(KEY)) as stream:
                data = stream.read()
            with cache._filesystem.open_output_stream(cache._path(KEY)) as stream:
                stream.write(how(data))

    return cache, change


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:10], id="cut"),
        pytest.param(lambda data: data[:-1], id="cut at the end"),
        pytest.param(lambda data: data[1000:], id="cut at the start"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(lambda data: data[:20] + b"#" + data[21:], id="pickle"),
        pytest.param(lambda data: data[:90_000] + b"#" + data[90_001:], id="buffer"),
        pytest.param(lambda data: data[:-60] + b"#" + data[-59:], id="header"),
        pytest.param(lambda data: data[:-12] + b"\xff" * 8 + data[-4:], id="place of the header"),
    ],
)
def test_a_damaged_entry_is_told_and_never_used(
    damaged: Any, how: Callable[[bytes], bytes]
) -> None:
    cache, change = damaged
    change(how)
    with pytest.raises(StoreError, match=r"damaged|cut short"):
        cache.find(KEY)
    (listed,) = cache.list()  # a list reads no values
    assert listed.key == KEY
    keep(cache, KEY, "anew")
    assert found(cache, KEY) == ["anew"]


def test_what_a_newer_rayexec_wrote_is_refused_by_name(
    damaged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, _ = damaged
    with monkeypatch.context() as newer:
        newer.setattr("rayexec.store.cache._SCHEMA_VERSION", 2)
        keep(cache, KEY, "new")
        assert found(cache, KEY) == ["new"]
    with pytest.raises(StoreError, match="newer rayexec"):
        cache.find(KEY)
    (listed,) = cache.list()
    assert listed.origin is None
    assert "newer rayexec" in str(listed.note)


def test_large_buffers_are_mapped_and_aligned_and_small_arrays_can_be_written_to(
    tmp_path: Path,
) -> None:
    cache = DirectoryRunStore(tmp_path).cache()
    keep(
        cache,
        KEY,
        "odd",
        np.arange(1_000_000.0),
        np.arange(10.0),
        pa.table({"n": np.arange(1_000_000)}),
    )
    _, large, small, table = found(cache, KEY)
    assert not large.flags.writeable
    assert large.ctypes.data % 64 == 0
    assert table["n"].chunk(0).buffers()[1].address % 64 == 0
    small += 1
    assert large.base is not None
    mapped = Path("/proc/self/maps").read_text()
    assert f"{KEY[:2]}/{KEY}" in mapped
    cache.delete(KEY)
    assert float(large.sum()) == 499_999_500_000.0  # it stays as long as it is used


def test_which_caches_other_processes_can_reach(tmp_path: Path) -> None:
    assert DirectoryRunStore(tmp_path).cache().is_shared
    assert (
        DirectoryRunStore("below", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))
        .cache()
        .is_shared
    )
    assert not DirectoryRunStore("bucket", fs._MockFileSystem()).cache().is_shared
    assert not MemoryRunStore().cache().is_shared


def _keep_on_and_on(cache: StepCache, letter: str, rounds: int) -> None:
    for _ in range(rounds):
        keep(cache, KEY, letter, np.full(20_000, ord(letter), dtype=np.int64))


@pytest.mark.parametrize("kind", ["path", "subtree"])
def test_processes_that_write_the_same_key_at_once_never_mix(kind: str, tmp_path: Path) -> None:
    cache = make_store(kind, tmp_path).cache()
    keep(cache, KEY, "a", np.full(20_000, ord("a"), dtype=np.int64))
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_keep_on_and_on, args=(cache, letter, 50)) for letter in "bcd"
    ]
    for each in writers:
        each.start()
    seen = set()
    while any(each.is_alive() for each in writers):
        letter, array = found(cache, KEY)
        assert set(array.tolist()) == {ord(letter)}
        seen.add(letter)
    for each in writers:
        each.join()
        assert each.exitcode == 0
    seen.add(found(cache, KEY)[0])  # of a writer, however slow this reader was
    assert len(seen) > 1
    assert [each.key for each in cache.list()] == [KEY]
    assert not list(tmp_path.rglob(".*"))


def test_threads_that_write_the_same_key_at_once_never_mix() -> None:
    cache = MemoryRunStore().cache()
    writers = [
        threading.Thread(target=_keep_on_and_on, args=(cache, letter, 100)) for letter in "bcd"
    ]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        entry = cache.find(KEY)
        if entry is not None:
            letter, array = [each.value for each in entry.outputs]
            assert set(array.tolist()) == {ord(letter)}
    assert len(cache.list()) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match="the cache: Not a directory"):
        keep(DirectoryRunStore(tmp_path).cache(), KEY, 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"created": "never"},
        {"created": 1e300},
        {"created": float("nan")},
        {"created": None},
        {"op": 5},
        {"step_key": ["a"]},
        {"more": 1},
    ],
    ids=repr,
)
def test_an_odd_entry_hides_no_other_one(tmp_path: Path, odd: dict[str, Any]) -> None:
    """Who writes to a bucket may write anything, with the right check sums."""
    cache = LocalCache(str(tmp_path))

    class Odd:
        def _asdict(self) -> dict[str, Any]:
            return ORIGIN._asdict() | odd

    keep(cache, KEY)
    keep(cache, OTHER, origin=Odd())  # type: ignore[arg-type]  # as another program writes it
    good, bad = cache.list()
    assert good.origin == ORIGIN
    assert bad.origin is None
    assert "damaged" in str(bad.note)
    with pytest.raises(StoreError, match="damaged"):
        cache.find(OTHER)

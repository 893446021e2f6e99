"""The index of a store: right whatever happens to it, and of use where nothing happens."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from strangers import STRANGER_UID, in_namespaces, needs

from rayexec import StoreError
from rayexec.events import RunStatus
from rayexec.store import DirectoryRunStore, RunRecord, index, index_places
from rayexec.store.index import StoreIndex
from rayexec.store.index_schema import MIGRATIONS
from rayexec.store.run_index import ListedRun, RunIndex

_LONG_AGO_S = 1e9


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's directory of caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of a store with three runs that are over, and one that is not."""
    root = tmp_path / "store"
    store = DirectoryRunStore(root)
    for number in range(3):
        record = RunRecord(f"r{number}", "daily", start_time=100.0 + number)
        store.create(replace(record, status=RunStatus.SUCCESS)).close()
    store.create(RunRecord("open", "daily", start_time=50.0)).close()
    for file in root.glob("runs/*/run.json"):
        os.utime(file, (_LONG_AGO_S, _LONG_AGO_S))
    return root


def listed(root: Path) -> list[tuple[str, str]]:
    return [(record.run_id, record.status) for record in DirectoryRunStore(root).list()]


IN_INDEX = ["open", "r0", "r1", "r2"]
ALL = [("r2", "SUCCESS"), ("r1", "SUCCESS"), ("r0", "SUCCESS"), ("open", "STARTED")]


def rows(file: Path) -> list[str]:
    """Return the ids of the runs in an index."""
    with closing(sqlite3.connect(file)) as connection:
        return [run_id for (run_id,) in connection.execute("SELECT run_id FROM runs ORDER BY 1")]


def file_of(root: Path) -> Path:
    return root / "index/index.sqlite"


class Counted:
    """Contents of runs, and how often each of them was read."""

    def __init__(self, *records: RunRecord) -> None:
        self.contents = {record.run_id: record.encode() for record in records}
        self.reads: list[str] = []

    def __call__(self, run_id: str) -> bytes:
        self.reads.append(run_id)
        return self.contents[run_id]


OVER = RunRecord("over", "j", RunStatus.SUCCESS)
RUNNING = RunRecord("running", "j")


@pytest.mark.parametrize("is_remote", [False, True])
def test_without_stamps_a_run_that_is_over_is_read_once_and_a_running_one_each_time(
    tmp_path: Path, is_remote: bool
) -> None:
    read = Counted(OVER, RUNNING)
    runs = RunIndex(StoreIndex("here", str(tmp_path)), read, is_remote=is_remote)
    for _ in range(3):
        records = runs.records([ListedRun("over", ""), ListedRun("running", "")])
        assert {each.run_id for each in records} == {"over", "running"}
    assert sorted(read.reads) == ["over", "running", "running", "running"]


def test_a_file_that_changed_a_moment_ago_may_change_again_within_the_same_tick(
    tmp_path: Path,
) -> None:
    read = Counted(OVER)
    runs = RunIndex(StoreIndex("here", str(tmp_path)), read, is_remote=False)
    for _ in range(3):
        runs.records([ListedRun("over", "1", changed=time.time())])
    assert len(read.reads) == 3


def test_a_file_with_another_stamp_is_read_again(tmp_path: Path) -> None:
    read = Counted(OVER)
    runs = RunIndex(StoreIndex("here", str(tmp_path)), read, is_remote=False)
    runs.records([ListedRun("over", "1", _LONG_AGO_S)])
    read.contents["over"] = replace(OVER, status=RunStatus.FAILURE).encode()
    [record] = runs.records([ListedRun("over", "2", _LONG_AGO_S)])
    assert record.status == RunStatus.FAILURE
    assert len(read.reads) == 2


def test_a_driver_that_died_long_ago_is_no_reason_to_read_its_run_again(tmp_path: Path) -> None:
    read = Counted(RUNNING)
    runs = RunIndex(StoreIndex("here", str(tmp_path)), read, is_remote=False)
    for _ in range(3):
        runs.records([ListedRun("running", "1", changed=_LONG_AGO_S)])
    assert len(read.reads) == 1


def test_an_altered_row_is_not_believed(root: Path) -> None:
    assert listed(root) == ALL
    with closing(sqlite3.connect(file_of(root))) as connection:
        lie = RunRecord("r1", "lie", RunStatus.FAILURE).encode()
        connection.execute("UPDATE runs SET record = ? WHERE run_id = 'r1'", (lie,))
        connection.execute("UPDATE runs SET record = 'x' WHERE run_id = 'r2'")
        connection.commit()
    assert listed(root) == ALL


def test_what_other_hosts_and_versions_change_is_seen(root: Path) -> None:
    assert listed(root) == ALL
    changed = RunRecord("r1", "daily", RunStatus.FAILURE, start_time=101.0)
    (root / "runs/r1/run.json").write_bytes(changed.encode())
    shutil.rmtree(root / "runs/r0")
    shutil.copytree(root / "runs/r2", root / "runs/r3")
    text = (root / "runs/r3/run.json").read_text()
    (root / "runs/r3/run.json").write_text(text.replace('"r2"', '"r3"').replace("102.0", "103.0"))
    (root / "runs/r2/run.json").write_text("{")
    expected = [
        *[("r3", "SUCCESS"), ("r1", "FAILURE"), ("open", "STARTED")],
        ("r2", "UNREADABLE"),
    ]
    assert listed(root) == listed(root) == expected
    os.utime(root / "runs/r1/run.json", (_LONG_AGO_S, _LONG_AGO_S))
    assert listed(root) == expected
    assert "r0" not in rows(file_of(root))


def test_an_index_that_was_removed_is_made_again(root: Path) -> None:
    assert listed(root) == ALL
    assert rows(file_of(root)) == IN_INDEX
    shutil.rmtree(root / "index")
    assert listed(root) == ALL
    assert rows(file_of(root)) == IN_INDEX


def _emptied(file: Path) -> None:
    file.write_bytes(b"")


def _garbage(file: Path) -> None:
    file.write_bytes(os.urandom(9_000))


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _middle_gone(file: Path) -> None:
    with open(file, "r+b") as stream:
        stream.seek(200)
        stream.write(b"\xff" * (file.stat().st_size - 400))


def _without_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE runs")
        connection.commit()


def _with_other_columns(file: Path) -> None:
    _without_tables(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE runs (run_id TEXT)")
        connection.commit()


def _unversioned(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 0")
        connection.commit()


@pytest.mark.parametrize(
    "damage",
    [
        *(_emptied, _garbage, _cut, _middle_gone),
        *(_without_tables, _with_other_columns, _unversioned),
    ],
)
def test_a_damaged_index_changes_no_answer_and_is_made_again(
    root: Path, damage: Callable[[Path], None]
) -> None:
    assert listed(root) == ALL
    damage(file_of(root))
    assert listed(root) == listed(root) == ALL
    assert rows(file_of(root)) == IN_INDEX
    assert [path.name for path in root.iterdir() if "index" in path.name] == ["index"]


def _as_link(root: Path) -> None:
    (root / "index").symlink_to(root.parent)


def _as_file(root: Path) -> None:
    (root / "index").touch()


def _as_open_directory(root: Path) -> None:
    (root / "index").mkdir(mode=0o755)


def _with_linked_file(root: Path) -> None:
    (root / "index").mkdir(mode=0o700)
    (root.parent / "other").write_bytes(b"mine")
    file_of(root).symlink_to(root.parent / "other")


def _with_pipe(root: Path) -> None:
    (root / "index").mkdir(mode=0o700)
    os.mkfifo(file_of(root))


@pytest.mark.parametrize(
    "plant", [_as_link, _as_file, _as_open_directory, _with_linked_file, _with_pipe]
)
def test_a_name_that_is_taken_leaves_the_index_to_the_cache(
    root: Path, cache: Path, plant: Callable[[Path], None]
) -> None:
    plant(root)
    assert listed(root) == listed(root) == ALL
    [file] = cache.rglob("*.sqlite")
    assert rows(file) == IN_INDEX
    other = root.parent / "other"
    assert not other.exists() or other.read_bytes() == b"mine"


def test_without_a_directory_for_an_index_all_runs_are_read(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for taken in (root / "index", cache):
        taken.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(cache / "none"))
    assert listed(root) == listed(root) == ALL


def test_the_index_of_a_newer_version_is_left_alone(root: Path, cache: Path) -> None:
    assert listed(root) == ALL
    with closing(sqlite3.connect(file_of(root))) as connection:
        connection.execute("DROP TABLE runs")
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
    assert listed(root) == listed(root) == ALL
    with closing(sqlite3.connect(file_of(root))) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    [file] = cache.rglob("*.sqlite")
    assert rows(file) == IN_INDEX


def test_a_later_version_adds_its_tables_to_the_index(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed(root) == ALL
    more = (*MIGRATIONS, ("CREATE TABLE assets (key TEXT)", "CREATE INDEX by_key ON assets (key)"))
    monkeypatch.setattr(index, "MIGRATIONS", more)
    assert listed(root) == ALL
    with StoreIndex("here", str(root)).connection() as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM assets").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (4,)


def _delete_and_fail(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM runs")
    raise StoreError("no")


def test_a_transaction_that_fails_leaves_the_index_as_it_was(root: Path) -> None:
    assert listed(root) == ALL
    door = StoreIndex("here", str(root))
    with pytest.raises(StoreError), door.transaction() as connection:
        _delete_and_fail(connection)
    assert rows(file_of(root)) == IN_INDEX


def test_only_its_owner_may_read_the_index(root: Path) -> None:
    before = os.umask(0)
    try:
        assert listed(root) == ALL
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "index").stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(root).stat().st_mode) == 0o600


def test_beside_a_store_of_another_user_nothing_is_written(root: Path, cache: Path) -> None:
    needs("setpriv", f"--reuid={STRANGER_UID}", "--clear-groups")
    for path in (root, *root.rglob("*")):
        os.chown(path, STRANGER_UID, STRANGER_UID)
    assert listed(root) == ALL
    assert not (root / "index").exists()
    [file] = cache.rglob("*.sqlite")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert rows(file) == IN_INDEX


def test_beside_a_store_that_others_write_nothing_is_written(root: Path, cache: Path) -> None:
    root.chmod(0o777)
    assert listed(root) == ALL
    assert not (root / "index").exists()
    assert list(cache.rglob("*.sqlite"))


_LIST = """
import sys
import tempfile
from rayexec.store import DirectoryRunStore
print([record.run_id for record in DirectoryRunStore(sys.argv[1]).list()])
"""


def _listed_in_namespace(root: Path, setup: str) -> str:
    ended = subprocess.run(
        [*in_namespaces("--mount", setup=setup), sys.executable, "-c", _LIST, str(root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout.strip()


def test_a_store_that_can_only_be_read_has_its_index_in_the_cache(root: Path, cache: Path) -> None:
    setup = f"mount --bind {root} {root} && mount -o remount,ro,bind {root}"
    assert _listed_in_namespace(root, setup) == "['r2', 'r1', 'r0', 'open']"
    assert not (root / "index").exists()
    [file] = cache.rglob("*.sqlite")
    assert rows(file) == IN_INDEX


def test_a_full_disk_is_no_reason_not_to_list(root: Path) -> None:
    full = root.parent / "full"
    full.mkdir()
    setup = (
        f"mount -t tmpfs -o size=1m tmpfs {full} && cp -r {root} {full}/store && "
        f"{{ head -c 2m /dev/zero > {full}/filler || true; }} 2>/dev/null"
    )
    assert _listed_in_namespace(full / "store", setup) == "['r2', 'r1', 'r0', 'open']"


def test_file_systems_that_hosts_share_are_told_from_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 0:18 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "22 21 0:19 / /srv/my\\040runs rw shared:2 master:1 - nfs4 host:/runs rw\n"
        "23 22 0:20 / /srv/my\\040runs/local rw - xfs /dev/sdb rw\n"
        "24 21 0:21 / /mnt/s3 rw - fuse.s3fs s3fs rw\n"
        "25 21 0:22 / /mnt/covered rw - nfs4 host:/x rw\n"
        "26 25 0:23 / /mnt/covered rw - ext4 /dev/sdc rw\n"
    )
    monkeypatch.setattr(index_places, "_MOUNTS", str(mounts))
    shared = {
        *("/srv/my runs", "/srv/my runs/a", "/mnt/s3/x"),
    }
    own = {"/", "/srv", "/srv/my runs/local/x", "/srv/my runs2", "/mnt/covered/x"}
    assert {path for path in shared | own if index_places.is_on_network(path)} == shared
    monkeypatch.setattr(index_places, "_MOUNTS", str(tmp_path / "none"))
    assert index_places.is_on_network("/")


def test_a_store_on_the_network_has_its_index_in_the_cache(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = root.parent / "mountinfo"
    mounts.write_text(
        "21 1 0:18 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        f"22 21 0:19 / {os.path.realpath(root)} rw shared:2 - nfs host:/runs rw\n"
    )
    monkeypatch.setattr(index_places, "_MOUNTS", str(mounts))
    assert listed(root) == listed(root) == ALL
    assert not (root / "index").exists()
    assert len(list(cache.rglob("*.sqlite"))) == 1


_LIST_OFTEN = """
import sys
import tempfile
from rayexec.store import DirectoryRunStore
store = DirectoryRunStore(sys.argv[1])
for _ in range(40):
    ids = [record.run_id for record in store.list()]
    assert {"r0", "r1", "r2", "open"} <= set(ids), ids
"""


def _listing(root: Path) -> Iterator[subprocess.Popen[str]]:
    for _ in range(3):
        yield subprocess.Popen(
            [sys.executable, "-c", _LIST_OFTEN, str(root)], stderr=subprocess.PIPE, text=True
        )


def test_many_processes_use_one_index_while_runs_come_and_go_and_it_is_damaged(
    root: Path,
) -> None:
    processes = list(_listing(root))
    store = DirectoryRunStore(root)
    turn = 0
    while any(process.poll() is None for process in processes):
        turn += 1
        store.create(RunRecord(f"s{turn}", "daily", RunStatus.SUCCESS, start_time=1.0)).close()
        if turn > 5:
            store.delete(f"s{turn - 5}")
        assert {"r0", "r1", "r2", "open"} <= {record.run_id for record in store.list()}
        if turn % 7 == 0:
            with contextlib.suppress(FileNotFoundError):  # Somebody removes the last damage now.
                file_of(root).write_bytes(b"damage")
    assert [process.communicate()[1] for process in processes] == ["", "", ""]
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_threads_share_a_store(root: Path) -> None:
    store, wrong = DirectoryRunStore(root), []

    def look() -> None:
        for _ in range(20):
            if [(record.run_id, record.status) for record in store.list()] != ALL:
                wrong.append(1)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_store_object_that_lists_again_decodes_only_what_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryRunStore(root)
    assert [(each.run_id, each.status) for each in store.list()] == ALL
    decoded: list[str] = []
    decode = RunRecord.decode

    def counted(data: bytes, run_id: str) -> RunRecord:
        decoded.append(run_id)
        return decode(data, run_id)

    monkeypatch.setattr(RunRecord, "decode", staticmethod(counted))
    assert [(each.run_id, each.status) for each in store.list()] == ALL
    assert decoded == []
    record = replace(store.open("open").record(), status=RunStatus.CANCELED)
    (root / "runs/open/run.json").write_bytes(record.encode())
    shutil.rmtree(root / "runs/r1")
    decoded.clear()
    after = [("r2", "SUCCESS"), ("r0", "SUCCESS"), ("open", "CANCELED")]
    assert [(each.run_id, each.status) for each in store.list()] == after
    assert decoded == ["open"]

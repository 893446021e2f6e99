"""Journal of a batch, and its remains when the worker dies."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, journal_path, sweep_journals
from rayexec.engine.ray.protocol.entries import PlainEntry
from rayexec.engine.ray.protocol.remains import read_remains
from rayexec.engine.ray.worker.journal import Journal
from rayexec.run.process_identity import start_of


def test_a_batch_that_answers_leaves_its_journal_until_the_answer_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayexec.engine.ray.worker.journal._LINGER_S", 0.2)
    path = tmp_path / "journal"
    with Journal(str(path)) as journal:
        journal.started(0)
        journal.succeeded(0, 1.0, 2.0, b"made")
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    assert read_remains(str(copy)) == (
        [PlainEntry(0, 1.0, 2.0, b"made")],
        None,
        "",
        "",
        "",
        "",
        None,
    )
    # Nobody but the worker may be there to remove it.
    end = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert read_remains(str(path)) is None


def test_what_was_over_and_what_was_running(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    journal = Journal(path)
    assert read_remains(path) == ([], None, "", "", "", "", None)
    journal = Journal(path)
    journal.started(0)
    journal.finished(b"first")
    journal.started(2)
    assert read_remains(path) == ([b"first"], 2, "", "", "", "", None)
    journal = Journal(path)
    journal.started(0)
    journal.finished(b"first")
    assert read_remains(path) == ([b"first"], None, "", "", "", "", None)
    assert not os.path.exists(path)


def write(journal: Journal, entries: list[bytes | PlainEntry]) -> None:
    for position, entry in enumerate(entries):
        journal.started(position)
        if isinstance(entry, bytes):
            journal.finished(entry)
        else:
            journal.succeeded(*entry)


some_entries = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.builds(
            PlainEntry,
            st.integers(0, 9999),
            st.floats(0, 2e9),
            st.floats(0, 2e9),
            st.binary(max_size=40),
        ),
    ),
    max_size=6,
)


@given(some_entries, st.data())
def test_a_torn_tail_is_left_out(drawn: list[bytes | PlainEntry], data: st.DataObject) -> None:
    entries = [
        entry._replace(position=position) if isinstance(entry, PlainEntry) else entry
        for position, entry in enumerate(drawn)
    ]
    path = journal_path("test", os.getpid())
    journal = Journal(path)
    write(journal, entries)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    remains = read_remains(path)
    assert remains is not None
    read, started, *_ = remains
    assert read == entries[: len(read)]
    assert started is None or started >= len(read), "what is over counts as running"
    assert started is None or len(read) < len(entries)
    journal.close()


def test_a_journal_grows_with_what_is_noted(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    entries: list[bytes | PlainEntry] = [
        PlainEntry(each, 1.0, 2.0, bytes(each)) for each in range(500)
    ]
    entries += [b"x" * 300_000, b"y"]
    journal = Journal(path)
    write(journal, entries)
    journal.started(502)
    assert read_remains(path) == (entries, 502, "", "", "", "", None)
    journal.close()


def name_of_own_process() -> str:
    """Return the name of this process in a journal's name."""
    return Path(journal_path("run", 1)).name.removeprefix(JOURNAL_PREFIX).partition("-")[0]


def is_swept_away(driver: str) -> bool:
    """Tell whether a journal of this driver goes, and leave none."""
    path = Path(journal_path("swept", 1).replace(name_of_own_process(), driver))
    path.touch()
    try:
        sweep_journals()
        return not path.exists()
    finally:
        path.unlink(missing_ok=True)


def test_journals_of_ended_drivers_are_swept_away() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert is_swept_away(f"{ended.pid}")
    assert is_swept_away(f"{ended.pid}.0123abcd")
    assert not is_swept_away(name_of_own_process())
    assert not is_swept_away(f"{os.getpid()}")  # without a start, the pid alone counts
    assert not is_swept_away("somebody")


def test_journals_by_their_former_name_are_swept_away() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    path = Path(journal_path("swept", 1)).with_name(f"rayexec-slice-{ended.pid}-swept-1")
    path.touch()
    sweep_journals()
    assert not path.exists()


def test_journals_of_a_zombie_are_swept_away() -> None:
    zombie = subprocess.Popen(["true"])
    try:
        end = time.monotonic() + 60
        while Path(f"/proc/{zombie.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < end
            time.sleep(0.01)
        assert is_swept_away(f"{zombie.pid}")
    finally:
        zombie.wait()


def test_a_later_process_with_the_pid_is_not_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start_of(os.getpid()) is not None
    assert name_of_own_process() != f"{os.getpid()}"
    assert is_swept_away(f"{os.getpid()}.0123abcd")
    # A system that hides the start must not cost a living driver its journals.
    monkeypatch.setattr("rayexec.engine.ray.protocol.batch_files.start_of", lambda _pid: None)
    assert not is_swept_away(f"{os.getpid()}.0123abcd")


def test_a_batch_that_ends_without_an_answer_leaves_its_journal(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")

    def ends_badly() -> None:
        with Journal(path) as journal:
            journal.started(0)
            journal.succeeded(0, 1.0, 2.0, b"made")
            journal.started(1)
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        ends_badly()
    assert read_remains(path) == ([PlainEntry(0, 1.0, 2.0, b"made")], 1, "", "", "", "", None)


def test_where_there_is_no_room_the_steps_go_on(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path) as journal:
        journal.started(0)
        journal.finished(b"first")
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (32 * 1024, limit[1]))
        try:
            journal.started(1)
            journal.finished(b"x" * 100_000)
            journal.started(2)
            journal.succeeded(2, 1.0, 2.0, b"more")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            signal.signal(signal.SIGXFSZ, before)
        assert read_remains(path) == ([b"first"], 1, "", "", "", "", None)

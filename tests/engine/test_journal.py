"""Journal of a batch, and its remains when the worker dies."""

from __future__ import annotations

import resource
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.engine.ray.protocol.entries import PlainEntry
from rayexec.engine.ray.protocol.journal_format import journal_key
from rayexec.engine.ray.protocol.remains import BatchRemnants, read_remains
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts
from rayexec.engine.ray.worker.journal import Journal

KEY = bytes(range(32))
Noted = tuple[list[bytes | PlainEntry], int | None]


def noted_in(data: bytes, name: str = "journal", key: bytes = KEY) -> Noted:
    """Return the entries of a journal, and the call that was running."""
    remains = read_remains(name, BatchRemnants(data, "", "", "", ""), key, 10_000)
    return remains.entries, remains.running


def noted_at(path: Path | str) -> Noted:
    """Return the entries of a journal with this path."""
    return noted_in(Path(path).read_bytes())


def test_a_batch_that_answers_leaves_its_journal_until_the_answer_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayexec.engine.ray.worker.journal._LINGER_S", 0.2)
    path = tmp_path / "journal"
    with Journal(str(path), KEY) as journal:
        journal.started(0)
        journal.succeeded(0, 1.0, 2.0, b"made")
    assert noted_at(path) == ([PlainEntry(0, 1.0, 2.0, b"made")], None)
    # Nobody but the worker may be there to remove it.
    end = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_was_over_and_what_was_running(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    journal = Journal(path, KEY)
    assert noted_at(path) == ([], None)
    journal = Journal(path, KEY)
    journal.started(0)
    journal.finished(b"first")
    journal.started(2)
    assert noted_at(path) == ([b"first"], 2)
    journal = Journal(path, KEY)
    journal.started(0)
    journal.finished(b"first")
    assert noted_at(path) == ([b"first"], None)


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


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path of journals, one after another."""
    return tmp_path_factory.mktemp("journals") / "journal"


@given(some_entries, st.data())
def test_a_torn_tail_is_left_out(
    path: Path, drawn: list[bytes | PlainEntry], data: st.DataObject
) -> None:
    entries = [
        entry._replace(position=position) if isinstance(entry, PlainEntry) else entry
        for position, entry in enumerate(drawn)
    ]
    journal = Journal(str(path), KEY)
    write(journal, entries)
    journal.close()
    whole = path.read_bytes()
    read, started = noted_in(whole[: data.draw(st.integers(0, len(whole)))])
    assert read == entries[: len(read)]
    assert started is None or started >= len(read), "what is over counts as running"
    assert started is None or len(read) < len(entries)


@given(some_entries.filter(bool), st.data())
def test_a_record_that_anything_changed_is_left_out_and_so_are_those_behind(
    path: Path, drawn: list[bytes | PlainEntry], data: st.DataObject
) -> None:
    journal = Journal(str(path), KEY)
    write(journal, drawn)
    journal.close()
    changed = bytearray(path.read_bytes().rstrip(b"\0"))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    read, _ = noted_in(bytes(changed))
    assert read == drawn[: len(read)]


class RunsCode:
    """An object whose pickle leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("key", [b"", b"another key"])
def test_nothing_is_unpickled_without_the_key_of_the_run(tmp_path: Path, key: bytes) -> None:
    ran = tmp_path / "ran"
    journal = Journal(str(tmp_path / "journal"), key)
    journal.begun(RunsCode(ran))  # type: ignore[arg-type]
    journal.started(0)
    journal.finished(b"entry")
    planted = (tmp_path / "journal").read_bytes()
    assert noted_in(planted) == ([], None)
    assert not ran.exists()
    assert noted_in(planted, key=key) == ([b"entry"], None)
    assert ran.exists()


def test_a_journal_of_another_batch_counts_for_none(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"), KEY)
    journal.begun(WorkerFacts("host", "node", 7, 1.0))
    journal.finished(b"entry")
    data = (tmp_path / "journal").read_bytes()
    remains = read_remains("journal", BatchRemnants(data, "", "", "", ""), KEY, 3)
    assert remains.worker == WorkerFacts("host", "node", 7, 1.0)
    assert journal_key(KEY, "journal") != journal_key(KEY, "another")
    assert noted_in(data, "another") == ([], None)


def test_a_running_call_that_the_batch_does_not_have_is_none(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"), KEY)
    journal.started(3)
    data = (tmp_path / "journal").read_bytes()
    for count, running in ((4, 3), (3, None)):
        remains = read_remains("journal", BatchRemnants(data, "", "", "", ""), KEY, count)
        assert remains.running == running


def test_a_journal_grows_with_what_is_noted(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    entries: list[bytes | PlainEntry] = [
        PlainEntry(each, 1.0, 2.0, bytes(each)) for each in range(500)
    ]
    entries += [b"x" * 300_000, b"y"]
    journal = Journal(path, KEY)
    write(journal, entries)
    journal.started(502)
    assert noted_at(path) == (entries, 502)
    journal.close()


def test_a_batch_that_ends_without_an_answer_leaves_its_journal(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")

    def ends_badly() -> None:
        with Journal(path, KEY) as journal:
            journal.started(0)
            journal.succeeded(0, 1.0, 2.0, b"made")
            journal.started(1)
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        ends_badly()
    assert noted_at(path) == ([PlainEntry(0, 1.0, 2.0, b"made")], 1)


def test_where_there_is_no_room_the_steps_go_on(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, KEY) as journal:
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
        assert noted_at(path) == ([b"first"], 1)

"""The thread that writes a run's log: nothing waits for it, and nothing is lost."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rayexec import In, Nothing, StoreError, job, op
from rayexec.events import Attempt, RunStatus, Successes
from rayexec.execute import Observer
from rayexec.store import CancelRequest, DirectoryRunStore, MemoryRunStore, RunRecord, background
from rayexec.store.background import BackgroundWriter
from rayexec.store.reading import StoredLog

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
_LONGEST_S = 30


class SlowWriter:
    """A writer of a run that calls ``before_append`` before each append, and notes its calls."""

    interval = 0.5
    poll_interval = 0.2

    def __init__(self, before_append: Callable[[], Any] = lambda: None) -> None:
        self.calls: list[Any] = []
        self._before_append = before_append

    def append(self, data: bytes) -> None:
        self._before_append()
        self.calls.append(data)

    def update(self, record: RunRecord) -> None:
        self.calls.append(record.run_id)

    def asked(self) -> CancelRequest | None:
        return None

    def close(self) -> None:
        self.calls.append("closed")


class SlowStore(MemoryRunStore):
    """A store that calls ``before_append`` before each append to a log."""

    def __init__(self, before_append: Callable[[], Any]) -> None:
        super().__init__()
        self._before_append = before_append

    def create(self, record: RunRecord) -> Any:
        writer = super().create(record)
        append = writer.append

        def slow(data: bytes) -> None:
            self._before_append()
            append(data)

        writer.append = slow  # type: ignore[method-assign]
        return writer


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_store_that_does_not_answer_holds_up_no_step() -> None:
    answers = threading.Event()
    store = SlowStore(lambda: answers.wait(_LONGEST_S))

    @op
    def nap(context) -> None:  # type: ignore[no-untyped-def]
        context.log.info("a line")  # Lines of a running step are written at once.
        time.sleep(0.3)

    @op
    def last(starts: list[None]) -> bool:
        was_waiting = not answers.is_set()
        answers.set()
        return was_waiting

    @job
    def napping() -> None:
        last([nap(), nap(), nap(), nap()])

    result = napping.execute(IN_PROCESS, store=store)
    assert result.output_for_node("last") is True
    assert store.open(result.run_id).record().status == RunStatus.SUCCESS
    log = StoredLog(store.open(result.run_id))
    assert len(list(log.attempts())) == 5
    assert [event.event_type.name for event in log.events()][-1] == "RUN_SUCCESS"


class AnswersAtEnd(Observer):
    """Lets a store answer with the record of the last of four steps."""

    def __init__(self, answers: threading.Event) -> None:
        self._answers = answers
        self._left = 4

    def recorded(self, record: Any) -> None:
        if isinstance(record, (Attempt, Successes)):
            self._left -= len(record.steps) if isinstance(record, Successes) else 1
        if self._left == 0:
            self._answers.set()


def test_on_ray_a_store_that_does_not_answer_holds_up_no_step(ray_session: None) -> None:
    answers = threading.Event()
    store = SlowStore(lambda: answers.wait(_LONGEST_S))

    @op
    def nap(previous: int = 0) -> int:
        time.sleep(0.4)
        return previous + 1

    @job
    def napping() -> None:
        nap.alias("d")(nap.alias("c")(nap.alias("b")(nap.alias("a")())))

    began = time.monotonic()
    result = napping.execute(store=store, observer=AnswersAtEnd(answers), keep_outputs="leaves")
    assert time.monotonic() - began < _LONGEST_S
    assert answers.is_set()
    assert len(list(StoredLog(store.open(result.run_id)).attempts())) == 4


def test_an_error_of_a_late_write_ends_the_run_as_an_early_one_does() -> None:
    fails = threading.Event()

    def fail() -> None:
        fails.wait(_LONGEST_S)
        raise StoreError("the store is gone")

    ran: list[int] = []

    @op
    def early() -> None:
        time.sleep(0.7)
        fails.set()
        time.sleep(0.3)

    @op(ins={"start": In(Nothing)})
    def late() -> None:
        ran.append(1)

    @job
    def failing() -> None:
        late(early())

    result = failing.execute(IN_PROCESS, store=SlowStore(fail), raise_on_error=False)
    assert result.status == RunStatus.FAILURE
    assert "the store is gone" in str(result.error)
    assert ran == []


def test_all_that_was_appended_is_written_in_order_before_the_record() -> None:
    slow = SlowWriter(lambda: time.sleep(0.001))
    writer = BackgroundWriter(slow)
    parts = [b"%d," % number for number in range(300)]
    for part in parts:
        writer.append(part)
    writer.update(RunRecord("end", "j"))
    writer.close()
    assert slow.calls[-2:] == ["end", "closed"]
    assert b"".join(slow.calls[:-2]) == b"".join(parts)
    assert not writer.is_behind


def test_what_waits_for_the_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_MOST_BYTES", 50)
    answers = threading.Semaphore(0)
    slow = SlowWriter(answers.acquire)
    writer = BackgroundWriter(slow)
    appended: list[int] = []

    def append() -> None:
        for number in range(10):
            writer.append(bytes(20))
            appended.append(number)

    thread = threading.Thread(target=append)
    thread.start()
    await_(lambda: len(appended) == 2)
    thread.join(0.2)
    assert len(appended) == 2  # The third one waits, since 60 bytes do.
    answers.release(20)
    thread.join(_LONGEST_S)
    writer.end()
    assert sum(map(len, slow.calls)) == 200


def test_an_error_comes_with_each_later_call_but_the_record_can_be_written() -> None:
    def fail() -> None:
        raise StoreError("no")

    slow = SlowWriter(fail)
    writer = BackgroundWriter(slow)
    writer.append(b"a")
    await_(lambda: writer._error is not None)
    for call in (partial(writer.append, b"b"), writer.check, writer.end):
        with pytest.raises(StoreError, match="no"):
            call()
    writer.update(RunRecord("end", "j"))
    writer.close()
    assert slow.calls == ["end", "closed"]


def test_an_error_at_the_end_is_not_lost() -> None:
    answers = threading.Event()

    def fail() -> None:
        answers.wait(_LONGEST_S)
        raise StoreError("no")

    writer = BackgroundWriter(SlowWriter(fail))
    writer.append(b"a")
    answers.set()
    with pytest.raises(StoreError, match="no"):
        writer.end()


def test_the_thread_ends_with_the_run(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    before = threading.active_count(), len(os.listdir("/proc/self/task"))
    for number in range(20):
        writer = BackgroundWriter(store.create(RunRecord(f"r{number}", "j")))
        writer.append(b"a")
        if number % 2:
            writer.end()
            writer.append(b"b")
        writer.close()
        assert b"".join(store.open(f"r{number}").log()) == (b"ab" if number % 2 else b"a")
    await_(lambda: len(os.listdir("/proc/self/task")) <= before[1])


def test_where_no_thread_can_start_the_caller_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    slow = SlowWriter()
    writer = BackgroundWriter(slow)
    writer.append(b"a")
    assert slow.calls == [b"a"]
    writer.append(b"b")
    writer.close()
    assert slow.calls == [b"a", b"b", "closed"]


def test_a_forked_process_writes_nothing(tmp_path: Path) -> None:
    answers = threading.Event()
    slow = SlowWriter(lambda: answers.wait(_LONGEST_S))
    writer = BackgroundWriter(slow)
    writer.append(b"parent")  # The thread holds it now, and may hold the lock.
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(20)
            writer.append(b"child")
            writer.end()
            writer.update(RunRecord("child", "j"))
            writer.close()
            code = 0 if slow.calls == [] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    answers.set()
    writer.close()
    assert slow.calls == [b"parent", "closed"]


_KILLED = """
import ctypes, sys, time
from pathlib import Path
from rayexec import job, op

@op
def early():
    time.sleep(0.7)

@op
def between(start):
    time.sleep(0.7)

@op
def stubborn(start):
    Path(sys.argv[1], "inside").touch()
    ctypes.PyDLL(None).sleep(60)  # Holds the interpreter's lock, so no other thread runs.

@job
def jobs():
    stubborn(between(early()))

jobs.execute({"execution": {"config": {"in_process": {}}}}, store=sys.argv[1])
"""


def test_a_driver_that_is_killed_loses_no_more_than_half_a_second(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)])
    try:
        await_(lambda: (tmp_path / "inside").exists())
    finally:
        process.kill()
        process.wait()
    [record] = DirectoryRunStore(tmp_path).list()
    log = StoredLog(DirectoryRunStore(tmp_path).open(record.run_id))
    assert [log.keys[attempt.step] for attempt in log.attempts()] == ["early", "between"]


_IN_THREAD = """
import concurrent.futures.thread, sys, threading, time  # The first cannot load so late.
from rayexec import job, op

@op
def nap():
    time.sleep(0.6)

@job
def jobs():
    nap(); nap.alias("b")()

def run():
    time.sleep(0.2)  # Until the main thread is through.
    jobs.execute({"execution": {"config": {"in_process": {}}}}, store=sys.argv[1])

threading.Thread(target=run).start()
"""


def test_a_run_outlives_the_main_thread(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _IN_THREAD, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    [record] = DirectoryRunStore(tmp_path).list()
    assert record.status == RunStatus.SUCCESS

"""A log that is read on while it is written, and what it says of attempts that are not over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from store_kinds import KINDS, make_store

from rayexec import EventType, job, op
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    BatchFacts,
    Event,
    LiveLines,
    LogLine,
    StepBlockedData,
    StreamPart,
    Successes,
    expand_attempt,
)
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, RunRecord, RunStore, settled
from rayexec.store.reading import FollowedLog, StoredLog
from rayexec.store.writing import LogWriter


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A run store of each kind."""
    return make_store(request.param, tmp_path)


@op
def first() -> int:
    return 1


@op
def second(value: int) -> int:
    return value


@job
def both() -> None:
    second(first())


def begin(store: RunStore) -> LogWriter:
    """Begin to write a run of two steps."""
    writer = LogWriter(compile_job(both), store.create(RunRecord("r", "both")))
    write(writer, Event(EventType.RUN_START, "It starts.", 1.0))
    return writer


def write(writer: LogWriter, *records: Any) -> None:
    for each in records:
        writer.add(each)
    writer.write()


def live(
    step: int, text: str, start: int, *logs: str, first: int = 0, pid: int = 7, number: int = 0
) -> LiveLines:
    lines = tuple([LogLine(2.0, 20, each) for each in logs])
    return LiveLines(
        step, number, pid, 2.0 + start, lines, first, StreamPart(text, start, start + len(text))
    )


def said(events: Iterable[Event]) -> list[str]:
    """Return what was logged and printed, as events tell it."""
    found = []
    for event in events:
        if event.event_type is EventType.LOG_MESSAGE:
            found.append(f"{event.step_key} {event.message}")
        elif event.event_type is EventType.LOGS_CAPTURED:
            found += [
                f"{event.step_key} {line}"
                for line in event.event_specific_data["stdout"].splitlines()
            ]
    return found


LINES = tuple([LogLine(2.0, 20, each) for each in ("one", "two")])
ENDED = Attempt(0, 0, SUCCESS, 1.0, 3.0, logs=LINES, stdout="a\nb\nc\n", pid=7)


def test_lines_of_an_attempt_that_goes_on_count_until_it_is_recorded(store: RunStore) -> None:
    writer = begin(store)
    write(writer, live(0, "a\n", 0, "one"))
    assert said(StoredLog(store.open("r")).events()) == ["first one", "first a"]
    write(writer, live(0, "b\n", 2))
    assert said(StoredLog(store.open("r")).events()) == ["first one", "first a", "first b"]
    write(writer, ENDED)
    log = StoredLog(store.open("r"))
    assert said(log.events()) == ["first one", "first two", "first a", "first b", "first c"]
    assert [type(each) for each in log.entries()] == [Event, Attempt]
    write(writer, live(1, "x\n", 0), Successes([1], [0], array("d", [4.0]), array("d", [5.0]), 7))
    assert said(StoredLog(store.open("r")).events()) == [
        "first one",
        "first two",
        "first a",
        "first b",
        "first c",
    ]


def test_facts_of_a_log_grow_with_it_and_are_decoded_once(store: RunStore) -> None:
    storage = store.create(RunRecord("r", "both"))
    log = StoredLog(store.open("r"))
    assert (log.keys, log.predecessors, log.batches, log.blocked) == ([], [], {}, {})
    writer = LogWriter(compile_job(both), storage)
    write(writer, Event(EventType.RUN_START, "It starts.", 1.0))
    log.read_on()
    assert log.keys == ["first", "second"]
    assert [list(each) for each in log.predecessors or ()] == [[], [0]]
    for batch in range(3):
        write(writer, BatchFacts(batch, "host"), ENDED._replace(batch=batch))
        log.read_on()
        assert list(log.batches) == list(range(batch + 1))
    assert log.blocked == {}
    writer.write({(0, 0): StepBlockedData("x=1", 0.5), (1, 0): StepBlockedData("x=1", 0.7)})
    log.read_on()
    assert log.blocked[1, 0] == StepBlockedData("x=1", 0.7)
    whole = StoredLog(store.open("r"))
    assert (log.blocked, log.batches) == (whole.blocked, whole.batches)
    # A page asks for them with each attempt.
    for facts in (whole.blocked, whole.batches):
        first_time = list(facts.values())
        again = whole.blocked if facts is whole.blocked else whole.batches
        assert [id(each) for each in again.values()] == [id(each) for each in first_time]


def test_a_log_is_followed_without_a_line_twice(store: RunStore) -> None:
    writer = begin(store)
    log = FollowedLog(store.open("r"))
    assert [each.event_type.name for each in log.news()] == ["RUN_START"]
    assert list(log.news()) == []
    write(writer, live(0, "a\n", 0, "one"))
    assert said(log.news()) == ["first one", "first a"]
    write(writer, live(0, "c\n", 4))  # b was left out
    assert said(log.news()) == ["first c"]
    write(writer, ENDED)
    ended = list(log.news())
    assert said(ended) == ["first two", "first b"]
    assert [each.event_type.name for each in ended][-1] == "STEP_SUCCESS"
    write(writer, Successes([1], [0], array("d", [4.0]), array("d", [5.0]), 7))
    assert "STEP_SUCCESS" in [each.event_type.name for each in log.news()]
    assert list(log.news()) == []


def test_who_comes_in_the_middle_has_what_was_told_before_once(store: RunStore) -> None:
    writer = begin(store)
    write(writer, live(0, "a\n", 0, "one"), live(0, "b\n", 2))
    log = FollowedLog(store.open("r"))
    assert said(log.news()) == ["first one", "first a", "first b"]
    write(writer, ENDED)
    assert said(log.news()) == ["first two", "first c"]


def test_a_try_that_left_nothing_does_not_hide_what_the_next_one_says(store: RunStore) -> None:
    writer = begin(store)
    log = FollowedLog(store.open("r"))
    list(log.news())
    write(writer, live(0, "a\nb\n", 0, pid=6))
    assert said(log.news()) == ["first a", "first b"]
    write(writer, ENDED)
    assert said(log.news()) == ["first one", "first two", "first a", "first b", "first c"]
    assert said(StoredLog(store.open("r")).events()) == [
        "first one",
        "first two",
        "first a",
        "first b",
        "first c",
    ]


def test_retries_are_told_apart(store: RunStore) -> None:
    writer = begin(store)
    log = FollowedLog(store.open("r"))
    list(log.news())
    write(writer, live(0, "a\n", 0), Attempt(0, 0, FAILURE, 1.0, 2.0, stdout="a\nb\n", pid=0))
    write(writer, live(0, "a\n", 0, number=1), ENDED._replace(attempt_number=1, logs=()))
    assert said(log.news()) == ["first a", "first b", "first a", "first b", "first c"]


def test_what_kept_attempts_waiting_comes_last_to_who_follows(store: RunStore) -> None:
    writer = begin(store)
    log = FollowedLog(store.open("r"))
    list(log.news())
    write(writer, ENDED)
    list(log.news())
    blocked = StepBlockedData("a limit", 0.5)
    writer.write({(0, 0): blocked})
    [told] = log.news()
    assert told == next(iter(expand_attempt(ENDED, "first", (), blocked, "both")))
    assert told in list(StoredLog(store.open("r")).events())


def test_a_frame_that_is_not_whole_yet_is_read_once_it_is(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    writer = begin(store)
    log = FollowedLog(store.open("r"))
    list(log.news())
    write(writer, ENDED)
    file = tmp_path / "runs/r/events/00000000.log"
    whole = file.read_bytes()
    write(writer, live(1, "x\n", 0))
    file.write_bytes(whole[:-5])
    assert list(log.news()) == []
    with file.open("r+b") as again:
        again.write(whole)
    assert said(log.news())[0] == "first one"


def test_only_what_is_new_is_read(store: RunStore) -> None:
    writer, starts = begin(store), []

    class Counted:
        run_id = "r"

        def log(self, start: int = 0) -> Any:
            starts.append(start)
            return store.open("r").log(start)

        def record(self) -> RunRecord:
            return store.open("r").record()

    log = FollowedLog(Counted())  # type: ignore[arg-type]  # all that a log asks of a reader
    list(log.news())
    write(writer, ENDED)
    list(log.news())
    list(log.news())
    sizes = [sum(map(len, store.open("r").log(start))) for start in starts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0


DRIVER = """
import os, sys, time
from rayexec import job, op

@op
def talk(context):
    context.log.info("logged")
    print("printed")
    time.sleep(600)

@job
def talking():
    talk()

talking.execute(store=sys.argv[1], run_id="r", address=sys.argv[2])
"""


@pytest.mark.long("waits for processes for some seconds")
def test_a_driver_that_is_killed_leaves_what_it_was_told(tmp_path: Path, ray_session: None) -> None:
    import ray

    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    address = ray.get_runtime_context().gcs_address
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    store = DirectoryRunStore(tmp_path / "store")
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "store"), address], env=environment
    ) as driver:
        deadline = time.monotonic() + 180
        expected = ["talk logged", "talk printed"]
        while not store.list() or said(StoredLog(store.open("r")).events())[:2] != expected:
            assert time.monotonic() < deadline, "nothing was recorded"
            assert driver.poll() is None
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
    assert settled(store.open("r").record()).note == "driver died"
    log = StoredLog(store.open("r"))
    assert said(log.events()) == expected
    assert list(log.attempts()) == []

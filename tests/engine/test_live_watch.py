"""Live lines of a step, and the rest of its lines at its end."""

from __future__ import annotations

import os
import pickle
import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.definitions.contexts import StepLog
from rayexec.engine.ray.driver.mailbox import Mailbox
from rayexec.engine.ray.protocol.batch_files import CAPTURE_LIMIT_BYTES
from rayexec.engine.ray.protocol.messages import LinesLogged, decode
from rayexec.engine.ray.protocol.remains import read_captured
from rayexec.engine.ray.worker.capture import Capture
from rayexec.engine.ray.worker.live_lines import LIVE_AFTER_S, LiveStep, StreamTail, watch_live
from rayexec.engine.ray.worker.report_sender import ReportSender
from rayexec.engine.ray.worker.running_batch import RunningBatch
from rayexec.events import SUCCESS, Attempt, DeliveredLines, LiveLines, LogLine, StreamPart

MOST = 20 * 1024


class Step:
    """A call of a batch that has run for longer than it takes to be told of, and the files that it
    prints into.
    """

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "journal")
        self.work = RunningBatch(3, 2, ReportSender(None))
        self.start()
        self._files = [
            os.open(f"{self.path}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for name in ("stdout", "stderr")
        ]
        self.live = LiveStep(self.path, self.work)

    def start(self) -> None:
        assert self.work.may_start(self.work.current + 1)
        self.work.since = time.monotonic() - LIVE_AFTER_S

    def prints(self, data: bytes, stream: int = 0) -> None:
        assert os.write(self._files[stream], data) == len(data)

    def told(self, log: StepLog | None = None) -> LiveLines:
        lines = self.live.news(log)
        assert lines is not None
        assert len(pickle.dumps(lines)) <= 64 * 1024
        return lines

    def close(self) -> None:
        for each in self._files:
            os.close(each)
        self.live.close()

    def ended(self, log: StepLog | None = None) -> Attempt:
        """Return the attempt as it comes at the end."""
        kept = [
            Path(f"{self.path}.{name}").read_bytes()[:CAPTURE_LIMIT_BYTES]
            for name in ("stdout", "stderr")
        ]
        stdout, stderr = (each.decode("utf-8", "backslashreplace") for each in kept)
        logs = tuple(log.lines) if log is not None else ()
        return Attempt(
            0, 0, SUCCESS, 0.0, 1.0, logs=logs, stdout=stdout, stderr=stderr, pid=os.getpid()
        )


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Step]:
    """A step that runs."""
    made = Step(tmp_path)
    yield made
    made.close()


def test_a_line_is_told_once_it_is_whole(step: Step) -> None:
    step.prints(b"one\ntw")
    assert step.told().stdout == StreamPart("one\n", 0, 4)
    assert step.live.news(None) is None
    step.prints(b"o\nthree\nfou")
    assert step.told().stdout == StreamPart("two\nthree\n", 4, 14)


def test_a_character_that_is_split_over_two_reads_is_whole(step: Step) -> None:
    data = "ä€😀\n".encode()
    for end in range(len(data)):
        step.prints(data[end : end + 1])
        if end < len(data) - 1:
            assert step.live.news(None) is None
    assert step.told().stdout.text == "ä€😀\n"


def test_what_is_not_utf_8_is_told_as_it_comes_in_the_end(step: Step) -> None:
    step.prints(b"odd \xff\xfe\xe2\n", 1)
    told = step.told().stderr
    assert told.text == "odd \\xff\\xfe\\xe2\n" == step.ended().stderr
    assert (told.start, told.end) == (0, len(told.text))


CHUNKS = st.lists(
    st.binary(max_size=40) | st.sampled_from(["ä\n", "€", "\n\n", "x" * 50]).map(str.encode),
    max_size=12,
)


@given(CHUNKS, st.integers(2, 60))
def test_told_and_rest_are_the_text_of_the_attempt_without_a_character_twice(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], most: int
) -> None:
    path = str(tmp_path_factory.mktemp("tail") / "journal")
    tail, told, pieces = StreamTail(f"{path}.stdout"), DeliveredLines(), []
    left_out = 0
    with open(f"{path}.stdout", "wb", buffering=0) as file:
        for chunk in chunks:
            file.write(chunk)
            news = tail.news(most)
            assert len(news.text.encode()) <= most
            told.add(LiveLines(0, 0, 1, 0.0, stdout=news))
            pieces.append(news)
            left_out += news.left_out
    tail.close()
    whole, _ = read_captured(path)
    assert all(piece.text == whole[piece.start : piece.end] for piece in pieces)
    rest = told.remainder_of(Attempt(0, 0, SUCCESS, 0.0, 1.0, stdout=whole, pid=1)).stdout
    assert sum(len(piece.text) for piece in pieces) + len(rest) == len(whole)
    assert len(rest) >= left_out


def test_ten_megabytes_at_once_are_one_small_message_of_the_last_lines(step: Step) -> None:
    lines = [b"%07d\n" % number for number in range(1_310_720)]
    step.prints(b"".join(lines))
    told = step.told().stdout
    assert told.text.endswith("1310719\n")
    assert len(told.text) > MOST // 2
    assert told.text[:8] == f"{(told.left_out // 8):07d}\n"
    assert told.left_out + len(told.text) == 8 * 1_310_720
    assert step.live.news(None) is None
    ended, memory = step.ended(), DeliveredLines()
    memory.add(LiveLines(0, 0, ended.pid, 0.0, stdout=told))
    assert (
        memory.remainder_of(ended).stdout == ended.stdout
    )  # since the end of it is not what an attempt keeps


def test_what_an_attempt_keeps_is_told_once_also_around_its_end(step: Step) -> None:
    memory, shown = DeliveredLines(), ""
    for number in range(CAPTURE_LIMIT_BYTES // 10_000 + 30):
        step.prints((f"{number:04d} " + "ü" * 4_997).encode()[:9_999] + b"\n")
        lines = step.live.news(None)
        if lines is not None:
            memory.add(lines)
            shown += lines.stdout.text
    ended = step.ended()
    whole = shown + memory.remainder_of(ended).stdout
    numbers = [line[:4] for line in whole.splitlines()]
    kept = [line[:4] for line in ended.stdout.splitlines()]
    assert set(kept) <= set(numbers)
    assert (
        len(set(numbers)) >= len(numbers) - 1
    )  # the line in which the attempt's text ends comes again in part


def test_a_step_that_goes_on_printing_is_told_of_in_smaller_messages(step: Step) -> None:
    sizes = []
    for _ in range(80):
        step.prints(b"x" * 99 * 400 + b"\n" + b"y" * 99 * 100 + b"\n" + (b"z" * 99 + b"\n") * 300)
        sizes.append(len(step.told().stdout.text))
    assert max(sizes[:40]) > 15_000
    assert max(sizes[-10:]) <= MOST // 8


def test_a_line_without_an_end_is_told_in_parts(step: Step) -> None:
    step.prints(b"." * (MOST + 1))
    told = step.told().stdout
    assert (told.end, told.left_out) == (MOST + 1, 1)


def test_log_lines_are_told_once_and_the_last_ones_where_they_are_many(step: Step) -> None:
    log, memory = StepLog(), DeliveredLines()
    log.info("first")
    told = step.told(log)
    assert ([line.message for line in told.logs], told.first) == (["first"], 0)
    for number in range(1_000):
        log.info(f"{number} {'w' * 100}")
    second = step.told(log)
    assert second.logs[-1].message.startswith("999 ")
    assert second.first + len(second.logs) == 1_001
    log.info("last")
    for lines in (told, second):
        memory.add(lines._replace(step=0))
    rest = memory.remainder_of(step.ended(log)).logs
    assert len(told.logs) + len(second.logs) + len(rest) == 1_002
    assert rest[-1].message == "last"
    assert {line.message for line in (*told.logs, *second.logs, *rest)} == {
        line.message for line in log.lines
    }


def test_a_dead_worker_s_lines_are_those_that_were_told() -> None:
    memory, lines = DeliveredLines(), tuple([LogLine(1.0, 20, str(number)) for number in range(3)])
    memory.add(LiveLines(0, 0, 7, 0.0, lines[:1], 0))
    memory.add(LiveLines(0, 0, 7, 0.0, lines[2:], 2))
    assert (
        memory.remainder_of(Attempt(0, 0, SUCCESS, 0.0, 1.0, logs=(lines[0], lines[2]))).logs == ()
    )


def test_what_was_told_of_another_try_is_not_taken_for_this_one() -> None:
    memory, attempt = DeliveredLines(), Attempt(0, 0, SUCCESS, 0.0, 1.0, stdout="said\n", pid=8)
    memory.add(LiveLines(0, 0, 7, 0.0, stdout=StreamPart("said\n", 0, 5)))
    assert memory.remainder_of(attempt) is attempt
    memory.add(LiveLines(0, 0, 8, 0.0, stdout=StreamPart("said\n", 0, 5)))
    assert memory.remainder_of(attempt._replace(attempt_number=1)).stdout == "said\n"


def test_the_watch_tells_of_the_call_that_runs_and_of_no_other(tmp_path: Path) -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    path = str(tmp_path / "journal")
    try:
        work = RunningBatch(9, 3, ReportSender(mailbox.open_channel(bodies.put)))
        with Capture(path) as capture:
            watch_live(work, path)
            for position, words in enumerate((b"zero\n", b"one\n")):
                assert work.may_start(position)
                log = StepLog()
                log.info("logged")
                work.log = position, log
                work.since = time.monotonic() - LIVE_AFTER_S
                os.write(1, words)
                message = decode(bodies.get(timeout=20))
                assert isinstance(message, LinesLogged)
                told = message.lines
                assert (message.batch_id, told.pid, told.step) == (9, os.getpid(), position)
                assert told.stdout.text == words.decode()
                assert [line.message for line in told.logs] == ["logged"]
                assert capture.drain() == (words.decode(), "")
                work.since = time.monotonic()
            assert work.may_start(
                2
            )  # which is told of by no log of another call, and not before its time
            os.write(1, b"two\n")
            work.since = time.monotonic() - LIVE_AFTER_S
            message = decode(bodies.get(timeout=20))
            assert isinstance(message, LinesLogged)
            told = message.lines
            assert (told.step, told.logs, told.stdout.text) == (2, (), "two\n")
            work.is_over = True
        assert bodies.empty()
    finally:
        mailbox.close()

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

from rayexec.definitions.surroundings import StepLog
from rayexec.engine.ray.driver.mailbox import Mailbox
from rayexec.engine.ray.protocol.batch_files import CAPTURE_LIMIT_BYTES
from rayexec.engine.ray.protocol.worker_messages import LinesLogged, decode
from rayexec.engine.ray.worker.capture import Capture
from rayexec.engine.ray.worker.live_watch import LIVE_AFTER_S, LiveStep, StreamTail, watch_live
from rayexec.engine.ray.worker.report_sender import ReportSender
from rayexec.engine.ray.worker.running_batch import RunningBatch
from rayexec.events import SUCCESS, Attempt, DeliveredLines, LiveLines, LogLine, StreamPart

MOST = 20 * 1024


class Step:
    """A long-running call of a batch, with the files of its output."""

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

    def news(self, log: StepLog | None = None) -> LiveLines:
        lines = self.live.news(log)
        assert lines is not None
        assert len(pickle.dumps(lines)) <= 64 * 1024
        return lines

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self.live.close()

    def ended(self, log: StepLog | None = None) -> Attempt:
        """Return the attempt as it comes at the end."""
        captured = [
            Path(f"{self.path}.{name}").read_bytes()[:CAPTURE_LIMIT_BYTES]
            for name in ("stdout", "stderr")
        ]
        stdout, stderr = (data.decode("utf-8", "backslashreplace") for data in captured)
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


def test_a_whole_line_is_reported(step: Step) -> None:
    step.prints(b"one\ntw")
    assert step.news().stdout == StreamPart("one\n", 0, 4)
    assert step.live.news(None) is None
    step.prints(b"o\nthree\nfou")
    assert step.news().stdout == StreamPart("two\nthree\n", 4, 14)


def test_a_character_that_is_split_over_two_reads_is_whole(step: Step) -> None:
    data = "ä€😀\n".encode()
    for end in range(len(data)):
        step.prints(data[end : end + 1])
        if end < len(data) - 1:
            assert step.live.news(None) is None
    assert step.news().stdout.text == "ä€😀\n"


def test_bytes_outside_of_utf_8_read_as_in_the_attempt(step: Step) -> None:
    step.prints(b"odd \xff\xfe\xe2\n", 1)
    part = step.news().stderr
    assert part.text == "odd \\xff\\xfe\\xe2\n" == step.ended().stderr
    assert (part.start, part.end) == (0, len(part.text))


CHUNKS = st.lists(
    st.binary(max_size=40) | st.sampled_from(["ä\n", "€", "\n\n", "x" * 50]).map(str.encode),
    max_size=12,
)


@given(CHUNKS, st.integers(2, 60))
def test_live_text_and_remainder_are_the_attempt_s_without_a_character_twice(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], most: int
) -> None:
    path = str(tmp_path_factory.mktemp("tail") / "journal")
    tail, delivered, pieces = StreamTail(f"{path}.stdout"), DeliveredLines(), []
    left_out = 0
    with open(f"{path}.stdout", "wb", buffering=0) as file:
        for chunk in chunks:
            file.write(chunk)
            news = tail.news(most)
            assert len(news.text.encode()) <= most
            delivered.add(LiveLines(0, 0, 1, 0.0, stdout=news))
            pieces.append(news)
            left_out += news.left_out
    tail.close()
    whole = Path(f"{path}.stdout").read_bytes().decode("utf-8", "backslashreplace")
    assert all(piece.text == whole[piece.start : piece.end] for piece in pieces)
    rest = delivered.remainder_of(Attempt(0, 0, SUCCESS, 0.0, 1.0, stdout=whole, pid=1)).stdout
    assert sum(len(piece.text) for piece in pieces) + len(rest) == len(whole)
    assert len(rest) >= left_out


def test_ten_megabytes_at_once_are_one_small_message_of_the_last_lines(step: Step) -> None:
    lines = [b"%07d\n" % index for index in range(1_310_720)]
    step.prints(b"".join(lines))
    part = step.news().stdout
    assert part.text.endswith("1310719\n")
    assert len(part.text) > MOST // 2
    assert part.text[:8] == f"{(part.left_out // 8):07d}\n"
    assert part.left_out + len(part.text) == 8 * 1_310_720
    assert step.live.news(None) is None
    ended, memory = step.ended(), DeliveredLines()
    memory.add(LiveLines(0, 0, ended.pid, 0.0, stdout=part))
    assert (
        memory.remainder_of(ended).stdout == ended.stdout
    )  # since the end of it is not what an attempt keeps


def test_lines_around_the_limit_of_an_attempt_are_reported_once(step: Step) -> None:
    memory, shown = DeliveredLines(), ""
    for index in range(CAPTURE_LIMIT_BYTES // 10_000 + 30):
        step.prints((f"{index:04d} " + "ü" * 4_997).encode()[:9_999] + b"\n")
        lines = step.live.news(None)
        if lines is not None:
            memory.add(lines)
            shown += lines.stdout.text
    ended = step.ended()
    whole = shown + memory.remainder_of(ended).stdout
    numbers = [line[:4] for line in whole.splitlines()]
    limited = [line[:4] for line in ended.stdout.splitlines()]
    assert set(limited) <= set(numbers)
    assert (
        len(set(numbers)) >= len(numbers) - 1
    )  # the line in which the attempt's text ends comes again in part


def test_a_chatty_step_gets_smaller_messages(step: Step) -> None:
    sizes = []
    for _ in range(80):
        step.prints(b"x" * 99 * 400 + b"\n" + b"y" * 99 * 100 + b"\n" + (b"z" * 99 + b"\n") * 300)
        sizes.append(len(step.news().stdout.text))
    assert max(sizes[:40]) > 15_000
    assert max(sizes[-10:]) <= MOST // 8


def test_a_line_without_an_end_is_reported_in_parts(step: Step) -> None:
    step.prints(b"." * (MOST + 1))
    part = step.news().stdout
    assert (part.end, part.left_out) == (MOST + 1, 1)


def test_log_lines_are_reported_once_and_of_many_the_last(step: Step) -> None:
    log, memory = StepLog(), DeliveredLines()
    log.info("first")
    first = step.news(log)
    assert ([line.message for line in first.logs], first.first) == (["first"], 0)
    for index in range(1_000):
        log.info(f"{index} {'w' * 100}")
    second = step.news(log)
    assert second.logs[-1].message.startswith("999 ")
    assert second.first + len(second.logs) == 1_001
    log.info("last")
    for lines in (first, second):
        memory.add(lines._replace(step=0))
    rest = memory.remainder_of(step.ended(log)).logs
    assert len(first.logs) + len(second.logs) + len(rest) == 1_002
    assert rest[-1].message == "last"
    assert {line.message for line in (*first.logs, *second.logs, *rest)} == {
        line.message for line in log.lines
    }


def test_a_dead_worker_s_lines_are_those_reported() -> None:
    memory, lines = DeliveredLines(), tuple([LogLine(1.0, 20, str(index)) for index in range(3)])
    memory.add(LiveLines(0, 0, 7, 0.0, lines[:1], 0))
    memory.add(LiveLines(0, 0, 7, 0.0, lines[2:], 2))
    assert (
        memory.remainder_of(Attempt(0, 0, SUCCESS, 0.0, 1.0, logs=(lines[0], lines[2]))).logs == ()
    )


def test_lines_of_another_attempt_do_not_count() -> None:
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
            watch_live(work, path, capture)
            for position, printed in enumerate((b"zero\n", b"one\n")):
                log = StepLog()
                log.info("logged")
                assert work.may_start(position)
                work.since = time.monotonic() + 3600  # No part of it is told before the rest.
                work.log = position, log
                os.write(1, printed)
                work.since = time.monotonic() - LIVE_AFTER_S
                message = decode(bodies.get(timeout=120))
                assert isinstance(message, LinesLogged)
                lines = message.lines
                assert (message.batch_id, lines.pid, lines.step) == (
                    9,
                    os.getpid(),
                    position,
                )
                assert lines.stdout.text == printed.decode()
                assert [line.message for line in lines.logs] == ["logged"]
                assert capture.drain() == (printed.decode(), "")
                work.since = time.monotonic()
            assert work.may_start(
                2
            )  # no log of another call counts for it, and its time has not come
            os.write(1, b"two\n")
            work.since = time.monotonic() - LIVE_AFTER_S
            message = decode(bodies.get(timeout=120))
            assert isinstance(message, LinesLogged)
            lines = message.lines
            assert (lines.step, lines.logs, lines.stdout.text) == (2, (), "two\n")
            work.is_over = True
        assert bodies.empty()
    finally:
        mailbox.close()

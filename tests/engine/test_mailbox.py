"""Mailbox of a driver beside strangers: bounded memory, time and connections; no message twice."""

from __future__ import annotations

import contextlib
import os
import queue
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strangers import as_stranger

from rayexec import DynamicOut, DynamicOutput, RunResult, job, op
from rayexec.engine.process_memory import peak_rss
from rayexec.engine.ray.driver import mailbox as mailbox_module
from rayexec.engine.ray.driver.mailbox import Mailbox, mailbox_at
from rayexec.engine.ray.driver.resource_workers import ResourceWorkers
from rayexec.engine.ray.protocol.framing import (
    ACCEPTED,
    Address,
    FrameError,
    FrameReader,
    ReplayGuard,
    frame,
)
from rayexec.engine.ray.protocol.worker_messages import WorkerConnected, encode

MB = 1024 * 1024


def answer_on(connection: socket.socket) -> bytes:
    """Return the driver's answer, empty where it dropped the connection."""
    try:
        return connection.recv(100)
    except ConnectionError:
        return b""


class Opened:
    """A mailbox with one channel; ``bodies`` has what came."""

    def __init__(self) -> None:
        self.bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.mailbox = Mailbox("127.0.0.1")
        self.address = self.mailbox.open_channel(self.bodies.put)

    def send(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own, and end it; return the answer."""
        with contextlib.closing(self.connect()) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                return connection.recv(100)
            except OSError:  # dropped in the middle
                return b""

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address[:2], timeout=20)

    def check_delivery(self, body: bytes) -> None:
        """Fail unless a worker's message comes through, and nothing else did."""
        assert self.send(frame(self.address, body)) == ACCEPTED
        assert self.bodies.get(timeout=20) == body
        assert self.bodies.empty()


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    started = time.monotonic()
    made.mailbox.close()
    assert time.monotonic() - started < 2.0, "close() waits for somebody"


POUR = """
import socket, sys
left = 600 * 1024 * 1024
block = bytes(1024 * 1024)
drops = 0
while left > 0:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection:
        try:
            connection.sendall(bytes.fromhex(sys.argv[2]))
            while left > 0:
                left -= len(block)
                connection.sendall(block)
        except OSError:
            drops += 1
print(drops)
"""


@pytest.mark.parametrize("beginning", ["", (10**8).to_bytes(8, "little").hex()])
def test_600_mb_of_a_stranger_do_not_grow_the_driver(opened: Opened, beginning: str) -> None:
    before = peak_rss()
    drops = int(as_stranger(POUR, str(opened.address.port), beginning))
    assert drops > 100, "a stranger is heard for long"
    assert peak_rss() - before < 30 * MB
    opened.check_delivery(b"after all that")


IDLE = """
import resource, socket, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
idle = [
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) for _ in range(1500)
]
print("idle", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def idle_connections(port: int) -> Iterator[None]:
    command = [sys.executable, "-I", "-c", IDLE, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"idle\n"
        try:
            yield
        finally:
            stranger.kill()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def files_bound(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_1500_idle_connections_leave_files_and_room_for_workers(tmp_path: Path) -> None:
    with files_bound(open_files() + 300):
        opened = Opened()
        before = open_files()
        with idle_connections(opened.address.port):
            opened.check_delivery(b"beside the idle")
            assert open_files() - before <= mailbox_module.MOST_CONNECTIONS / 2
            (tmp_path / "of the store").write_text("there is a file for it")
            started = time.monotonic()
            opened.mailbox.close()
            assert time.monotonic() - started < 2.0
        assert open_files() < before


def test_1500_idle_connections_do_not_hold_up_the_end_of_a_run() -> None:
    workers = ResourceWorkers(mailbox_at("127.0.0.1"), ["thing"])
    with idle_connections(workers.address.port):
        started = time.monotonic()
        workers.close()
        assert time.monotonic() - started < 2.0
    assert workers.take_records() == ()


def test_a_process_without_free_files_hears_its_workers_as_soon_as_it_has_some(
    opened: Opened,
) -> None:
    with contextlib.ExitStack() as around:
        around.enter_context(files_bound(open_files() + 2))
        early = [around.enter_context(contextlib.closing(opened.connect())) for _ in range(2)]
        used = time.thread_time()
        time.sleep(0.1)  # not a proof: the longer, the more a loop without a pause would use
        assert time.thread_time() - used < 0.05
        assert early
    opened.check_delivery(b"there are files again")


def test_silent_peers_are_dropped_in_time(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox_module, "HEAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(mailbox_module, "MESSAGE_TIMEOUT_S", 0.4)
    with opened.connect() as stranger, opened.connect() as worker:
        worker.sendall(frame(opened.address, bytes(100))[:150])
        assert answer_on(stranger) == b""
        assert answer_on(worker) == b""
    assert opened.bodies.empty()


def dripping(address: Address, data: bytes, is_over: threading.Event) -> None:
    """Send a byte each 0.05 s, on a new connection whenever the last was dropped."""
    while not is_over.is_set():
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address[:2], timeout=5) as connection,
        ):
            for byte in data:
                connection.send(bytes([byte]))
                if is_over.wait(0.05):
                    return


@contextlib.contextmanager
def dripping_peers(address: Address, data: bytes) -> Iterator[None]:
    is_over = threading.Event()
    peers = [
        threading.Thread(target=dripping, args=(address, data, is_over), daemon=True)
        for _ in range(3)
    ]
    for peer in peers:
        peer.start()
    try:
        yield
    finally:
        is_over.set()
        for peer in peers:
            peer.join()


@pytest.mark.parametrize("is_stranger", [True, False])
def test_slow_peers_do_not_hold_up_the_others(opened: Opened, is_stranger: bool) -> None:
    data = bytes(1000) if is_stranger else frame(opened.address, bytes(900))
    with dripping_peers(opened.address, data):
        for index in range(50):
            started = time.monotonic()
            opened.check_delivery(b"%d" % index)
            assert time.monotonic() - started < 2.0


def test_a_run_streams_beside_slow_peers(
    execute_on_ray: Callable[..., RunResult], tmp_path: Path
) -> None:
    @op(out=DynamicOut(stream=True))
    def produce() -> Iterator[Any]:
        for index in range(3):
            yield DynamicOutput(index, f"k{index}")
            ends = time.monotonic() + 20
            while not (tmp_path / f"{index}").exists():
                if time.monotonic() > ends:
                    raise TimeoutError(f"the step of value {index} waits for the end")
                time.sleep(0.005)

    @op
    def take(value: int) -> None:
        (tmp_path / f"{value}").touch()

    @job
    def streaming() -> None:
        produce().map(take)

    mailbox = mailbox_at("127.0.0.1")
    address = mailbox.open_channel(lambda body: None)
    with dripping_peers(address, bytes(90)), socket.create_connection(address[:2]):
        result = execute_on_ray(streaming)
    mailbox.close_channel(address)
    assert result.success, [event.message for event in result.get_step_failure_events()]


def test_a_message_counts_once(opened: Opened) -> None:
    recorded = frame(opened.address, b"once")
    assert opened.send(recorded) == ACCEPTED
    for _ in range(3):
        assert opened.send(recorded) == b""
    assert opened.bodies.get(timeout=20) == b"once"
    opened.check_delivery(b"another")


def test_a_head_that_came_before_makes_nobody_wait_for_another_body(opened: Opened) -> None:
    recorded = frame(opened.address, bytes(40 * MB))
    assert opened.send(recorded) == ACCEPTED
    opened.bodies.get(timeout=20)
    before = peak_rss()
    for _ in range(5):
        assert opened.send(recorded[:96] + bytes(40 * MB)) == b""
    assert peak_rss() - before < 20 * MB
    opened.check_delivery(b"another")


def test_a_worker_that_keeps_resources_cannot_be_feigned_with_its_own_words() -> None:
    workers = ResourceWorkers(mailbox_at("127.0.0.1"), ["thing"])
    hello = frame(workers.address, encode(WorkerConnected(os.getpid(), "here")))
    with socket.create_connection(workers.address[:2], timeout=20) as worker:
        worker.sendall(hello)
        assert worker.recv(1) == ACCEPTED
        with socket.create_connection(workers.address[:2], timeout=20) as stranger:
            stranger.sendall(hello)
            assert answer_on(stranger) == b""
    workers.close()
    [record] = workers.take_records()  # of the worker alone
    assert record.error is not None
    assert "ended before it could close it" in record.error.message


def test_a_driver_keeps_no_more_workers_than_it_has_files_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rayexec.engine.ray.driver.resource_workers._MOST_WORKERS", 1)
    workers = ResourceWorkers(mailbox_at("127.0.0.1"), ["thing"])
    answers = []
    with contextlib.ExitStack() as around:
        for pid in (1, 2):
            worker = socket.create_connection(workers.address[:2], timeout=20)
            around.enter_context(worker)
            worker.sendall(frame(workers.address, encode(WorkerConnected(pid, "here"))))
            answers.append(answer_on(worker))
    workers.close()
    assert answers == [ACCEPTED, b""]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), data=st.data())
def test_cut_and_garbled_frames_leave_the_mailbox_in_order(
    opened: Opened, body: bytes, data: st.DataObject
) -> None:
    whole = frame(opened.address, body)
    kind = data.draw(st.sampled_from(["cut", "garbage", "changed", "long"]))
    if kind == "cut":
        sent = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "garbage":
        sent = data.draw(st.binary(max_size=300))
    elif kind == "changed":
        changed = bytearray(whole)
        changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        sent = bytes(changed)
    else:
        sent = whole + data.draw(st.binary(min_size=1, max_size=300))
    answer = opened.send(sent)
    if kind == "long":  # the frame counts, and what follows does not
        assert opened.bodies.get(timeout=20) == body
    else:
        assert answer == b""
    opened.check_delivery(b"whole")


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(0, 9000)), max_size=40))
def test_a_guard_admits_no_frame_twice(origins: list[tuple[bytes, int]]) -> None:
    guard = ReplayGuard()
    admitted = [origin for origin in origins if guard.admit((0, *origin))]  # type: ignore[arg-type]
    assert len(admitted) == len(set(admitted))
    newest: dict[bytes, int] = {}
    for sender, sequence in origins:
        if sequence > newest.get(sender, -1):
            assert (sender, sequence) in admitted
            newest[sender] = sequence


def test_frames_out_of_order_are_new_within_the_window() -> None:
    address = Address("127.0.0.1", 1, b"key")
    frames = [frame(address, b"%d" % index) for index in range(100)]
    reader = FrameReader(address.key, ReplayGuard().admit)
    bodies = [body for sent in reversed(frames) for _, body in reader.feed(sent)]
    assert bodies == [b"%d" % index for index in reversed(range(100))]
    with pytest.raises(FrameError, match="played again"):
        reader.feed(frames[50])


def test_a_reader_holds_one_head_of_a_stranger() -> None:
    reader = FrameReader(b"key")
    assert reader.missing == 96
    assert reader.feed(bytes(95)) == []
    assert reader.missing == 1
    with pytest.raises(FrameError, match="another key's seal"):
        reader.feed(b"0")

"""Watch over a cluster's head: signs of life, silence, and who is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from ports import free_port

from rayexec.cluster import gcs_watch
from rayexec.cluster.gcs_watch import GcsWatch, answers, silence_allowed


class Head:
    """Server that answers each visitor with some bytes, until it is told to be silent."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.is_silent = False
        self.visits = threading.Semaphore(0)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                self._open.append(connection)
                self.visits.release()
                if not self.is_silent:
                    connection.recv(100)
                    connection.sendall(b"alive")
                    connection.close()

    def close(self) -> None:
        """Die."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def head() -> Iterator[Head]:
    head = Head()
    yield head
    head.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs_watch, "LOOK_INTERVAL_S", 0.02)
    monkeypatch.setattr(gcs_watch, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(gcs_watch, "SILENCE_S", 0.3)


def test_a_head_lives_that_says_anything(head: Head) -> None:
    assert answers(head.address)
    head.is_silent = True
    assert not answers(head.address, 0.1)
    assert not answers(f"127.0.0.1:{free_port()}")
    assert answers("another form of address")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("way", ["silent", "dead"])
def test_each_run_is_told_once_of_a_death(head: Head, way: str) -> None:
    watch = GcsWatch()
    told: list[float] = []
    first, second = threading.Event(), threading.Event()

    def tell(silence_s: float) -> None:
        told.append(silence_s)
        first.set()

    end_first = watch.watch(head.address, tell)
    end_second = watch.watch(head.address, lambda _: second.set())
    for _ in range(3):
        assert head.visits.acquire(timeout=10)
    assert not told
    if way == "dead":
        head.close()
    head.is_silent = True
    assert first.wait(10)
    assert second.wait(10)
    assert told[0] >= 0.3
    assert not end_first()  # another run is there
    assert end_second()
    assert len(told) == 1


@pytest.mark.usefixtures("quick")
def test_a_head_that_comes_back_in_time_is_no_death(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs_watch, "SILENCE_S", 60.0)
    watch = GcsWatch()
    told: list[float] = []
    end = watch.watch(head.address, told.append)
    head.is_silent = True
    for _ in range(3):
        assert head.visits.acquire(timeout=10)
    assert watch._silent_since
    head.is_silent = False
    while watch._silent_since:
        assert head.visits.acquire(timeout=10)
    assert not end()
    assert not told


@pytest.mark.usefixtures("quick")
def test_who_has_a_question_waits_for_a_head_that_comes_back_and_not_for_a_dead_one(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = GcsWatch()
    assert watch.await_sign(head.address)
    head.is_silent = True
    assert not watch.await_sign(head.address)
    monkeypatch.setattr(gcs_watch, "SILENCE_S", 60.0)
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(watch.await_sign(head.address)))
    while head.visits.acquire(timeout=0.01):
        pass
    asking.start()
    for _ in range(2):
        assert head.visits.acquire(timeout=10)
    assert not answers
    head.is_silent = False
    asking.join(10)
    assert answers == [True]


def test_who_has_a_head_that_comes_back_says_so_to_ray_and_to_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "RAY_gcs_rpc_server_reconnect_timeout_s"
    monkeypatch.delenv(name, raising=False)
    assert silence_allowed() == 5
    for given, seconds in (("120", 110), ("1", 5), ("soon", 5)):
        monkeypatch.setenv(name, given)
        assert silence_allowed() == seconds

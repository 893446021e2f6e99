"""Interrupted runs on Ray: blocked steps are woken, what is done is kept, who clings is killed,
nothing is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from leftovers import Leftovers
from marks import marked

from rayexec import DynamicOut, DynamicOutput, RunResult, execute_job, job, op
from rayexec.execute import Observer

_PATIENCE = 120.0


@pytest.fixture(autouse=True)
def interruptible(ray_session: None) -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt; a shell that runs tests in the background has them
    ignore it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def wait_for(place: Path, names: tuple[str, ...]) -> bool:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if all((place / name).exists() for name in names):
            return True
        time.sleep(0.02)
    return False


def interrupted(run: Any, place: Path, *marks: tuple[str, ...]) -> RunResult:
    """Run a job, and press Ctrl-C each time that all files of the next of ``marks`` are there."""

    def press() -> None:
        for names in marks:
            wait_for(place, names)  # else the run would last as long as its steps sleep
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    result = execute_job(run, observer=Observer())
    thread.join()
    return result


def is_gone(place: Path, name: str) -> bool:
    end = time.monotonic() + _PATIENCE
    while os.path.exists(f"/proc/{(place / name).read_text()}"):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def receive() -> None:
    one, _other = socket.socketpair()
    one.recv(1)


BLOCKED: dict[str, Callable[[], Any]] = {
    "sleep": lambda: time.sleep(600),
    "event": lambda: threading.Event().wait(),
    "receive": receive,
    "child": lambda: subprocess.run(["sleep", "600"], check=False),
    "c_code": lambda: ctypes.CDLL(None).sleep(600),
}


@pytest.mark.parametrize("names", [("sleep", "event", "receive"), ("child", "c_code")])
def test_steps_in_blocking_calls_are_woken_and_close_what_they_hold(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    @op
    def first() -> int:
        return 5

    def blocking(name: str) -> Any:
        @op(name=name)
        def blocked(given: int) -> None:
            with marked(tmp_path, name):
                BLOCKED[name]()

        return blocked

    @job
    def waiting() -> None:
        for name in names:
            blocking(name)(first.alias(f"before_{name}")())

    result = interrupted(waiting, tmp_path, names)
    assert result.status == "CANCELED"
    for name in names:
        assert (tmp_path / f"{name}.closed").exists()
        data = result.failure_data_for_node(name)
        assert data is not None
        assert data.root.cls_name == "KeyboardInterrupt"
        assert result.output_for_node(f"before_{name}") == 5


def test_streams_and_nested_runs_are_woken(tmp_path: Path) -> None:
    @op(out=DynamicOut(stream=True))
    def streams() -> Any:
        with marked(tmp_path, "streams"):
            yield DynamicOutput(1, "one")
            wait_for(tmp_path, ("took",))
            time.sleep(600)

    @op
    def take(given: int) -> int:
        (tmp_path / "took").touch()
        return given

    @op
    def inner() -> None:
        with marked(tmp_path, "inner"):
            try:
                time.sleep(600)
            finally:
                time.sleep(0.7)  # to clean up takes a while, for which the run around it waits
                (tmp_path / "cleaned").touch()

    @job
    def inside() -> None:
        inner()

    @op
    def outer() -> None:
        with marked(tmp_path, "outer"):
            inside.execute()

    @job
    def outside() -> None:
        streams().map(take)
        outer()

    result = interrupted(outside, tmp_path, ("streams", "took", "inner", "outer"))
    assert result.status == "CANCELED"
    assert all((tmp_path / f"{name}.closed").exists() for name in ("streams", "inner", "outer"))
    assert (tmp_path / "cleaned").exists()
    assert result.is_node_success("take[one]")


@pytest.mark.long("waits for processes for some seconds")
def test_a_run_inside_a_step_has_time_to_end_before_that_step_is_killed(tmp_path: Path) -> None:
    @op
    def clings() -> None:
        with marked(tmp_path, "inner"):
            while True:
                with contextlib.suppress(KeyboardInterrupt):
                    time.sleep(600)

    @job
    def inside() -> None:
        clings()

    @op
    def outer() -> None:
        with marked(tmp_path, "outer"):
            inside.execute()

    @job
    def outside() -> None:
        outer()

    result = interrupted(outside, tmp_path, ("outer", "inner"))
    assert result.status == "CANCELED"
    assert (tmp_path / "outer.closed").exists()
    assert not (tmp_path / "inner.closed").exists()
    assert is_gone(tmp_path, "inner")


def test_a_second_interrupt_kills_at_once(tmp_path: Path, nothing_left: Leftovers) -> None:
    @op
    def clings() -> None:
        with marked(tmp_path, "clings"):
            while True:
                try:
                    time.sleep(600)
                except KeyboardInterrupt:
                    (tmp_path / "asked").touch()

    @op
    def hangs() -> None:
        """Wait in C for a lock that never comes, and keep the interpreter's: not even Ray's own
        force ends that.
        """
        with marked(tmp_path, "hangs"):
            libc, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
            libc.pthread_mutex_lock(mutex)
            libc.pthread_mutex_lock(mutex)

    @job
    def stubborn() -> None:
        clings()
        hangs()

    began = time.monotonic()
    result = interrupted(stubborn, tmp_path, ("clings", "hangs"), ("asked",))
    assert result.status == "CANCELED"
    said = [event.message for event in result.all_events]
    assert "The run was interrupted again; its steps are ended by force." in said
    assert is_gone(tmp_path, "clings")
    assert is_gone(tmp_path, "hangs")
    assert not (tmp_path / "clings.closed").exists()
    nothing_left.check()
    assert time.monotonic() - began < _PATIENCE


def test_workers_are_left_as_they_were(tmp_path: Path) -> None:
    @op
    def quick() -> int:
        return os.getpid()

    @job
    def quick_ones() -> None:
        quick()

    def look() -> tuple[int, int, int]:
        threads = [each.name for each in threading.enumerate()].count("rayexec-waking")
        return os.getpid(), signal.set_wakeup_fd(-1), threads

    import ray

    used = {execute_job(quick_ones).output_for_node("quick") for _ in range(4)}
    found: list[tuple[int, int, int]] = []
    end = time.monotonic() + _PATIENCE
    while not used & {pid for pid, _, _ in found}:  # Ray chooses the workers.
        assert time.monotonic() < end, "none of the workers is used again"
        found += ray.get([ray.remote(num_cpus=1)(look).remote() for _ in range(8)])
    assert {descriptor for _, descriptor, _ in found} == {-1}
    assert max(threads for _, _, threads in found) == 1


@pytest.mark.parametrize("grace", [1e10, 1e300])
def test_a_grace_beyond_any_timer_ends_with_the_steps(grace: float, tmp_path: Path) -> None:
    @op
    def sleeps() -> None:
        with marked(tmp_path, "sleeps"):
            time.sleep(600)

    @job(config={"execution": {"config": {"ray": {"cancel_grace": grace}}}})
    def patient() -> None:
        sleeps()

    assert interrupted(patient, tmp_path, ("sleeps",)).status == "CANCELED"
    assert (tmp_path / "sleeps.closed").exists()

"""Timeouts of steps in Python, in C and in cleaning up, on Ray and in-process."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rayexec import RetryPolicy, StepTimeoutError, job, op
from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, own_directories
from rayexec.steps.timeouts import CLEAN_UP_S, deadline


def hang() -> None:
    """Wait in C for a lock that never comes; no signal interrupts it."""
    libc, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


@op
def early() -> int:
    return os.getpid()


@op(timeout=1.0)
def hangs(pid: int) -> None:
    print("about to hang")
    hang()


@op
def beside(pid: int) -> int:
    return pid


@job
def neighbours() -> None:
    for index in range(6):
        pid = early.alias(f"early_{index}")()
        (hangs if index == 3 else beside).alias(f"late_{index}")(pid)


def test_a_step_that_hangs_in_c_fails_by_its_timeout_and_its_neighbours_do_not(
    execute_on_ray: Any,
) -> None:
    result = execute_on_ray(neighbours)
    assert result.get_failed_step_keys() == {"late_3"}
    for index in (0, 1, 2, 4, 5):
        assert result.is_node_success(f"late_{index}")
        assert result.retry_attempts_for_node(f"early_{index}") == 0
    data = result.failure_data_for_node("late_3")
    assert data.error.cls_name == "StepTimeoutError"
    assert "builtins.TimeoutError" in data.error_types
    line = f"{__file__}, line {hang.__code__.co_firstlineno + 4}"
    assert data.error.message == (
        f"step 'late_3' ran longer than its timeout of 1 s, in hang ({line}); it could not be "
        f"interrupted there, so "
        "its worker process was ended"
    )
    # The frames of the op, as Python tells them, and none of rayexec's or Ray's.
    first, *frames, last = data.error.stack.splitlines()
    assert first == "Traceback (most recent call last):"
    assert [each.split(", in ")[1] for each in frames if each.startswith("  File")] == [
        "hangs",
        "hang",
    ]
    assert "libc.pthread_mutex_lock(mutex)" in frames[-1]
    assert last.startswith("StepTimeoutError: step 'late_3' ran longer")
    assert isinstance(result.exception_for_node("late_3"), StepTimeoutError)


@pytest.mark.long("waits for processes for some seconds")
def test_a_policy_may_catch_it_and_nothing_is_left(execute_on_ray: Any, tmp_path: Path) -> None:
    @op(timeout=0.5, retry_policy=RetryPolicy(max_retries=1, retry_on=(StepTimeoutError,)))
    def hangs_once() -> int:
        mark = tmp_path / "tried"
        if mark.exists():
            return 7
        mark.touch()
        hang()
        return 0

    @job
    def retried() -> None:
        hangs_once()

    result = execute_on_ray(retried)
    assert result.output_for_node("hangs_once") == 7
    assert result.retry_attempts_for_node("hangs_once") == 1
    own = f"{JOURNAL_PREFIX}{os.getpid()}."
    assert [path for each in own_directories() for path in each.glob(f"{own}*")] == []


@pytest.mark.long("waits for processes for some seconds")
def test_who_catches_the_error_and_goes_on_is_ended(execute_on_ray: Any) -> None:
    @op(timeout=0.2)
    def clings() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    @job
    def clinging() -> None:
        clings()

    data = execute_on_ray(clinging).failure_data_for_node("clings")
    assert data.error.cls_name == "StepTimeoutError"
    assert ", in clings (" in data.error.message


def test_who_cleans_up_in_time_is_left_alone(execute_on_ray: Any, tmp_path: Path) -> None:
    @op(timeout=1.0)
    def cleans() -> None:
        try:
            time.sleep(600)
        finally:
            time.sleep(CLEAN_UP_S / 4)
            (tmp_path / "pid").write_text(str(os.getpid()))

    @op(timeout=60)
    def quick() -> int:
        return os.getpid()

    @job
    def cleaning() -> None:
        cleans()
        quick()

    result = execute_on_ray(cleaning)
    assert (tmp_path / "pid").exists()
    data = result.failure_data_for_node("cleans")
    assert data.root.message == "step 'cleans' ran longer than its timeout of 1 s"
    assert "time.sleep(600)" in data.root.stack  # where it hung


@pytest.mark.long("waits for processes for some seconds")
def test_in_process_what_cannot_be_interrupted_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()

    @op(timeout=0.5)
    def clings() -> None:
        while not release.is_set():
            with contextlib.suppress(Exception):
                release.wait(60)

    @job
    def clinging() -> None:
        clings()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            release.set()  # so the warning comes while the step still runs

    handler = Heard(logging.WARNING)
    logger = logging.getLogger("rayexec")
    logger.addHandler(handler)
    try:
        result = clinging.execute_in_process()
    finally:
        logger.removeHandler(handler)
    assert result.success
    assert (
        "step 'clings' ran longer than its timeout of 0.5 s, and cannot be interrupted"
        in caplog.text
    )
    said = [event.message for event in result.all_events if event.event_type_value == "LOG_MESSAGE"]
    assert any("ran longer than its timeout of 0.5 s, and went on for" in each for each in said)


def test_outside_of_the_main_thread_the_error_says_where_it_hung() -> None:
    raised: list[BaseException] = []

    def spin() -> None:
        while True:
            time.sleep(0.01)

    def limited() -> None:
        try:
            with deadline(0.1, "the block"):
                spin()
        except StepTimeoutError as error:
            raised.append(error)

    thread = threading.Thread(target=limited)
    thread.start()
    thread.join(120)
    names = []
    trace = raised[0].__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert str(raised[0]) == "the block ran longer than its timeout of 0.1 s"
    assert "spin" in names

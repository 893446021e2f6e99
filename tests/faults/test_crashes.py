"""Workers that die in the middle of a step: what is said of it, and who is touched by it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayexec import RetryPolicy, WorkerCrashedError, job, op
from rayexec.engine.ray.worker.exit_note import ExitNoted

pytestmark = pytest.mark.long("kills worker processes, and Ray starts new ones")

MANY = 12
_HERE = __file__


def leaves() -> None:
    os._exit(3)


def reads_nowhere() -> None:
    ctypes.string_at(0)


def aborts() -> None:
    os.abort()


def divides() -> None:
    signal.raise_signal(signal.SIGFPE)


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def line_of(function: Callable[[], None]) -> str:
    return f"{_HERE}, line {function.__code__.co_firstlineno + 1}"


CAUSES: dict[Callable[[], None], str] = {
    leaves: f"died while it ran the step: it was ended by os._exit(3), in leaves "
            f"({line_of(leaves)})",
    reads_nowhere: f"died of SIGSEGV (segmentation fault) while it ran the step, in string_at "
                   f"({ctypes.__file__}, ",
    aborts: f"died of SIGABRT (aborted) while it ran the step, in aborts ({line_of(aborts)})",
    divides: "died of SIGFPE (floating point exception) while it ran the step, in divides "
    f"({line_of(divides)})",
    is_killed: "died while it ran the step: it was killed from outside (SIGKILL, which the system "
               "sends too where it "
    "runs out of memory), or C code ended it",
}  # fmt: skip


def note(place: Path, words: str) -> None:
    with open(place, "a") as file:
        file.write(f"{words}\n")


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
@pytest.mark.parametrize("number", [0, 7])
def test_a_worker_that_dies_fails_its_step_alone_and_says_of_what(
    execute_on_ray: Any, nothing_left: Any, tmp_path: Path, cause: Callable[[], None], number: int
) -> None:
    ran = tmp_path / "ran"

    constants = [op(name=f"constant_{each}")(lambda each=each: each) for each in range(MANY)]

    @op
    def maybe(of: int) -> int:
        note(ran, f"maybe {of}")
        print("about to", of)
        if of == number:
            cause()
        return of

    @op
    def after(of: int) -> int:
        note(ran, f"after {of}")
        return of

    @job
    def crashing() -> None:
        for each in range(MANY):
            after.alias(f"after_{each}")(maybe.alias(f"maybe_{each}")(constants[each]()))

    result = execute_on_ray(crashing)
    key = f"maybe_{number}"
    assert result.get_failed_step_keys() == {key}
    assert result.is_node_untouched(f"after_{number}")
    for each in set(range(MANY)) - {number}:
        assert result.output_for_node(f"after_{each}") == each
    # Neighbours in the batch are not run twice.
    assert Counter(ran.read_text().splitlines()) == Counter(
        f"{name} {each}"
        for each in range(MANY)
        for name in ("maybe", "after")
        if (name, each) != ("after", number)
    )
    error = result.failure_data_for_node(key).error
    assert error.cls_name == "WorkerCrashedError"
    assert error.message.startswith(f"step {key!r}: the worker process {CAUSES[cause]}")
    if cause is not is_killed:  # the frames of the op, and none of rayexec's or Ray's
        frames = [
            each.split(", in ")[1] for each in error.stack.splitlines() if each.startswith("  File")
        ]
        assert frames[:2] == ["maybe", cause.__name__]
        assert "cause()" in error.stack
    assert isinstance(result.exception_for_node(key), WorkerCrashedError)
    [said] = [
        each
        for each in result.all_events
        if (each.step_key, each.event_type_value) == (key, "LOGS_CAPTURED")
    ]
    assert said.event_specific_data["stdout"] == f"about to {number}\n"


def test_a_worker_killed_from_outside_uses_a_retry_up(
    execute_on_ray: Any, nothing_left: Any, tmp_path: Path
) -> None:
    place = tmp_path / "pid"

    @op(retry_policy=RetryPolicy(max_retries=1))
    def waits() -> int:
        if place.exists():
            return 7
        place.with_suffix(".new").write_text(str(os.getpid()))
        place.with_suffix(".new").rename(place)
        while True:
            time.sleep(0.05)

    def kill() -> None:
        end = time.monotonic() + 120
        while not place.exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(int(place.read_text()), signal.SIGKILL)

    @job
    def killed() -> None:
        waits()

    killer = threading.Thread(target=kill)
    killer.start()
    result = execute_on_ray(killed)
    killer.join()
    assert result.output_for_node("waits") == 7
    assert result.retry_attempts_for_node("waits") == 1
    [tried] = [each for each in result.all_events if each.event_type_value == "STEP_UP_FOR_RETRY"]
    assert "it was killed from outside (SIGKILL" in tried.message


def test_a_crash_after_much_was_printed_still_says_of_what(
    execute_on_ray: Any, nothing_left: Any
) -> None:
    @op
    def talks() -> None:
        os.write(2, b"x" * 3_000_000)
        ctypes.string_at(0)

    @job
    def talking() -> None:
        talks()

    result = execute_on_ray(talking)
    assert "died of SIGSEGV" in result.failure_data_for_node("talks").error.message
    [said] = [
        each
        for each in result.all_events
        if (each.step_key, each.event_type_value) == ("talks", "LOGS_CAPTURED")
    ]
    assert len(said.event_specific_data["stderr"]) < 1_200_000
    assert "bytes that the step printed were left out here" in said.event_specific_data["stderr"]


def test_a_child_process_that_exits_ends_no_step(execute_on_ray: Any, nothing_left: Any) -> None:
    @op
    def forks() -> int:
        child = os.fork()
        if child == 0:
            os._exit(4)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    @op
    def dies(status: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @job
    def forking() -> None:
        dies(forks())

    result = execute_on_ray(forking)
    assert result.output_for_node("forks") == 4
    # The child's end is not taken for that of the worker.
    assert "os._exit" not in result.failure_data_for_node("dies").error.message


def test_exits_are_noted_only_while_a_batch_runs(tmp_path: Path) -> None:
    before = os._exit
    with ExitNoted(str(tmp_path / "batch")):
        assert os._exit is not before
    assert os._exit is before


def test_a_noted_exit_keeps_its_status(tmp_path: Path) -> None:
    code = f"""
import os
from rayexec.engine.ray.worker.exit_note import ExitNoted
with ExitNoted({str(tmp_path / "batch")!r}):
    os._exit(status=5)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert done.returncode == 5
    assert (tmp_path / "batch.exit").read_text().startswith("5\n")

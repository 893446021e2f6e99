"""Runs that are canceled in every way, whatever their steps do: what was done is kept, and nothing
is left behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from leftovers import Leftovers
from marks import marked

from rayexec import (
    DynamicOut,
    DynamicOutput,
    EventType,
    JobDefinition,
    cancel_run,
    execute_job,
    job,
    op,
)
from rayexec.execute import Observer
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.reading import StoredLog

pytestmark = [
    pytest.mark.long("cancels runs of every kind, and waits for their ends"),
    pytest.mark.alone,
]

GRACE = 1.0
_PATIENCE = 180.0
_LATE = 90.0  # seconds beyond the grace period that a busy machine may need


@pytest.fixture(autouse=True)
def interruptible(ray_session: None) -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, and SIGTERM do what it does to a script on Ray; they
    must stay so.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    others = signal.SIGTERM, signal.SIGURG
    handlers = [signal.getsignal(each) for each in others]
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [signal.getsignal(each) for each in others] == handlers
    signal.signal(signal.SIGINT, before)


def wait_for(*files: Path) -> bool:
    end = time.monotonic() + _PATIENCE
    while not all(each.exists() for each in files):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@op
def first() -> int:
    return 5


def around(place: Path, what: Callable[[], Any]) -> JobDefinition:
    """Return a job of a step that is over, one behind it in its batch that does something, and one
    that never runs.
    """

    @op
    def works(given: int) -> int:
        with marked(place, "works"):
            what()
        return given

    @op
    def never(given: int) -> None:
        (place / "never").touch()

    @job
    def canceled() -> None:
        never(works(first()))

    return canceled


def spin() -> None:
    while True:
        pass


def hang() -> None:
    """Wait in C for a lock that never comes, and keep the interpreter's."""
    libc, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def cling() -> None:
    signal.signal(signal.SIGINT, lambda *_: None)  # whenever it comes
    while True:
        time.sleep(600)


def cling_beside_a_child() -> None:
    signal.signal(signal.SIGINT, lambda *_: None)
    with subprocess.Popen(["sleep", "600"]):
        cling()


def streaming(place: Path) -> JobDefinition:
    @op(out=DynamicOut(stream=True))
    def works(given: int) -> Any:
        with marked(place, "works"):
            number = 0
            while True:
                yield DynamicOutput(number, f"k{number}")
                number += 1
                time.sleep(0.05)

    @op
    def take(given: int) -> int:
        return given

    @op
    def never(values: list[int]) -> None:
        (place / "never").touch()

    @job
    def streams() -> None:
        never(works(first()).map(take).collect())

    return streams


def fanning(place: Path) -> JobDefinition:
    @op(out=DynamicOut())
    def many(given: int) -> Any:
        for number in range(50):
            yield DynamicOutput(number, str(number))

    @op(tags={"kind": "slow"})
    def each(given: int) -> int:
        with marked(place, "works"):
            time.sleep(600)
        return given

    @op
    def never(values: list[int]) -> None:
        (place / "never").touch()

    @job
    def fans() -> None:
        never(many(first()).map(each).collect())

    return fans


def child() -> None:
    subprocess.run(["sleep", "600"], check=False)


WORK: dict[str, Callable[[Path], JobDefinition]] = {
    "sleep": lambda place: around(place, lambda: time.sleep(600)),
    "busy": lambda place: around(place, spin),
    "child": lambda place: around(place, child),
    "ignores_beside_a_child": lambda place: around(place, cling_beside_a_child),
    "holds_the_interpreter": lambda place: around(place, hang),
    "ignores": lambda place: around(place, cling),
    "streams": streaming,
    "fan_out": fanning,
}
STUBBORN = {"holds_the_interpreter", "ignores", "ignores_beside_a_child"}


def press(number: int) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def command(*arguments: str, store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rayexec", "run", *arguments, "--store", str(store)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )


def ctrl_c(store: Path) -> None:
    press(signal.SIGINT)


def await_canceling(store: Path) -> None:
    """Wait until others can read that the run is being canceled."""
    reader = DirectoryRunStore(store).open("r")
    end = time.monotonic() + _PATIENCE
    while "RUN_CANCELING" not in kinds(StoredLog(reader)):
        assert time.monotonic() < end
        time.sleep(0.05)


def ctrl_c_twice(store: Path) -> None:
    press(signal.SIGINT)
    await_canceling(store)
    assert DirectoryRunStore(store).open("r").record().status == "STARTED", "it ended by the first"
    press(signal.SIGINT)


def sigterm(store: Path) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def outside(store: Path, *options: str) -> None:
    done = command("cancel", "r", *options, store=store)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("Run r was canceled in ")


def by_force(store: Path) -> None:
    outside(store, "--force")


def then_by_force(store: Path) -> None:
    assert command("cancel", "r", "--no-wait", store=store).stdout == "Run r was asked to end.\n"
    await_canceling(store)
    assert cancel_run("r", force=True, store=store) == "STARTED"


def kinds(log: StoredLog) -> list[str]:
    return [each.event_type.name for each in log.events()]


HOW: dict[str, Callable[[Path], None]] = {
    "ctrl_c": ctrl_c,
    "ctrl_c_twice": ctrl_c_twice,
    "sigterm": sigterm,
    "run_cancel": outside,
    "run_cancel_force": by_force,
    "run_cancel_then_force": then_by_force,
}
# What ends by being asked gets no second word.
AGAIN = {"ctrl_c_twice", "run_cancel_then_force"}
# Every way with every kind of step that it may matter to, and what is stubborn with each.
SIMPLE = {"sleep", "streams", "fan_out"}
PAIRS = [
    (how, work)
    for how in HOW
    for work in WORK
    if (work in STUBBORN if how in AGAIN else how == "ctrl_c" or work in STUBBORN | SIMPLE)
]


def canceled(
    what: JobDefinition, place: Path, how: Callable[[Path], None], **options: Any
) -> tuple[RunRecord, float]:
    """Run a job, cancel it once its step works; return its record and the seconds to its end."""
    store = place / "store"
    pressed: list[float] = []
    failures: list[BaseException] = []

    def act() -> None:
        try:
            assert wait_for(place / "works")
            pressed.append(time.monotonic())
            how(store)
        except BaseException as error:  # the test's own thread shall see it
            failures.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        result = execute_job(what, run_id="r", store=store, observer=Observer(), **options)
        assert result.status == "CANCELED"
        result.close()
    except SystemExit as end:
        if (how, end.code) != (sigterm, 128 + signal.SIGTERM):
            raise
    ended = time.monotonic()
    thread.join()
    assert not failures, failures
    return DirectoryRunStore(store).open("r").record(), ended - pressed[0]


@pytest.mark.parametrize(("how", "work"), PAIRS)
def test_a_canceled_run_keeps_what_was_done_and_leaves_nothing(
    how: str, work: str, tmp_path: Path, nothing_left: Leftovers
) -> None:
    grace = (
        600.0 if how in AGAIN or how == "run_cancel_force" else GRACE
    )  # the first is not waited for
    settings = {"cancel_grace": grace, "tag_concurrency_limits": [{"key": "kind", "limit": 2}]}
    record, took = canceled(
        WORK[work](tmp_path),
        tmp_path,
        HOW[how],
        run_config={"execution": {"config": {"ray": settings}}},
    )
    assert (record.status, record.error) == ("CANCELED", None)
    assert took < GRACE + _LATE
    log = StoredLog(DirectoryRunStore(tmp_path / "store").open("r"))
    events = list(log.events())
    assert {"STEP_SUCCESS", "STEP_OUTPUT"} <= {
        each.event_type.name for each in events if each.step_key == "first"
    }
    assert [each for each in kinds(log) if each.startswith("RUN_")] == [
        "RUN_START",
        "RUN_CANCELING",
        "RUN_CANCELED",
    ]
    [asked] = [each.message for each in events if each.event_type is EventType.RUN_CANCELING]
    assert ("with rayexec run cancel" in asked) == how.startswith("run_cancel")
    assert ("SIGTERM" in asked) == (how == "sigterm")
    if work not in STUBBORN and how in ("ctrl_c", "sigterm", "run_cancel"):
        assert (tmp_path / "works.closed").exists()
    if work in STUBBORN:
        assert not (tmp_path / "works.closed").exists()
    assert not (tmp_path / "never").exists()
    nothing_left.check()


def stored() -> float:
    """Return the megabytes in Ray's object store."""
    name = "object_store_memory"
    return float(ray.cluster_resources()[name] - ray.available_resources().get(name, 0)) / 1e6


def eventually(met: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE
    while not met() and time.monotonic() < end:
        time.sleep(0.1)  # Ray tells of its memory now and then
    return met()


@pytest.mark.parametrize("force", [False, True])
def test_large_values_of_a_canceled_run_are_released(
    force: bool, tmp_path: Path, nothing_left: Leftovers
) -> None:
    @op
    def large() -> Any:
        return np.ones(25_000_000)

    @op
    def works(value: Any) -> None:
        with marked(tmp_path, "works"):
            time.sleep(600)

    @job
    def values() -> None:
        works(large())

    before: list[float] = []

    def cancel(store: Path) -> None:
        assert eventually(lambda: stored() > 150)
        before.append(stored())
        cancel_run("r", force=force, store=store)

    record, _ = canceled(values, tmp_path, cancel)
    assert record.status == "CANCELED"
    assert eventually(lambda: stored() < before[0] - 150)

"""Deadlines of blocks beside an alarm of the user's own: both ring in time, and nothing is left."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayexec.errors import StepTimeoutError
from rayexec.steps import alarms
from rayexec.steps.timeouts import deadline


class Rung(Exception):
    """The user's own alarm rang."""


@pytest.fixture
def own_alarm() -> Iterator[Callable[..., list[float]]]:
    """Set an alarm of the user's own; return the list that gets the times of its rings."""
    before = signal.getsignal(signal.SIGALRM)

    def start(delay: float, interval: float = 0.0, *, raises: bool = False) -> list[float]:
        rings: list[float] = []
        began = time.monotonic()

        def handler(_signal: int, _frame: Any) -> None:
            rings.append(time.monotonic() - began)
            if raises:
                raise Rung

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, delay, interval)
        return rings

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Assert that no test leaves a block or an alarm in the books."""
    handler = signal.getsignal(signal.SIGALRM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert (alarms._blocks, alarms._own_alarms, alarms._ringing) == ([], [], [])
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def spin() -> None:
    """Run for 30 s, with bytecodes all the time."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        time.sleep(0.005)


def wait_for_ring(rings: list[float], count: int = 1) -> None:
    ends = time.monotonic() + 30
    while len(rings) < count and time.monotonic() < ends:
        signal.sigtimedwait([], 0.01)
    assert len(rings) >= count


def test_an_own_alarm_behind_the_block_rings_with_the_rest_of_its_time(own_alarm: Any) -> None:
    rings = own_alarm(0.5)
    handler = signal.getsignal(signal.SIGALRM)
    with deadline(60, "the block"):
        time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) is handler
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < left <= 0.4 or rings
    assert interval == 0
    wait_for_ring(rings)
    assert rings[0] >= 0.5
    assert len(rings) == 1


def test_an_own_alarm_rings_inside_of_the_block(own_alarm: Any) -> None:
    rings = own_alarm(0.05)
    with deadline(60, "the block"):
        wait_for_ring(rings)
    assert len(rings) == 1


def test_an_own_alarm_that_raises_interrupts_the_block(own_alarm: Any) -> None:
    own_alarm(0.05, raises=True)
    with pytest.raises(Rung), deadline(60, "the block"):
        time.sleep(30)


def test_an_interval_rings_again_and_again_inside_and_behind(own_alarm: Any) -> None:
    rings = own_alarm(0.05, 0.05)
    with deadline(60, "the block"):
        wait_for_ring(rings, 3)
    assert signal.getitimer(signal.ITIMER_REAL)[1] == pytest.approx(0.05)
    before = len(rings)
    wait_for_ring(rings, before + 2)


def test_a_deadline_rings_beside_an_own_alarm_which_runs_on(own_alarm: Any) -> None:
    rings = own_alarm(0.6)
    with pytest.raises(StepTimeoutError), deadline(0.05, "the block"):
        time.sleep(30)
    assert rings == [] or rings[0] >= 0.6
    wait_for_ring(rings)


def test_an_own_alarm_of_a_blocked_signal_rings_once_that_is_unblocked(own_alarm: Any) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        rings = own_alarm(0.01)
        with deadline(60, "the block"):
            time.sleep(0.1)
        assert rings == []
        assert signal.SIGALRM in signal.sigpending()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    wait_for_ring(rings)
    assert len(rings) == 1


def test_a_handler_may_set_its_timer_again_or_another_handler(own_alarm: Any) -> None:
    own_alarm(60)
    rings: list[str] = []

    def first(_signal: int, _frame: Any) -> None:
        rings.append("first")
        signal.signal(signal.SIGALRM, second)
        signal.setitimer(signal.ITIMER_REAL, 0.02)

    def second(_signal: int, _frame: Any) -> None:
        rings.append("second")

    signal.signal(signal.SIGALRM, first)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    with deadline(60, "the block"):
        wait_for_ring(rings, 2)  # type: ignore[arg-type]
    assert rings == ["first", "second"]
    assert signal.getsignal(signal.SIGALRM) is second


def test_an_alarm_that_a_block_sets_inside_of_another_one_stays_there(own_alarm: Any) -> None:
    rings = own_alarm(60)
    outer = signal.getsignal(signal.SIGALRM)
    inner_rings: list[int] = []
    with deadline(60, "the outer"):
        before = signal.signal(signal.SIGALRM, lambda *_: inner_rings.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with deadline(50, "the inner"):
            wait_for_ring(inner_rings)  # type: ignore[arg-type]
        signal.signal(signal.SIGALRM, before)
    assert (inner_rings, rings) == ([1], [])
    assert signal.getsignal(signal.SIGALRM) is outer
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60


def test_an_alarm_without_a_handler_ends_the_process_as_ever() -> None:
    program = (
        "import signal, time\n"
        "from rayexec.steps.timeouts import deadline\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.1)\n"
        "with deadline(60, 'the block'):\n"
        "    time.sleep(60)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -signal.SIGALRM


def test_a_handler_that_python_cannot_restore_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So does Python describe the handler of a program that embeds it.
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda _number: None)
        assert not alarms.has_signals()
        with (
            pytest.raises(StepTimeoutError, match=r"^the block ran longer"),
            deadline(0.05, "the block"),
        ):
            spin()


@pytest.mark.parametrize("seconds", [1e7, 1e9, 1e10, 1e300, float("inf")])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_long_limit_is_none_and_leaves_others_alone(
    seconds: float, in_thread: bool, own_alarm: Any
) -> None:
    rings = own_alarm(60)
    raised: list[BaseException] = []

    def limited() -> None:
        with deadline(seconds, "the long one"):
            pass
        try:
            with deadline(0.05, "the short one"), deadline(seconds, "the long one"):
                spin()
        except StepTimeoutError as error:
            raised.append(error)

    if in_thread:
        thread = threading.Thread(target=limited)
        thread.start()
        thread.join(60)
    else:
        limited()
    assert [str(error)[:13] for error in raised] == ["the short one"]
    assert rings == []
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60


def test_nan_is_refused_before_anything_is_set() -> None:
    with pytest.raises(ValueError, match="not a number"), deadline(float("nan"), "the block"):
        pass


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_timer_that_fails_leaves_nothing_behind(
    fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    real = signal.setitimer

    def failing(which: int, seconds: float, interval: float = 0.0) -> Any:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OverflowError("timestamp out of range for platform time_t")
        return real(which, seconds, interval)

    with monkeypatch.context() as patch:
        patch.setattr(signal, "setitimer", failing)
        with contextlib.suppress(OverflowError), deadline(60, "the block"):
            pass
    with pytest.raises(StepTimeoutError), deadline(0.05, "another block"):
        time.sleep(30)


def test_a_deadline_at_the_edges_of_its_block_leaves_nothing_behind(own_alarm: Any) -> None:
    rings = own_alarm(0.001, 0.0007)
    handler = signal.getsignal(signal.SIGALRM)
    outcomes = {True: 0, False: 0}
    for index in range(3000):
        seconds = (index % 60) * 1e-6 + 1e-6
        try:
            with deadline(seconds, "the block"):
                sum(range(index % 50))
        except StepTimeoutError:
            outcomes[True] += 1
        else:
            outcomes[False] += 1
        assert signal.getsignal(signal.SIGALRM) is handler
        assert (alarms._blocks, alarms._own_alarms) == ([], [])
    assert rings
    assert sum(outcomes.values()) == 3000
    assert signal.getitimer(signal.ITIMER_REAL)[1] == pytest.approx(0.0007)

"""The small pure parts of a run: readiness, limits, the size of batches, retries."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.definitions.retry import Backoff, Jitter, RetryPolicy
from rayexec.run.retry import after_failure, after_request
from rayexec.run.spec import BATCH_BUDGET_S
from rayexec.scheduler.batch_size import MAX_CALLS, DurationEstimate, batch_size
from rayexec.scheduler.ready_queue import ReadyQueue


def test_order_releases_a_step_when_its_last_predecessor_is_done() -> None:
    order = ReadyQueue([0, 0, 2, 1], [[2], [2], [3], []], [0, 1, 2, 3])
    assert order.prepare() == [0, 1]
    assert order.done([0]) == []
    assert not order.is_released(2)
    assert order.done([1]) == [2]
    assert order.is_released(2)
    assert order.done([2]) == [3]


def test_order_hands_out_the_best_first_and_takes_steps_back() -> None:
    order = ReadyQueue([0] * 4, [[]] * 4, [3, 1, 2, 0])
    for step in order.prepare():
        order.add(step, 0)
    assert order.count(0) == 4
    assert [order.get_ready(0) for _ in range(2)] == [3, 1]
    order.add(3, 0)
    assert order.peek(0) == 3
    assert [order.get_ready(0) for _ in range(3)] == [3, 2, 0]
    assert order.count(0) == 0
    assert order.peek(0) == -1
    with pytest.raises(KeyError):
        order.get_ready(0)


def test_order_may_change_while_steps_are_ready() -> None:
    order = ReadyQueue([0] * 5, [[]] * 5, [0, 1, 2, 3, 4])
    for step in (0, 1, 2):
        order.add(step, 0)
    order.add(3, 0, first=True)
    assert order.peek(0) == 3
    order.rank([4, 2, 3, 1, 0])
    order.add(4, 0)
    assert [order.get_ready(0) for _ in range(5)] == [4, 2, 3, 1, 0]


def test_order_puts_the_lane_of_the_best_step_first() -> None:
    order = ReadyQueue([0] * 4, [[]] * 4, [3, 1, 2, 0])
    for step, class_id in enumerate((0, 1, 0, 2)):
        order.add(step, class_id)
    assert [class_id for _, class_id in sorted(order.heads({0, 1, 2, 9}))] == [2, 1, 0]
    assert [class_id for _, class_id in sorted(order.heads({0, 1}))] == [1, 0]
    order.get_ready(1)
    assert [class_id for _, class_id in order.heads({0, 1})] == [0]
    assert order.head(1) is None


def test_what_is_unseen_or_long_goes_alone_and_what_is_short_goes_in_crowds() -> None:
    estimate = DurationEstimate()
    assert batch_size(estimate, ready=1000, slots=4) == 1
    estimate.observe(1.0)
    assert batch_size(estimate, ready=1000, slots=4) == 1
    short = DurationEstimate()
    for _ in range(1000):
        short.observe(BATCH_BUDGET_S / 10)
    assert batch_size(short, ready=1000, slots=4) == 10
    assert batch_size(short, ready=16, slots=4) == 4
    assert batch_size(short, ready=1, slots=4) == 1
    nothing = DurationEstimate()
    nothing.observe(0.0)
    assert batch_size(nothing, ready=100_000, slots=1) == 8


@given(st.lists(st.floats(0, 10), max_size=20), st.integers(1, 10_000), st.integers(1, 64))
def test_a_batch_holds_one_step_at_least_and_never_more_than_are_ready(
    seconds: list[float], ready: int, slots: int
) -> None:
    estimate = DurationEstimate()
    for each in seconds:
        estimate.observe(each)
    size = batch_size(estimate, ready, slots)
    assert 1 <= size <= max(1, ready)
    assert size <= MAX_CALLS
    assert size <= 4 or size * estimate.seconds <= BATCH_BUDGET_S


KINDS = (
    "builtins.ConnectionError",
    "builtins.OSError",
    "builtins.Exception",
    "builtins.BaseException",
)


@pytest.mark.parametrize(
    ("policy", "number", "enabled", "retry", "reason"),
    [
        (None, 0, True, False, None),
        (RetryPolicy(max_retries=0), 0, True, False, None),
        (RetryPolicy(max_retries=1), 0, True, True, None),
        (RetryPolicy(max_retries=1), 1, True, False, "Exceeded max_retries of 1"),
        (
            RetryPolicy(max_retries=1),
            0,
            False,
            False,
            "a retry is due, but retries are disabled in this run",
        ),
        (RetryPolicy(max_retries=1, retry_on=(OSError,)), 0, True, True, None),
        (RetryPolicy(max_retries=1, retry_on=(ValueError, ConnectionError)), 0, True, True, None),
        (RetryPolicy(max_retries=1, retry_on=(ValueError,)), 0, True, False, None),
        (RetryPolicy(max_retries=1, retry_on=(ValueError,)), 1, True, False, None),
    ],
)
def test_what_follows_a_failure(
    policy: RetryPolicy | None, number: int, enabled: bool, retry: bool, reason: str | None
) -> None:
    verdict = after_failure(policy, number, KINDS, enabled=enabled)
    assert (verdict.retry, verdict.reason) == (retry, reason)


def test_what_follows_a_request() -> None:
    assert after_request(2, 1.5, 1, enabled=True).delay == 1.5
    assert after_request(2, None, 0, enabled=True).delay == 0.0
    assert after_request(2, None, 2, enabled=True).reason == "Exceeded max_retries of 2"
    assert after_request(2, None, 0, enabled=False).retry is False


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (None, [2.0, 2.0, 2.0, 2.0]),
        (Backoff.LINEAR, [2.0, 4.0, 6.0, 8.0]),
        (Backoff.EXPONENTIAL, [2.0, 6.0, 14.0, 30.0]),
    ],
)
def test_delays_by_backoff(backoff: Backoff | None, delays: list[float]) -> None:
    policy = RetryPolicy(max_retries=9, delay=2, backoff=backoff)
    assert [policy.calculate_delay(number) for number in (1, 2, 3, 4)] == delays
    assert after_failure(policy, 1, KINDS, enabled=True).delay == delays[1]


def test_no_delay_is_none() -> None:
    assert RetryPolicy().calculate_delay(1) == 0.0


@given(st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([None, *Backoff]))
def test_jitter_stays_in_its_bounds(number: int, seed: int, backoff: Backoff | None) -> None:
    plain = RetryPolicy(delay=3, backoff=backoff).calculate_delay(number)
    full = RetryPolicy(delay=3, backoff=backoff, jitter=Jitter.FULL)
    around = RetryPolicy(delay=3, backoff=backoff, jitter=Jitter.PLUS_MINUS)
    assert 0 <= full.calculate_delay(number, random.Random(seed)) <= plain
    assert max(0, plain - 3) <= around.calculate_delay(number, random.Random(seed)) <= plain + 3


def test_jitter_does_spread() -> None:
    rng = random.Random(1)
    for jitter in Jitter:
        policy = RetryPolicy(delay=3, jitter=jitter)
        assert len({policy.calculate_delay(1, rng) for _ in range(10)}) == 10

"""Rules for another try, and its delay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.definitions.retry import Backoff, Jitter, RetryPolicy
from rayexec.run.retry_rules import after_failure, after_request

KINDS = (
    "builtins.ConnectionError",
    "builtins.OSError",
    "builtins.Exception",
    "builtins.BaseException",
)


@pytest.mark.parametrize(
    ("policy", "attempt_number", "enabled", "retry", "reason"),
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
    policy: RetryPolicy | None, attempt_number: int, enabled: bool, retry: bool, reason: str | None
) -> None:
    decision = after_failure(policy, attempt_number, KINDS, enabled=enabled)
    assert (decision.retry, decision.reason) == (retry, reason)


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
    assert [policy.calculate_delay(attempt_number) for attempt_number in (1, 2, 3, 4)] == delays
    assert after_failure(policy, 1, KINDS, enabled=True).delay == delays[1]


def test_no_delay_is_none() -> None:
    assert RetryPolicy().calculate_delay(1) == 0.0


@given(st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([None, *Backoff]))
def test_jitter_stays_in_its_bounds(
    attempt_number: int, seed: int, backoff: Backoff | None
) -> None:
    plain = RetryPolicy(delay=3, backoff=backoff).calculate_delay(attempt_number)
    full = RetryPolicy(delay=3, backoff=backoff, jitter=Jitter.FULL)
    around = RetryPolicy(delay=3, backoff=backoff, jitter=Jitter.PLUS_MINUS)
    assert 0 <= full.calculate_delay(attempt_number, random.Random(seed)) <= plain
    assert (
        max(0, plain - 3)
        <= around.calculate_delay(attempt_number, random.Random(seed))
        <= plain + 3
    )


def test_jitter_does_spread() -> None:
    rng = random.Random(1)
    for jitter in Jitter:
        policy = RetryPolicy(delay=3, jitter=jitter)
        assert len({policy.calculate_delay(1, rng) for _ in range(10)}) == 10

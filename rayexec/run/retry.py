"""Whether a failed attempt is tried again: one rule, asked on the worker and, for workers that
died, on the driver.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from rayexec.definitions.retry import RetryPolicy

__all__ = ["RetryDecision", "after_failure", "after_request"]


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Try again after ``delay`` seconds, or (``retry`` False) fail, for the given ``reason`` where
    there is one.
    """

    retry: bool
    delay: float = 0.0
    reason: str | None = None


FAIL = RetryDecision(False)


def after_failure(
    policy: RetryPolicy | None,
    number: int,
    error_types: tuple[str, ...],
    *,
    enabled: bool,
    rng: random.Random | None = None,
) -> RetryDecision:
    """Return what follows when attempt ``number`` (0 is the first) raised an exception of
    ``error_types``.
    """
    if policy is None or policy.max_retries == 0 or not policy.covers(error_types):
        return FAIL
    if not enabled:
        return RetryDecision(False, reason="a retry is due, but retries are disabled in this run")
    if number >= policy.max_retries:
        return RetryDecision(False, reason=f"Exceeded max_retries of {policy.max_retries}")
    return RetryDecision(True, policy.calculate_delay(number + 1, rng))


def after_request(
    max_retries: int, seconds: float | None, number: int, *, enabled: bool
) -> RetryDecision:
    """Return what follows when attempt ``number`` raised RetryRequested."""
    if not enabled:
        return RetryDecision(
            False, reason="RetryRequested was raised, but retries are disabled in this run"
        )
    if number >= max_retries:
        return RetryDecision(False, reason=f"Exceeded max_retries of {max_retries}")
    return RetryDecision(True, float(seconds or 0.0))

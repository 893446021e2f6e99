"""Rules for another try after a failed attempt.

Workers apply them to exceptions, and the driver applies them to workers that died.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from rayexec.definitions.retry import RetryPolicy

__all__ = ["RetryDecision", "after_failure", "after_request"]


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """A decision about a failed attempt."""

    #: Whether there is another try; otherwise the step fails.
    retry: bool
    #: The seconds until then.
    delay: float = 0.0
    #: The reason for a failure without another try, where it is not plain.
    reason: str | None = None


_FAIL = RetryDecision(False)


def after_failure(
    policy: RetryPolicy | None,
    attempt_number: int,
    error_types: tuple[str, ...],
    *,
    enabled: bool,
    rng: random.Random | None = None,
) -> RetryDecision:
    """Decide after an attempt (0 is the first) that raised an exception of ``error_types``."""
    if policy is None or policy.max_retries == 0 or not policy.covers(error_types):
        return _FAIL
    if not enabled:
        return RetryDecision(False, reason="a retry is due, but retries are disabled in this run")
    if attempt_number >= policy.max_retries:
        return RetryDecision(False, reason=f"Exceeded max_retries of {policy.max_retries}")
    return RetryDecision(True, policy.calculate_delay(attempt_number + 1, rng))


def after_request(
    max_retries: int, delay: float | None, attempt_number: int, *, enabled: bool
) -> RetryDecision:
    """Decide after an attempt that raised RetryRequested with these limits."""
    if not enabled:
        return RetryDecision(
            False, reason="RetryRequested was raised, but retries are disabled in this run"
        )
    if attempt_number >= max_retries:
        return RetryDecision(False, reason=f"Exceeded max_retries of {max_retries}")
    return RetryDecision(True, float(delay or 0.0))

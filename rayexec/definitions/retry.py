"""Retry policies, and the exceptions for an op to request a retry or to fail."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.errors import DefinitionError

__all__ = ["Backoff", "Failure", "Jitter", "RetryPolicy", "RetryRequested"]


class Backoff(enum.Enum):
    """Growth of the delay from one attempt to the next."""

    LINEAR = "LINEAR"
    EXPONENTIAL = "EXPONENTIAL"


class Jitter(enum.Enum):
    """Random spread of the delay, so that many failed steps do not return at once."""

    FULL = "FULL"
    PLUS_MINUS = "PLUS_MINUS"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries of a failed step: their count, delay and condition."""

    max_retries: int = 1
    #: Seconds before a retry.
    delay: float | None = None
    #: Delay before retry n: ``delay * n`` (LINEAR) or ``delay * (2**n - 1)`` (EXPONENTIAL).
    backoff: Backoff | None = None
    jitter: Jitter | None = None
    #: Restricts the policy to exceptions of these classes. A dead worker counts as
    #: WorkerCrashedError, a step over its timeout as StepTimeoutError and so as TimeoutError.
    retry_on: tuple[type[BaseException], ...] | None = None
    #: Multiplies the memory request after Ray killed the worker for lack of memory: the ``memory``
    #: of ray_options, or else the memory of the worker, or else 1 GiB. The largest node limits it.
    memory_factor: float | None = None

    def __post_init__(self) -> None:
        problems: list[str] = []
        if (
            isinstance(self.max_retries, bool)
            or not isinstance(self.max_retries, int)
            or self.max_retries < 0
        ):
            problems.append(
                f"max_retries must be a whole number of at least 0, got {self.max_retries!r}"
            )
        if self.delay is not None and not _is_delay(self.delay):
            problems.append(f"delay must be a number of seconds of at least 0, got {self.delay!r}")
        if self.delay is None and self.backoff is not None:
            problems.append("backoff has no effect without a delay: give delay too")
        if self.delay is None and self.jitter is not None:
            problems.append("jitter has no effect without a delay: give delay too")
        if self.retry_on is not None:
            classes = (
                self.retry_on if isinstance(self.retry_on, (tuple, list)) else (self.retry_on,)
            )
            if not classes or not all(
                isinstance(each, type) and issubclass(each, BaseException) for each in classes
            ):
                problems.append(f"retry_on must be exception classes, got {self.retry_on!r}")
            object.__setattr__(self, "retry_on", tuple(classes))
        if self.memory_factor is not None:
            factor = self.memory_factor
            if (
                isinstance(factor, bool)
                or not isinstance(factor, (int, float))
                or not 1 < factor < 1e9
            ):
                problems.append(f"memory_factor must be a number greater than 1, got {factor!r}")
            elif self.max_retries == 0:
                problems.append(
                    "memory_factor has no effect without retries: let max_retries be at least 1"
                )
        if problems:
            raise DefinitionError(f"RetryPolicy: {'; '.join(problems)}.")

    def calculate_delay(self, attempt: int, rng: random.Random | None = None) -> float:
        """Return the seconds before retry ``attempt``, from 1; ``rng`` draws the jitter."""
        base = self.delay or 0.0
        if self.backoff is Backoff.LINEAR:
            delay = base * attempt
        elif self.backoff is Backoff.EXPONENTIAL:
            delay = base * (2.0 ** min(attempt, 64) - 1)
        else:
            delay = base
        if self.jitter is None:
            return delay
        chance = (rng or random).random()
        if self.jitter is Jitter.FULL:
            return delay * chance
        return max(0.0, delay + base * (2 * chance - 1))

    def covers(self, error_types: tuple[str, ...]) -> bool:
        """Whether the policy applies to an exception, by the names of its class and bases."""
        if self.retry_on is None:
            return True
        return any(
            f"{each.__module__}.{each.__qualname__}" in error_types for each in self.retry_on
        )


def _is_delay(seconds: Any) -> bool:
    """Tell whether a step may wait for so long."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    return is_number and 0 <= seconds < 1e9


class RetryRequested(Exception):
    """Request of an op for a retry after ``seconds_to_wait``, at most ``max_retries`` times."""

    def __init__(self, max_retries: int = 1, seconds_to_wait: float | None = None) -> None:
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
            raise DefinitionError(
                f"RetryRequested: max_retries must be a whole number of at least 0, got "
                f"{max_retries!r}."
            )
        if seconds_to_wait is not None and not _is_delay(seconds_to_wait):
            raise DefinitionError(
                "RetryRequested: seconds_to_wait must be a number of seconds of at least 0, got "
                f"{seconds_to_wait!r}."
            )
        super().__init__(max_retries, seconds_to_wait)
        self.max_retries = max_retries
        self.seconds_to_wait = seconds_to_wait


class Failure(Exception):
    """Failure of an op with an explanation; ``allow_retries=False`` overrides its RetryPolicy."""

    def __init__(
        self,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        allow_retries: bool | None = None,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.metadata = normalize_metadata(metadata)
        self.allow_retries = True if allow_retries is None else allow_retries

    def __reduce__(self) -> tuple[Any, ...]:
        return Failure, (self.description, self.metadata, self.allow_retries)

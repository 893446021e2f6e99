"""When a failed step is tried again, and how an op says that it failed on purpose."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.definitions.metadata import normalize_metadata
from rayexec.errors import DefinitionError

__all__ = ["Backoff", "Failure", "Jitter", "RetryPolicy", "RetryRequested"]


class Backoff(enum.Enum):
    """How the delay grows from one attempt to the next."""

    LINEAR = "LINEAR"
    EXPONENTIAL = "EXPONENTIAL"


class Jitter(enum.Enum):
    """How chance spreads the delay, so that many failed steps do not come back at once."""

    FULL = "FULL"
    PLUS_MINUS = "PLUS_MINUS"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a failed step is tried again.

    ``delay`` is in seconds. The delay before retry n is ``delay``, ``delay * n`` (LINEAR) or
    ``delay * (2**n - 1)`` (EXPONENTIAL). ``retry_on`` limits the policy to exceptions of those
    classes; a worker that died counts as WorkerCrashedError, and a step over its timeout as
    StepTimeoutError, which is a TimeoutError. ``memory_factor`` is by how much more memory a step
    asks for on Ray after its worker was killed since the node ran short: that many times the
    ``memory`` of its ray_options, or where these have none, of what the worker had (1 GiB if that
    is not known); at most what the largest node has.
    """

    max_retries: int = 1
    delay: float | None = None
    backoff: Backoff | None = None
    jitter: Jitter | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
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
        if self.delay is not None and (
            isinstance(self.delay, bool)
            or not isinstance(self.delay, (int, float))
            or not 0 <= self.delay < 1e9
        ):
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
        """Return the seconds to wait before retry number ``attempt`` (1 is the first); ``rng``
        draws the jitter.
        """
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
        """Whether an exception, told by the qualified names of its class and bases, is one to retry
        on.
        """
        if self.retry_on is None:
            return True
        return any(
            f"{each.__module__}.{each.__qualname__}" in error_types for each in self.retry_on
        )


class RetryRequested(Exception):
    """Raised by an op to be tried again, at most ``max_retries`` times, after ``seconds_to_wait``."""

    def __init__(self, max_retries: int = 1, seconds_to_wait: float | None = None) -> None:
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
            raise DefinitionError(
                f"RetryRequested: max_retries must be a whole number of at least 0, got "
                f"{max_retries!r}."
            )
        super().__init__(max_retries, seconds_to_wait)
        self.max_retries = max_retries
        self.seconds_to_wait = seconds_to_wait


class Failure(Exception):
    """Raised by an op that failed for a reason it can explain; ``allow_retries=False`` overrides
    its RetryPolicy.
    """

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

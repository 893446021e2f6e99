"""Values and errors that the jobs of the recorded store yield."""

from __future__ import annotations

from typing import Any

import numpy as np

from rayexec import (
    Backoff,
    Event,
    EventType,
    Failure,
    Jitter,
    MetadataValue,
    Pool,
    RayOptions,
    ReexecutionOptions,
    RetryPolicy,
    RetryRequested,
    RunConfig,
    TypeCheck,
    WorkerCrashedError,
)


def public_values() -> dict[str, Any]:
    """Return instances of public classes that stored values may hold; they compare by content."""
    return {
        "metadata": MetadataValue.md("**bold**"),
        "policy": RetryPolicy(
            max_retries=2, delay=0.5, backoff=Backoff.EXPONENTIAL, jitter=Jitter.FULL
        ),
        "options": RayOptions(num_cpus=0.5),
        "pool": Pool("warehouse", slots=2),
        "config": RunConfig(ops={"load": {"config": {"size": 3}}}),
        "kind": EventType.STEP_SUCCESS,
        "event": Event(EventType.STEP_START, "Started.", 1.0, "load"),
        "reexecution": ReexecutionOptions.from_failure("an-earlier-run"),
        "check": TypeCheck(True),
    }


def public_errors() -> list[Exception]:
    """Return public exceptions that a stored value may hold."""
    return [
        Failure("no room", metadata={"free": 3}),
        RetryRequested(max_retries=2),
        WorkerCrashedError("it died"),
    ]


def large(size: int) -> Any:
    """Return the array that ``load`` yields; 8,400 items are more than 64 KiB."""
    return np.arange(size, dtype=np.int64)

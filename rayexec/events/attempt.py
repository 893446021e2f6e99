"""One attempt of one step as a packed row: what a worker answers and what the log keeps."""

from __future__ import annotations

from typing import Any, NamedTuple

from rayexec.events.failure import ErrorInfo, StepFailureData

__all__ = ["FAILURE", "RETRY", "SUCCESS", "Attempt", "HookOutcome", "LogLine", "OutputRecord", "ResourceRecord"]

# How an attempt ended. Small integers, since rows of no-op steps are made by the hundred thousand.
SUCCESS, FAILURE, RETRY = 0, 1, 2


class LogLine(NamedTuple):
    """A line that an op logged: when, at which ``logging`` level, what."""

    time: float
    level: int
    message: str


class HookOutcome(NamedTuple):
    """How a hook went: ``completed``, ``skipped`` (it waits for the other outcome) or ``errored``."""

    name: str
    status: str
    error: ErrorInfo | None = None


class OutputRecord(NamedTuple):
    """An output that was yielded and stored."""

    name: str
    metadata: dict[str, Any] | None = None


class ResourceRecord(NamedTuple):
    """A resource that was opened, or (with ``error``) failed to open or to close; times are seconds since 1970."""

    key: str
    started: float
    ended: float
    error: ErrorInfo | None = None
    closing: bool = False


class Attempt(NamedTuple):
    """One attempt: ``step`` is the index in the plan, ``number`` 0 for the first try, times are seconds since 1970.

    ``outputs`` are those stored before the attempt ended, also by one that failed. ``delay`` is in seconds and set
    for an attempt that is up for retry. ``resources`` are records of resources that were opened for it, or failed to
    close after it. ``has_large_output`` tells that an output went into an object of its own in the object store.
    """

    step: int
    number: int
    outcome: int
    started: float
    ended: float
    outputs: tuple[OutputRecord, ...] = ()
    failure: StepFailureData | None = None
    delay: float = 0.0
    logs: tuple[LogLine, ...] = ()
    hooks: tuple[HookOutcome, ...] = ()
    stdout: str = ""
    stderr: str = ""
    resources: tuple[ResourceRecord, ...] = ()
    pid: int = 0
    has_large_output: bool = False

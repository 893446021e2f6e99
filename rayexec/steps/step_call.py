"""Data of an attempt: the call to make, a call that was made before, and the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rayexec.events import Attempt

__all__ = ["AttemptEnd", "FinishedCall", "StepCall"]


class StepCall(NamedTuple):
    """An attempt to make: everything about it except the values of its inputs."""

    step: int
    key: str
    #: Index of the step's template in the plan.
    template: int
    #: Number of the attempt, from 0.
    attempt: int
    config: Any
    tags: Mapping[str, str]


class FinishedCall(NamedTuple):
    """A call of an op's function that has ended: its start, and its result or exception."""

    started: float
    result: Any
    error: BaseException | None


class AttemptEnd(NamedTuple):
    """The row of an attempt, with the exception of a failed one."""

    row: Attempt
    error: BaseException | None

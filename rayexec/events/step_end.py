"""Ends of steps, as summaries count them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rayexec.events.attempt import (
    FAILURE,
    SUCCESS,
    Attempt,
    ResourceRecord,
    StepsRestored,
    Successes,
)
from rayexec.events.event import Event
from rayexec.events.event_type import EventType

__all__ = [
    "END_BY_OUTCOME",
    "Record",
    "StepEnd",
    "StepsEnded",
    "counts_by_end",
    "end_of",
    "ends_of",
]

Record: TypeAlias = Event | Attempt | Successes | ResourceRecord | StepsRestored


class StepEnd(str, enum.Enum):
    """End of a step; a member equals its text, the key of a count."""

    SUCCEEDED = "succeeded"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_RUN = "not run"

    # Since Python 3.12 a formatted member would otherwise show its class too.
    __str__ = str.__str__

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)


#: Ends of steps by the outcomes of their last attempts; reused outputs differ, see ``end_of``.
END_BY_OUTCOME: Mapping[int, StepEnd] = {SUCCESS: StepEnd.SUCCEEDED, FAILURE: StepEnd.FAILED}


class StepsEnded(NamedTuple):
    """Steps that ended alike, by index in the plan or by key."""

    end: StepEnd
    steps: Sequence[int | str]


def end_of(attempt: Attempt) -> StepEnd | None:
    """Return the end of a step by one of its attempts; None for an attempt with a retry to come."""
    if attempt.outcome == SUCCESS and attempt.reused is not None:
        return StepEnd.REUSED
    return END_BY_OUTCOME.get(attempt.outcome)


def ends_of(record: Record) -> StepsEnded | None:
    """Return the steps that ended by one record of a run; None for a record of anything else.

    A step may end again later: after a loss of its outputs it runs once more.
    """
    if isinstance(record, Successes):
        return StepsEnded(StepEnd.SUCCEEDED, record.steps)
    if isinstance(record, Attempt):
        end = end_of(record)
        return None if end is None else StepsEnded(end, (record.step,))
    if isinstance(record, StepsRestored):
        return StepsEnded(StepEnd.REUSED, record.steps)
    if isinstance(record, Event):
        if record.event_type is EventType.STEP_SKIPPED:
            return StepsEnded(StepEnd.SKIPPED, (record.step_key or "",))
        data = record.event_specific_data
        if isinstance(data, dict) and "not_run" in data:
            return StepsEnded(StepEnd.NOT_RUN, (data["not_run"],))
    return None


def counts_by_end(ended: Mapping[StepEnd, int], steps: int) -> dict[StepEnd, int]:
    """Return the counts of all ends in a run of ``steps`` steps; reused ones only if any are.

    Steps in no count of ``ended`` did not run.
    """
    counts: dict[StepEnd, int] = {
        end: ended.get(end, 0) for end in StepEnd if end is not StepEnd.NOT_RUN
    }
    counts[StepEnd.NOT_RUN] = steps - sum(counts.values())
    return {end: count for end, count in counts.items() if count or end is not StepEnd.REUSED}

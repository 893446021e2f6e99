"""Log records of transitions, such as skipped steps and repeated ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from rayexec.errors import InputError
from rayexec.events import FAILURE, Attempt, Event, EventType, StepFailureData, describe_error
from rayexec.plan.model import Step
from rayexec.scheduler.messages import (
    StepAbandoned,
    StepRequeued,
    StepSkipped,
    StepTakenBack,
    StepUnfed,
    Transition,
)

__all__ = ["list_of_keys", "record_of"]

_MOST_LISTED = 10  # steps in a message


def record_of(transition: Transition, steps: Sequence[Step]) -> Event | Attempt:
    """Return the record of a transition at this moment; ``steps`` are the plan's."""
    return _RECORDS[type(transition)](transition, steps, time.time())


def _skipped(transition: StepSkipped, steps: Sequence[Step], now: float) -> Event:
    key = steps[transition.step].key
    message = f'Skipped step "{key}": an input it needs was not yielded.'
    return Event(EventType.STEP_SKIPPED, message, now, key)


def _abandoned(transition: StepAbandoned, steps: Sequence[Step], now: float) -> Event:
    key = steps[transition.step].key
    culprits = list_of_keys([steps[each].key for each in transition.culprits])
    message = f"Dependencies for step {key} failed: {culprits}. Not executing."
    data = {"level": logging.ERROR, "not_run": key}
    return Event(EventType.LOG_MESSAGE, message, now, None, data)


def _taken_back(transition: StepTakenBack, steps: Sequence[Step], now: float) -> Event:
    key, other = steps[transition.step].key, steps[transition.needed_by].key
    cause = "are not stored" if transition.is_unkept else "were lost"
    message = f'The outputs of step "{key}" {cause}, and step "{other}" needs them: it runs again.'
    return Event(EventType.ENGINE_EVENT, message, now, key)


def _requeued(transition: StepRequeued, steps: Sequence[Step], now: float) -> Event:
    key = steps[transition.step].key
    count = f"{transition.times} of {transition.most} times"
    message = f'Step "{key}" runs again, at no cost to its retries ({count}): {transition.reason}'
    return Event(EventType.ENGINE_EVENT, message, now, key)


def _unfed(transition: StepUnfed, steps: Sequence[Step], now: float) -> Attempt:
    """Return the failure of a step without inputs in this run or the previous one."""
    missing = list_of_keys([steps[each].key for each in transition.culprits])
    message = (
        f"it reads from {missing}, which the earlier run has no output of, and which the step "
        "selection leaves out"
    )
    if transition.is_refused:
        message = (
            f"it reads from {missing}, whose outputs the earlier run did not store, and which must "
            "not run again (rerun_on_loss=False). Select it, and what is behind it, to have it run "
            "all the same"
        )
    failure = StepFailureData(describe_error(InputError(f"{message}.")), ("InputError",))
    return Attempt(transition.step, 0, FAILURE, now, now, failure=failure)


_RECORDS: dict[type[Transition], Callable[[Any, Sequence[Step], float], Event | Attempt]] = {
    StepSkipped: _skipped,
    StepAbandoned: _abandoned,
    StepTakenBack: _taken_back,
    StepRequeued: _requeued,
    StepUnfed: _unfed,
}


def list_of_keys(keys: Sequence[str]) -> str:
    """Return a list of step keys for a message; a long one has its end as a count."""
    more = f" and {len(keys) - _MOST_LISTED:,} more" if len(keys) > _MOST_LISTED else ""
    return f"[{', '.join(map(repr, keys[:_MOST_LISTED]))}{more}]"

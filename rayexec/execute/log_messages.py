"""What is told of a run's steps that do not simply run: in the words of its log."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from rayexec.events import FAILURE, Attempt, ErrorInfo, Event, EventType, StepFailureData
from rayexec.plan.model import Step
from rayexec.scheduler.messages import (
    StepAbandoned,
    StepRequeued,
    StepSkipped,
    StepTakenBack,
    StepUnfed,
    Transition,
)

__all__ = ["named", "record_of"]

_NAMED = 10  # steps that a message lists


def record_of(
    what: Transition,
    steps: Sequence[Step],
) -> Event | Attempt:
    """Return the record of what has just become of one of a plan's ``steps``."""
    now, key = time.time(), steps[what.step].key
    if isinstance(what, StepUnfed):
        return _unfed(what, steps, now)
    if isinstance(what, StepSkipped):
        words = f'Skipped step "{key}": an input it needs was not yielded.'
        return Event(EventType.STEP_SKIPPED, words, now, key)
    if isinstance(what, StepAbandoned):
        culprits = named([steps[each].key for each in what.culprits])
        words = f"Dependencies for step {key} failed: {culprits}. Not executing."
        return Event(
            EventType.LOG_MESSAGE, words, now, None, {"level": logging.ERROR, "not_run": key}
        )
    if isinstance(what, StepTakenBack):
        how = "are not kept" if what.is_unkept else "were lost"
        other = steps[what.needed_by].key
        words = f'The outputs of step "{key}" {how}, and step "{other}" needs them: it runs again.'
    elif isinstance(what, StepRequeued):
        count = f"{what.times} of {what.most} times"
        words = f'Step "{key}" runs again, at no cost to its retries ({count}): {what.reason}'
    else:
        raise TypeError(f"no record of {what!r}")
    return Event(EventType.ENGINE_EVENT, words, now, key)


def _unfed(what: StepUnfed, steps: Sequence[Step], now: float) -> Attempt:
    """Return the failure of a step which takes what nobody yielded, neither this run nor that
    before.
    """
    missing = named([steps[each].key for each in what.culprits])
    words = f"it takes from {missing}, which the earlier run has no output of, and which the step selection leaves out"
    if what.is_refused:
        words = (
            f"it takes from {missing}, whose outputs the earlier run did not keep, and which must "
            f"not run again "
            "(rerun_on_loss=False). Select it, and what is behind it, to have it run all the same"
        )
    shown = ErrorInfo("InputError", f"{words}.", "")
    return Attempt(what.step, 0, FAILURE, now, now, failure=StepFailureData(shown, ("InputError",)))


def named(keys: Sequence[str]) -> str:
    """Return a list of step keys in words, of a long one the first few."""
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    return f"[{', '.join(map(repr, keys[:_NAMED]))}{more}]"

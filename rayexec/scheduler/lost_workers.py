"""Attempts of steps that lost their workers, and more memory for the next attempt."""

from __future__ import annotations

from dataclasses import replace

from rayexec.events import FAILURE, RETRY, Attempt, StepFailureData
from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan
from rayexec.plan.model import Call
from rayexec.run.retry_rules import after_failure
from rayexec.scheduler.batching import Batcher
from rayexec.scheduler.messages import BatchLost

__all__ = ["LostWorkers"]


class LostWorkers:
    """Counts losses of workers, and applies retry policies to them unless ``retries`` is off."""

    def __init__(
        self, plan: Plan, placement: Placement, batcher: Batcher, *, retries: bool, most: int
    ) -> None:
        #: The losses before its start, or of its inputs, that cost a step none of its retries.
        self.most = most
        self._plan = plan
        self._placement = placement
        self._batcher = batcher
        self._retries = retries
        self._times: dict[int, int] = {}

    def count(self, step: int) -> int:
        """Count a loss by no fault of the step; return its number of such losses."""
        times = self._times[step] = self._times.get(step, 0) + 1
        return times

    def failed_attempt(self, call: Call, event: BatchLost) -> Attempt:
        """Return the failed attempt of a call whose worker died."""
        failure: StepFailureData = event.failure
        policy = self._plan.templates[self._plan.steps[call.step].template].retry_policy
        verdict = after_failure(policy, call.attempt, failure.error_types, enabled=self._retries)
        factor = (
            None
            if policy is None or not verdict.retry or event.memory is None
            else policy.memory_factor
        )
        if factor is not None:
            failure = self._ask_for_more_memory(call.step, factor, event.memory or 0, failure)
        return Attempt(
            call.step,
            call.attempt,
            RETRY if verdict.retry else FAILURE,
            event.started,
            event.ended,
            failure=failure,
            delay=verdict.delay,
            logs=event.logs,
            stdout=event.stdout,
            stderr=event.stderr,
            pid=event.facts.pid if event.facts is not None else 0,
            batch=event.batch_id,
        )

    def _ask_for_more_memory(
        self, step: int, factor: float, had: int, failure: StepFailureData
    ) -> StepFailureData:
        """Have a step ask for more memory from now on; return its failure with a note about it."""
        class_count = len(self._placement.classes)
        memory = self._placement.with_more_memory(step, factor, had)
        for scheduling_class in self._placement.classes[class_count:]:
            self._batcher.add_class(scheduling_class)
        note = (
            "no node has more to ask for"
            if memory is None
            else f"the next try asks for {memory / 2**30:.3g} GiB"
        )
        error = replace(failure.error, message=f"{failure.error.message}; {note}")
        return replace(failure, error=error)

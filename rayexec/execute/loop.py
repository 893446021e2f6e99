"""The one loop of a run, between scheduler, engine and log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from rayexec.engine.base import Engine
from rayexec.errors import StoreError
from rayexec.events import Attempt, EventType, LiveLines, StepsRestored, Successes
from rayexec.execute.cancel_watch import Canceled, CancelToken
from rayexec.execute.reporter import Reporter
from rayexec.execute.transition_records import record_of
from rayexec.run.spec import RunSpec
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    CancelBatches,
    CancelRequested,
    DropOutputs,
    DropValues,
    EngineReport,
    RestoreOutputs,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    SharedLimitsChanged,
    StepAbandoned,
    StepRequeued,
    StepSkipped,
    StepTakenBack,
    StepUnfed,
    TimerFired,
    Transition,
)
from rayexec.steps.timeouts import deadline

__all__ = ["Loop", "OverTime"]

_SHARED_LIMITS_INTERVAL_S = 0.5  # between two questions about what other runs hold
_SILENCE_S = 10.0  # without any report; then the engine is asked for suspicions
_KILL_GRACE_S = 5.0  # for workers to die after they are killed
_CLOCK_SLACK_S = 1e-3  # by which clocks may differ


class OverTime(KeyboardInterrupt):
    """Interrupt at the run's ``max_runtime``; no failure of the interrupted step."""


class _NoBackstop:
    """Backstop without effect: a hanging step has a timeout of its own for warnings."""

    def arm(self, seconds: float) -> None:
        """Do nothing; every step of a run in this process passes by here."""

    def disarm(self) -> None:
        """Do nothing."""


class Loop:
    """Drives a scheduler with an engine, in the thread of its caller."""

    def __init__(
        self,
        spec: RunSpec,
        engine: Engine,
        machine: Machine,
        reporter: Reporter,
        token: CancelToken,
        clock: Callable[[], float],
    ) -> None:
        self._spec = spec
        self._engine = engine
        self._machine = machine
        self._reporter = reporter
        self._token = token
        self._clock = clock
        max_runtime = spec.config.execution.max_runtime
        self._ends_at = float("inf") if max_runtime is None else clock() + max_runtime
        # Steps with outputs of the previous run, in order, until they are recorded together.
        self._restored: dict[int, None] = {}
        engine.listen(reporter.lines)

    def run(self) -> None:
        """Drive the scheduler until it is over.

        Raises Canceled after a request to cancel the run, and OverTime at its ``max_runtime``.
        """
        machine, engine = self._machine, self._engine
        self._tell_of_other_config()
        self._feed(SharedLimitsChanged(engine.others()))
        self._feed(RunStarted())
        watched_at = self._clock()
        while not machine.is_over:
            due = machine.wakes_at()
            timeout = _SILENCE_S
            if due is not None:
                timeout = min(timeout, max(0.0, due - self._clock()))
            if machine.is_watching:
                next_watch = watched_at + _SHARED_LIMITS_INTERVAL_S
                timeout = min(timeout, max(0.0, next_watch - self._clock()))
            observer_timeout = self._reporter.observer.idle()
            reports = self._wait(
                timeout if observer_timeout is None else min(timeout, observer_timeout)
            )
            has_events = self._pass_on(reports)
            if machine.is_watching and self._clock() >= watched_at + _SHARED_LIMITS_INTERVAL_S:
                watched_at = self._clock()
                self._feed(SharedLimitsChanged(engine.others()))
            if not reports and timeout == _SILENCE_S and observer_timeout is None:
                self._reporter.warn(engine.warnings())
            if not has_events:
                self._feed(TimerFired())

    @property
    def is_over_time(self) -> bool:
        """Whether the run has reached its ``max_runtime``."""
        return self._clock() >= self._ends_at - _CLOCK_SLACK_S

    def _wait(self, timeout: float) -> list[EngineReport]:
        token = self._token
        if token.request is not None:  # Read here, since a run in this process comes by each step.
            raise Canceled
        left = self._ends_at - self._clock()
        if self.is_over_time:
            raise OverTime
        if not self._engine.runs_here:
            return self._engine.wait(min(timeout, left))
        token.is_inside = True
        if left < float("inf"):
            with deadline(left, "the run", _NoBackstop(), error=OverTime):
                reports = self._engine.wait(timeout)
        else:
            reports = self._engine.wait(timeout)
        token.is_inside = False
        return reports

    def cancel(self, reason: str, data: object = None) -> None:
        """Ask all steps that run to end, and kill them after the grace period.

        A request by force, or an interrupt meanwhile, ends the grace period at once.
        """
        self._token.is_inside = False
        try:
            how = "ended by force" if self._token.is_forced else "asked to end"
            self._reporter.event(
                EventType.RUN_CANCELING, f"{reason}; its steps are {how}.", None, data
            )
            self._feed(CancelRequested())
            # A run inside a step must be through before that step is killed itself.
            grace = self._spec.config.execution.cancel_grace
            self._wait_for_ends(grace / 2 if self._engine.is_nested else grace)
        except KeyboardInterrupt:
            self._reporter.event(
                EventType.ENGINE_EVENT,
                "The run was interrupted again; its steps are ended by force.",
            )
        if self._machine.running:
            self._engine.cancel(tuple(self._machine.running), force=True)
            self._wait_for_ends(_KILL_GRACE_S, is_killed=True)

    def _wait_for_ends(self, seconds: float, *, is_killed: bool = False) -> None:
        """Wait up to ``seconds`` for the batches that run; a request by force ends the wait."""
        ends_at = self._clock() + seconds
        while (
            self._machine.running
            and (left := ends_at - self._clock()) > 0
            and (is_killed or not self._token.is_forced)
        ):
            observer_timeout = None
            # A store that fails now has ended the run already, or does not matter any more.
            with contextlib.suppress(StoreError):
                observer_timeout = self._reporter.observer.idle()
            left = min(left, _SILENCE_S)  # no engine waits for 9.3e9 s
            self._pass_on(
                self._engine.wait(left if observer_timeout is None else min(left, observer_timeout))
            )

    def _pass_on(self, reports: Iterable[EngineReport]) -> bool:
        """Pass reports to scheduler and log; return whether the scheduler got any."""
        has_events = False
        for report in reports:
            if isinstance(report, LiveLines):
                self._reporter.lines(report)
                continue
            if isinstance(report, (BatchEnded, BatchLost)):
                self._reporter.batch_ended(report.facts)
            has_events = True
            self._feed(report)
        return has_events

    def _feed(self, event: SchedulerEvent) -> None:
        for instruction in self._machine.handle(event, self._clock()):
            _CARRY_OUT[type(instruction)](self, instruction)
        if self._restored:
            self._record_restored()

    def _submit(self, command: RunBatch) -> None:
        self._reporter.log.batch_submitted(time.time(), command.batch.calls)
        self._engine.submit(command.batch)

    def _cancel_batches(self, command: CancelBatches) -> None:
        self._engine.cancel(command.batch_ids, force=False)

    def _drop_outputs(self, command: DropOutputs) -> None:
        self._engine.release(command.steps)

    def _drop_values(self, command: DropValues) -> None:
        self._engine.release_values(command.step, command.names)

    def _restore(self, command: RestoreOutputs) -> None:
        self._engine.restore(command.step, command.done.values)
        self._restored[command.step] = None

    def _record_successes(self, successes: Successes) -> None:
        self._reporter.record(successes)

    def _record_attempt(self, attempt: Attempt) -> None:
        self._reporter.attempt(attempt)

    def _record_transition(self, transition: Transition) -> None:
        self._restored.pop(transition.step, None)  # It runs after all.
        record = record_of(transition, self._spec.plan.steps)
        self._reporter.record(record)

    def _tell_of_other_config(self) -> None:
        previous_run = self._spec.previous_run
        if previous_run is None:
            return
        if previous_run.changed:
            nodes = ", ".join(previous_run.changed)
            self._reporter.event(
                EventType.ENGINE_EVENT,
                f"{nodes}: runs again with what depends on it, since it has other config or input "
                f"values than in run {previous_run.run_id}.",
            )
        if previous_run.with_other_resources:
            nodes = ", ".join(previous_run.with_other_resources)
            self._reporter.event(
                EventType.ENGINE_EVENT,
                f"{nodes}: finished in run {previous_run.run_id} with other config of a resource "
                "or IO manager. Its outputs count, unless an input of it has changed; to run it "
                "again, select it (-s).",
            )

    def _record_restored(self) -> None:
        steps, self._restored = list(self._restored), {}
        self._reporter.record(StepsRestored(steps))
        parent = self._spec.previous_run.run_id if self._spec.previous_run is not None else ""
        count = f"{len(steps):,} step{'' if len(steps) == 1 else 's'}"
        self._reporter.event(
            EventType.ENGINE_EVENT, f"{count} need not run: run {parent} has the outputs."
        )


# What each instruction of the scheduler makes the loop do. The table is no part of a loop: bound
# methods in there would make a circle that keeps the engine, and so its values, after the run.
_CARRY_OUT: dict[type, Callable[[Loop, Any], None]] = {
    RunBatch: Loop._submit,
    CancelBatches: Loop._cancel_batches,
    DropOutputs: Loop._drop_outputs,
    DropValues: Loop._drop_values,
    RestoreOutputs: Loop._restore,
    Successes: Loop._record_successes,
    Attempt: Loop._record_attempt,
    StepSkipped: Loop._record_transition,
    StepAbandoned: Loop._record_transition,
    StepTakenBack: Loop._record_transition,
    StepRequeued: Loop._record_transition,
    StepUnfed: Loop._record_transition,
}

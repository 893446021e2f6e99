"""The one loop: instructions of the state machine to the engine, what comes back to the state
machine and the log.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rayexec.engine.base import Engine
from rayexec.errors import EngineError, ResourceError, RunCanceledError, RunTimeoutError, StoreError
from rayexec.events import (
    Attempt,
    BatchFacts,
    DeliveredLines,
    Event,
    EventType,
    LiveLines,
    RunStatus,
    StepsRestored,
    Successes,
    describe_error,
)
from rayexec.execute.cancel_watch import Canceled, CancelToken, interruptible
from rayexec.execute.log import Record, RunLog
from rayexec.execute.log_messages import named, record_of
from rayexec.execute.loggers import RunLoggers
from rayexec.execute.observer import Observer
from rayexec.execute.saved_values import keep_values
from rayexec.execute.termination import Terminated
from rayexec.placement.limits import MAX_CONCURRENT
from rayexec.plan.dynamic.run_plan import RunPlan
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
    Instruction,
    RestoreOutputs,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    SharedLimitsChanged,
    TimerFired,
    Transition,
)
from rayexec.steps.timeouts import deadline

__all__ = ["Outcome", "run_to_end"]

WATCH = 0.5  # seconds after which it is asked again what other runs hold, while steps wait for that
_DYING = 5.0  # seconds that workers get to die once they are killed
PATIENCE = 10.0  # seconds without news after which the engine is asked whether something is wrong
_SLACK = 1e-3  # seconds by which clocks may differ


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: ``status`` is SUCCESS, FAILURE or CANCELED; ``error`` is what kept it from
    running at all.
    """

    status: RunStatus
    machine: Machine
    error: BaseException | None = None


class _OverTime(KeyboardInterrupt):
    """The run's time is over; like an interrupt it is no step's failure."""


class _Lenient:
    """A backstop that never falls: a step that hangs is warned of by a timeout of its own."""

    def arm(self, seconds: float) -> None:
        """Do nothing, and cost nothing, for each step passes by here."""

    def disarm(self) -> None:
        """Do nothing."""


class _Loop:
    def __init__(
        self,
        spec: RunSpec,
        engine: Engine,
        log: RunLog,
        machine: Machine,
        observer: Observer,
        clock: Callable[[], float],
        token: CancelToken,
    ) -> None:
        self._spec = spec
        self._token = token
        self._clock = clock
        self._engine = engine
        self._log = log
        self._observer = observer
        self.loggers = RunLoggers(spec, lambda words: self.warn([words]))
        self.machine = machine
        # Steps that were taken over from an earlier run since that was recorded last.
        self._restored: dict[int, None] = {}
        self._delivered = DeliveredLines()
        engine.listen(self.tell)
        most = spec.config.execution.max_runtime
        self._ends = float("inf") if most is None else clock() + most

    def run(self) -> None:
        """Drive the machine until it is over."""
        machine, engine = self.machine, self._engine
        self._feed(SharedLimitsChanged(engine.others()))
        self._feed(RunStarted())
        watched = self._clock()
        while not machine.is_over:
            due = machine.wakes_at()
            timeout = PATIENCE if due is None else min(PATIENCE, max(0.0, due - self._clock()))
            if machine.is_watching:
                timeout = min(timeout, max(0.0, watched + WATCH - self._clock()))
            asked = self._observer.idle()
            back = self._wait(timeout if asked is None else min(timeout, asked))
            is_news = self._take(back)
            if machine.is_watching and self._clock() >= watched + WATCH:
                watched = self._clock()
                self._feed(SharedLimitsChanged(engine.others()))
            if not back and timeout == PATIENCE and asked is None:
                self.warn(engine.warnings())
            if not is_news:
                self._feed(TimerFired())

    @property
    def is_over_time(self) -> bool:
        """Whether the run has taken as long as it may."""
        return self._clock() >= self._ends - _SLACK

    def _wait(self, timeout: float) -> list[EngineReport]:
        """Wait as the engine does; raises _OverTime once the run's time is over, Canceled once
        somebody asked.
        """
        token = self._token
        if (
            token.request is not None
        ):  # and no method, since this is done once a step in this process
            raise Canceled
        left = self._ends - self._clock()
        if self.is_over_time:
            raise _OverTime
        if not self._engine.runs_here:
            return self._engine.wait(min(timeout, left))
        token.is_inside = True
        if left < float("inf"):
            with deadline(left, "the run", _Lenient(), error=_OverTime):
                back = self._engine.wait(timeout)
        else:
            back = self._engine.wait(timeout)
        token.is_inside = False
        return back

    def warn(self, warnings: Iterable[str]) -> None:
        """Record what users should know of a run that goes on."""
        for words in warnings:
            self.record(
                Event(EventType.LOG_MESSAGE, words, time.time(), None, {"level": logging.WARNING})
            )

    def cancel(self, why: str, data: object = None) -> None:
        """End what runs: ask, wait for the grace period, then force; at once where that is asked
        for.
        """
        self._token.is_inside = False
        try:
            how = "ended by force" if self._token.is_forced else "asked to end"
            self.event(EventType.RUN_CANCELING, f"{why}; its steps are {how}.", None, data)
            self._feed(CancelRequested())
            # A run inside a step must be through before that step is killed itself.
            grace = self._spec.config.execution.cancel_grace
            self._wait_for_ends(grace / 2 if self._engine.is_nested else grace)
        except KeyboardInterrupt:
            self.event(
                EventType.ENGINE_EVENT,
                "The run was interrupted again; its steps are ended by force.",
            )
        if self.machine.running:
            self._engine.cancel(tuple(self.machine.running), force=True)
            self._wait_for_ends(_DYING, by_force=True)

    def _wait_for_ends(self, seconds: float, *, by_force: bool = False) -> None:
        """Wait for the batches under way, at most for so long; until they are to be ended by force,
        or were.
        """
        ends = self._clock() + seconds
        while (
            self.machine.running
            and (left := ends - self._clock()) > 0
            and (by_force or not self._token.is_forced)
        ):
            asked = None
            with contextlib.suppress(
                StoreError
            ):  # which has ended the run already, or does not matter any more
                asked = self._observer.idle()
            self._take(self._engine.wait(left if asked is None else min(left, asked)))

    def _take(self, back: Iterable[EngineReport]) -> bool:
        """Feed what came back to the machine; return whether there was anything for it."""
        is_news = False
        for each in back:
            if isinstance(each, LiveLines):
                self.tell(each)
                continue
            if isinstance(each, (BatchEnded, BatchLost)) and each.facts is not None:
                self._batch_ended(each.facts)
            is_news = True
            self._feed(each)
        return is_news

    def tell(self, lines: LiveLines) -> None:
        """Show what a step that goes on has logged and printed."""
        self._delivered.add(lines)
        self._log.add_live_lines(lines)
        self.loggers.pass_on(lines)
        self._observer.lines_received(lines)

    def _feed(self, event: SchedulerEvent) -> None:
        for instruction in self.machine.handle(event, self._clock()):
            self._carry_out(instruction)
        if self._restored:
            steps, self._restored = list(self._restored), {}
            self.record(StepsRestored(steps))
            parent = self._spec.previous_run.run_id if self._spec.previous_run is not None else ""
            words = f"{len(steps):,} step{'' if len(steps) == 1 else 's'} need not run: run {parent} has the outputs."
            self.event(EventType.ENGINE_EVENT, words)

    def _carry_out(self, instruction: Instruction) -> None:
        if isinstance(instruction, RunBatch):
            self._log.batch_submitted(time.time(), instruction.batch.calls)
            self._engine.submit(instruction.batch)
        elif isinstance(instruction, Successes):
            self.record(instruction)
        elif isinstance(instruction, Attempt):
            self.record(instruction)
            self.loggers.pass_on(self._delivered.remainder_of(instruction))
        elif isinstance(instruction, DropOutputs):
            self._engine.release(instruction.steps)
        elif isinstance(instruction, DropValues):
            self._engine.release_values(instruction.step, instruction.names)
        elif isinstance(instruction, RestoreOutputs):
            self._engine.restore(instruction.step, instruction.done.values)
            self._restored[instruction.step] = None
        elif isinstance(instruction, CancelBatches):
            self._engine.cancel(instruction.batch_ids, force=False)
        elif isinstance(instruction, Transition):
            self._restored.pop(instruction.step, None)  # where it is taken back
            self.record(record_of(instruction, self._spec.plan.steps))

    def tell_facts(self) -> None:
        """Show the observer what is known of this process, where it is this that runs the steps."""
        facts = self._engine.facts()
        if facts is not None:
            self._batch_ended(facts)

    def _batch_ended(self, facts: BatchFacts) -> None:
        self._log.batch_ended(facts)
        self._observer.batch_ended(facts)

    def record(self, record: Record) -> None:
        """Append a record to the log and show it to the observer."""
        self._log.append(record)
        self._observer.recorded(record)

    def keep_values(self) -> None:
        """Store what a run that goes on from this one will need; an interrupt cuts it short."""
        try:
            self.warn(keep_values(self._spec, self.machine, self._engine))
        except KeyboardInterrupt:
            self.warn(
                ["Interrupted while values were stored: a resumed run makes again what is missing."]
            )

    def event(
        self, kind: EventType, message: str, key: str | None = None, data: object = None
    ) -> None:
        """Append an event that happened now."""
        self.record(Event(kind, message, time.time(), key, data))


def run_to_end(
    spec: RunSpec,
    make_engine: Callable[[], Engine],
    log: RunLog,
    observer: Observer,
    *,
    stop_on_failure: bool = False,
    clock: Callable[[], float] = time.monotonic,
    token: CancelToken | None = None,
) -> tuple[Outcome, Engine]:
    """Run every step of ``spec`` that can run; return how it went, and the engine that holds the
    values.

    By ``token`` other threads ask the run to end. Whatever happens to single steps is in the
    outcome. Raises EngineError where the engine cannot start, and RunCanceledError (from
    KeyboardInterrupt) is in the outcome's ``error`` rather than raised.
    """
    settings = spec.config.execution
    engine = make_engine()
    machine = Machine(
        spec.plan,
        engine.placement,
        retries=settings.retries,
        require_upstream_success=settings.require_upstream_step_success,
        stop_on_failure=stop_on_failure,
        grows=engine.grows,
        batching=engine.batching,
        keep_outputs=settings.keep_outputs,
        streams=spec.streaming_templates,
        infrastructure_retries=settings.infrastructure_retries,
        previous_run=spec.previous_run,
    )
    token = token or CancelToken()
    loop = _Loop(spec, engine, log, machine, observer, clock, token)
    name = spec.info.job_name
    error: BaseException | None = None
    has_begun = False
    log.placement = engine.placement
    observer.run_started(spec, log, lambda: machine.waiting(clock()))
    limits = [
        {
            "limit": each.name,
            "most": each.most,
            "held_by": each.holder.value,
            "how": each.description,
        }
        for each in engine.placement.limits
    ]
    loop.event(
        EventType.RUN_START, f'Started execution of run for "{name}".', None, {"limits": limits}
    )
    try:
        try:
            loop.loggers.make()
            _start(engine, loop)
            has_begun = True
            loop.tell_facts()  # a run that is killed has them
            with _collector_spared(), interruptible(token, engine.wake, runs_here=engine.runs_here):
                loop.run()
            if isinstance(spec.plan, RunPlan):
                loop.warn(
                    [
                        f"The selection names {each}, of which nothing came."
                        for each in spec.plan.unmatched_keys()
                    ]
                )
        except KeyboardInterrupt as interrupt:
            if (
                isinstance(interrupt, _OverTime) and loop.is_over_time
            ):  # not that of a run around this one
                error = RunTimeoutError(settings.max_runtime or 0.0)
                loop.cancel(f"The run took longer than its max_runtime of {error.seconds:g} s")
            elif isinstance(interrupt, Canceled) and (asked := token.request) is not None:
                who = f"canceled by {asked.by}, with {asked.via}"
                error = RunCanceledError(f"the run was {who}")
                loop.cancel(
                    f"The run was {who}", {"by": asked.by, "via": asked.via, "force": asked.force}
                )
            else:
                by = " by SIGTERM" if isinstance(interrupt, Terminated) else ""
                error = RunCanceledError(f"the run was interrupted{by}")
                error.__cause__ = interrupt
                loop.cancel(f"The run was interrupted{by}")
        except ResourceError as broken:
            error = broken
        except StoreError as broken:
            error = broken
            loop.cancel("The run cannot be recorded any more")
        except EngineError as broken:
            if not has_begun:
                raise
            error = broken
            loop.cancel("The run cannot go on")
        if machine.failed or machine.is_canceled:
            loop.keep_values()
    finally:
        engine.close()
        _record_resources(engine, loop)
        loop.tell_facts()
    outcome = _conclude(loop, machine, spec, error)
    log.is_over = True
    observer.run_ended(outcome.status)
    return outcome, engine


@contextlib.contextmanager
def _collector_spared() -> Iterator[None]:
    """Keep Python's garbage collector from looking, over and over, through what was there before
    the block.

    A plan of 100,000 steps is a million objects that stay; passes over them would be a third of the
    driver's time.
    """
    if (
        gc.get_freeze_count()
    ):  # somebody else's, such as another run's in another thread, to whom it is left
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _start(engine: Engine, loop: _Loop) -> None:
    loop.event(EventType.ENGINE_EVENT, f"Starting the {engine.name} engine.")
    try:
        engine.start()
        for each in engine.placement.limits:
            if each.name == MAX_CONCURRENT:  # every run has it
                continue
            loop.event(
                EventType.ENGINE_EVENT,
                f"At most {each.most} at once by {each.name}: {each.description}.",
            )
        loop.warn(engine.notes)
    finally:
        _record_resources(engine, loop)


def _record_resources(engine: Engine, loop: _Loop) -> None:
    for record in engine.take_resource_records():
        loop.record(record)


def _conclude(loop: _Loop, machine: Machine, spec: RunSpec, error: BaseException | None) -> Outcome:
    name = spec.info.job_name
    if isinstance(error, RunCanceledError) or (machine.is_canceled and error is None):
        loop.event(EventType.RUN_CANCELED, f'Execution of run for "{name}" was canceled.')
        return Outcome(RunStatus.CANCELED, machine, error)
    failed = [spec.plan.steps[step].key for step in machine.failed]
    if error is not None:
        words = f'Execution of run for "{name}" failed. {type(error).__name__}: {error}'
        loop.event(EventType.RUN_FAILURE, words, None, describe_error(error))
        return Outcome(RunStatus.FAILURE, machine, error)
    if failed:
        words = f'Execution of run for "{name}" failed. Steps failed: {named(failed)}.'
        loop.event(EventType.RUN_FAILURE, words, None, {"failed_steps": failed})
        return Outcome(RunStatus.FAILURE, machine)
    loop.event(EventType.ENGINE_EVENT, f"Finished the steps on the {loop._engine.name} engine.")
    loop.event(EventType.RUN_SUCCESS, f'Finished execution of run for "{name}".')
    return Outcome(RunStatus.SUCCESS, machine)

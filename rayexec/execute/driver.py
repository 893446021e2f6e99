"""Driver of a run, from its start to its outcome."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rayexec.engine.base import Engine
from rayexec.errors import EngineError, ResourceError, RunCanceledError, RunTimeoutError, StoreError
from rayexec.events import EventType, RunStatus, describe_error
from rayexec.execute.cancel_watch import Canceled, CancelToken, interruptible
from rayexec.execute.log import RunLog
from rayexec.execute.loop import Loop, OverTime
from rayexec.execute.observer import Observer
from rayexec.execute.reporter import Reporter
from rayexec.execute.saved_values import save_values
from rayexec.execute.termination import Terminated
from rayexec.execute.transition_records import list_of_keys
from rayexec.placement.limits import MAX_CONCURRENT
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.run.spec import RunSpec
from rayexec.scheduler.machine import Machine

__all__ = ["INTERRUPTED", "Driven", "Outcome", "run_to_end"]

#: Data of the event of a cancel by a signal or Ctrl-C.
INTERRUPTED: Mapping[str, str] = {"by": "an interrupt"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a run.

    ``status`` is SUCCESS, FAILURE or CANCELED. ``error`` is a failure of the run as a whole, None
    where only steps failed.
    """

    status: RunStatus
    machine: Machine
    error: BaseException | None = None


class Driven(NamedTuple):
    """Result of driving a run: its outcome, and the engine with its values."""

    outcome: Outcome
    engine: Engine


def run_to_end(
    spec: RunSpec,
    make_engine: Callable[[], Engine],
    log: RunLog,
    observer: Observer,
    *,
    stop_on_failure: bool = False,
    clock: Callable[[], float] = time.monotonic,
    token: CancelToken | None = None,
) -> Driven:
    """Run the steps of ``spec``.

    Other threads may cancel the run by ``token``. Errors of steps, and an interrupt of the run, are
    in the outcome. Raises EngineError where the engine cannot start.
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
    reporter = Reporter(spec, log, observer)
    run = _Run(spec, engine, machine, reporter, token or CancelToken(), clock)
    log.placement = engine.placement
    observer.run_started(spec, log, lambda: machine.waiting(clock()))
    outcome = run.to_end()
    log.is_over = True
    observer.run_ended(outcome.status)
    return Driven(outcome, engine)


class _Run:
    """One run on its way from start to outcome."""

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
        self._loop = Loop(spec, engine, machine, reporter, token, clock)
        self._name = spec.info.job_name

    def to_end(self) -> Outcome:
        engine, machine, reporter = self._engine, self._machine, self._reporter
        self._report_start()
        error: BaseException | None = None
        has_started = False
        try:
            try:
                reporter.make_loggers()
                self._start_engine()
                has_started = True
                # At once: the log of a run with a killed driver shall have them too.
                reporter.batch_ended(engine.facts())
                with (
                    _frozen_garbage(),
                    interruptible(self._token, engine.wake, runs_here=engine.runs_here),
                ):
                    self._loop.run()
                self._warn_of_unmatched_keys()
            except KeyboardInterrupt as interrupt:
                error = self._cancel(interrupt)
            except ResourceError as resource_error:
                error = resource_error
            except StoreError as store_error:
                error = store_error
                self._loop.cancel(f"The run cannot be recorded any more: {store_error}")
            except EngineError as engine_error:
                if not has_started:
                    raise
                error = engine_error
                self._loop.cancel("The run cannot continue")
            if machine.failed or machine.is_canceled or self._spec.saves_values:
                self._save_values()
        finally:
            engine.close()
            self._record_resources()
            reporter.batch_ended(engine.facts())
        return self._outcome(error)

    def _report_start(self) -> None:
        limits = [
            {
                "limit": limit.name,
                "most": limit.most,
                "held_by": limit.holder.value,
                "how": limit.description,
            }
            for limit in self._engine.placement.limits
        ]
        self._reporter.event(
            EventType.RUN_START,
            f'Started execution of run for "{self._name}".',
            None,
            {"limits": limits},
        )

    def _start_engine(self) -> None:
        engine, reporter = self._engine, self._reporter
        reporter.event(EventType.ENGINE_EVENT, f"Starting the {engine.name} engine.")
        try:
            engine.start()
            for limit in engine.placement.limits:
                if limit.name != MAX_CONCURRENT:  # Every run has that one.
                    reporter.event(
                        EventType.ENGINE_EVENT,
                        f"At most {limit.most} at once by {limit.name}: {limit.description}.",
                    )
            reporter.warn(engine.notes)
        finally:
            self._record_resources()

    def _record_resources(self) -> None:
        for record in self._engine.take_resource_records():
            self._reporter.record(record)

    def _warn_of_unmatched_keys(self) -> None:
        plan = self._spec.plan
        if isinstance(plan, RunPlan):
            self._reporter.warn(
                [
                    f"The selection names {key}, of which nothing came."
                    for key in plan.unmatched_keys()
                ]
            )

    def _cancel(self, interrupt: KeyboardInterrupt) -> BaseException:
        """End the running steps, and return the error for the outcome."""
        # An OverTime before the time is over belongs to a run around this one.
        if isinstance(interrupt, OverTime) and self._loop.is_over_time:
            seconds = self._spec.config.execution.max_runtime or 0.0
            self._loop.cancel(f"The run took longer than its max_runtime of {seconds:g} s")
            return RunTimeoutError(seconds)
        request = self._token.request
        if isinstance(interrupt, Canceled) and request is not None:
            cause = f"canceled by {request.by}, with {request.via}"
            data = {"by": request.by, "via": request.via, "force": request.force}
            self._loop.cancel(f"The run was {cause}", data)
            return RunCanceledError(f"the run was {cause}")
        signal = " by SIGTERM" if isinstance(interrupt, Terminated) else ""
        self._loop.cancel(f"The run was interrupted{signal}", INTERRUPTED)
        error = RunCanceledError(f"the run was interrupted{signal}")
        error.__cause__ = interrupt
        return error

    def _save_values(self) -> None:
        try:
            self._reporter.warn(save_values(self._spec, self._machine, self._engine))
        except KeyboardInterrupt:
            self._reporter.warn(
                ["Interrupted while values were stored: a resumed run makes again what is missing."]
            )

    def _outcome(self, error: BaseException | None) -> Outcome:
        machine, reporter, name = self._machine, self._reporter, self._name
        if isinstance(error, RunCanceledError) or (machine.is_canceled and error is None):
            reporter.event(EventType.RUN_CANCELED, f'Execution of run for "{name}" was canceled.')
            return Outcome(RunStatus.CANCELED, machine, error)
        failed = [self._spec.plan.steps[step].key for step in machine.failed]
        if error is not None:
            message = f'Execution of run for "{name}" failed. {type(error).__name__}: {error}'
            reporter.event(EventType.RUN_FAILURE, message, None, describe_error(error))
            return Outcome(RunStatus.FAILURE, machine, error)
        if failed:
            keys = list_of_keys(failed)
            message = f'Execution of run for "{name}" failed. Steps failed: {keys}.'
            reporter.event(EventType.RUN_FAILURE, message, None, {"failed_steps": failed})
            return Outcome(RunStatus.FAILURE, machine)
        reporter.event(
            EventType.ENGINE_EVENT, f"Finished the steps on the {self._engine.name} engine."
        )
        reporter.event(EventType.RUN_SUCCESS, f'Finished execution of run for "{name}".')
        return Outcome(RunStatus.SUCCESS, machine)


# Whether somebody froze objects that a run must not thaw.
_leaves_frozen = False


@contextlib.contextmanager
def _frozen_garbage() -> Iterator[None]:
    """Keep the garbage collector from the objects of before the ``with`` block.

    A plan of 100,000 steps is a million lasting objects. Passes over them would be a third of the
    driver's time. Where somebody else froze objects, theirs are left alone from then on: to count
    frozen objects walks over all of them, which a run of one step would notice.
    """
    global _leaves_frozen
    if not _leaves_frozen and gc.get_freeze_count():
        _leaves_frozen = True
    if _leaves_frozen:
        yield
        return
    _leaves_frozen = True  # for another run of this process, inside of this one or beside it
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        _leaves_frozen = False

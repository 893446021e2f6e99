"""Executor of one attempt of one step, in this process or on a worker.

An attempt calls the op, checks its inputs and outputs, decides about a retry, and runs the hooks.
It returns the row for the event log.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.contexts import OpExecutionContext
from rayexec.definitions.loggers.python_logger import RUNNING
from rayexec.definitions.op_signature import wrong_context
from rayexec.definitions.retry import RetryRequested
from rayexec.definitions.surroundings import Resources, RunInfo, StepLog
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_loaders import UnloadedInput
from rayexec.definitions.user_events import UserEvent
from rayexec.events import (
    SUCCESS,
    Attempt,
    HookOutcome,
    LostInput,
    OutputRecord,
    RejectedInput,
    RejectedOutput,
    Report,
    Reused,
    UnstoredOutput,
)
from rayexec.names import output_name
from rayexec.plan.model import Template
from rayexec.run.cached_outputs import CachedOutput, RunCache
from rayexec.steps.attempt_failure import judge
from rayexec.steps.caching import AttemptCache
from rayexec.steps.checked_ports import failed_check, loaded_input, wrong_type
from rayexec.steps.forked_child import ForkGuard
from rayexec.steps.hook_runs import EndedAttempt
from rayexec.steps.io_managers import IOManagers
from rayexec.steps.outputs import OutputCollector
from rayexec.steps.resources import OpenResources
from rayexec.steps.step_call import AttemptEnd, FinishedCall, StepCall
from rayexec.steps.step_reports import StepReports
from rayexec.steps.timeouts import CLEAN_UP_S, Backstop, deadline, over_time

__all__ = ["StepExecutor", "Store"]

# Stores an output by its name (``result``, ``result[key]``); raises OutputStorageError for a value
# without a pickle.
Store = Callable[[str, Any], None]
Inputs = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


_Rejected = RejectedInput | RejectedOutput
_NO_RESOURCES = Resources({})


@dataclass(frozen=True, slots=True)
class StepExecutor:
    """Makes the attempts of a run's steps in this process."""

    templates: Sequence[Template]
    run_info: RunInfo
    resources: OpenResources
    #: Load inputs and store outputs through IO managers.
    managers: IOManagers | None = None
    #: Outputs of earlier runs, for cached ops.
    run_cache: RunCache | None = None
    #: Ends the process of a step that ignores its timeout; without one there is only a warning.
    backstop: Backstop | None = None
    #: Whether a KeyboardInterrupt fails the step; otherwise it leaves ``run``.
    interrupt_is_failure: bool = False
    clock: Callable[[], float] = time.time
    #: Ends a child that the op forked, wherever the child comes back here.
    guard: ForkGuard = field(default_factory=ForkGuard)

    def run(
        self,
        call: StepCall,
        inputs: Inputs,
        store: Store,
        *,
        log: StepLog | None = None,
        finished: FinishedCall | None = None,
    ) -> AttemptEnd:
        """Make an attempt without pauses; otherwise like ``run_pausing``."""
        log = log or StepLog(self.clock)
        attempt = self.run_pausing(call, inputs, store, log=log, finished=finished)
        outer, RUNNING.log = RUNNING.log, log
        try:
            while True:
                next(attempt)
        except StopIteration as end:
            result: AttemptEnd = end.value
            return result
        finally:
            RUNNING.log = outer

    def run_pausing(
        self,
        call: StepCall,
        inputs: Inputs,
        store: Store,
        *,
        log: StepLog | None = None,
        finished: FinishedCall | None = None,
    ) -> Generator[None, None, AttemptEnd]:
        """Make an attempt, with a pause after each item of an op that is a generator.

        ``inputs`` are values by name, or a function that loads them; its errors are the step's.
        ``store`` gets each output as soon as the op yields it. ``finished`` is a call of the op's
        function from before. An op with a timeout runs without pauses: others would use up its
        time.

        1. Load the inputs, through IO managers if they have any.
        2. Reuse the outputs of an equal earlier step, if the op is cached and there is one.
        3. Otherwise open the resources, call the op, and store its outputs.
        4. Judge an exception: retry or failure.
        5. Run the hooks, unless the outputs are reused.
        6. Close the resources of the step and return the row.
        """
        attempt = _Attempt(self, call, store, log or StepLog(self.clock), finished)
        return attempt.run(inputs)


class _Attempt:
    """State of one attempt while its op runs."""

    __slots__ = (
        "_cache",
        "_call",
        "_context",
        "_executor",
        "_finished",
        "_log",
        "_managers",
        "_op",
        "_outputs",
        "_rejected",
        "_reports",
        "_resources",
        "_store",
        "_template",
        "_values",
    )

    def __init__(
        self,
        executor: StepExecutor,
        call: StepCall,
        store: Store,
        log: StepLog,
        finished: FinishedCall | None,
    ) -> None:
        template = self._template = executor.templates[call.template]
        managers = executor.managers
        self._executor = executor
        self._call = call
        self._op = template.op
        self._store = store
        self._log = log
        self._finished = finished
        self._managers = None if managers is None else managers.of(call.template)
        self._cache = (
            AttemptCache(
                executor.run_cache, template.op, executor.run_info, call.key, self._managers, log
            )
            if executor.run_cache is not None and template.op.cache
            else None
        )
        # Only hooks look at the values again.
        self._values: dict[str, Any] | None = {} if template.hooks else None
        self._outputs: list[OutputRecord] = []
        self._rejected: _Rejected | LostInput | UnstoredOutput | None = None
        self._reports: StepReports | None = None  # made for a context, a manager, or an event
        self._resources = _NO_RESOURCES
        self._context: OpExecutionContext | None = None

    def run(self, inputs: Inputs) -> Generator[None, None, AttemptEnd]:
        executor, call, op, log = self._executor, self._call, self._op, self._log
        clock, resources = executor.clock, executor.resources
        managers, cache = self._managers, self._cache
        started = clock() if self._finished is None else self._finished.started
        outer, RUNNING.context = RUNNING.context, self._make_context
        collector = OutputCollector(op, self._emit, log, self._report)
        if managers is not None:
            managers.report = self._reported_to().add_in_storing
        reused: Reused | None = None
        error: BaseException | None = None
        loaded: Mapping[str, Any] | None = None
        try:
            given = inputs() if callable(inputs) else inputs
            loaded = given if managers is None else managers.load(call.key, given, log)
            if cache is not None:
                reused = self._reuse(cache, loaded)
            if reused is None:
                if op.resource_keys:
                    self._resources = resources.get(op.resource_keys)
                if op.timeout is None:
                    result = self._call_op(loaded)
                    if inspect.isgenerator(result):
                        for item in result:
                            collector.add_item(item)
                            yield
                            RUNNING.context = self._make_context
                        collector.check()
                    else:
                        collector.add_result(result)
                else:
                    # The end of the deadline waits for a thread that a forked child has not.
                    with (
                        deadline(op.timeout, f"step {call.key!r}", executor.backstop),
                        executor.guard,
                    ):
                        collector.add_result(self._call_op(loaded))
        except BaseException as raised:  # SystemExit and the like end the step, not the process
            executor.guard.end_child(raised)
            if isinstance(raised, KeyboardInterrupt) and not executor.interrupt_is_failure:
                RUNNING.context = outer
                raise
            error = raised
            if loaded is None:
                self._rejected = LostInput("" if managers is None else managers.loading)
        if cache is not None:
            cache.end(success=error is None)
        ended = clock()
        if op.timeout is not None and ended - started > op.timeout + CLEAN_UP_S:
            log.warning(
                "%s, and went on for %.1f s in all",
                over_time("the step", op.timeout),
                ended - started,
            )
        outcome, failure, delay, raised_by_op = SUCCESS, None, 0.0, error
        if error is not None:
            judgement = judge(self._template, call.attempt, executor.run_info, error)
            outcome, failure = judgement.outcome, judgement.failure
            delay, error = judgement.delay, judgement.error
        by_managers = () if managers is None else tuple(managers.loaded)
        hooks: tuple[HookOutcome, ...] = ()
        if self._template.hooks and reused is None:
            shown = error if isinstance(raised_by_op, RetryRequested) else raised_by_op
            facts = (call.step, call.attempt, outcome, started, ended, tuple(self._outputs))
            unhooked = Attempt(
                *facts, failure, delay, loaded=by_managers, reports=self._reports_so_far()
            )
            hooks = self._run_hooks(unhooked, tuple(loaded or ()), shown)
        executor.guard.end_child(error)  # of a child that a hook forked, for example
        resources.close_step()
        collector.release()
        RUNNING.context = outer
        row = Attempt(
            call.step,
            call.attempt,
            outcome,
            started,
            ended,
            tuple(self._outputs),
            failure,
            delay,
            tuple(log.lines),
            hooks,
            "",
            "",
            resources.take_records(),
            os.getpid(),
            loaded=by_managers,
            reused=reused,
            rejected=self._rejected,
            reports=self._reports_so_far(),
        )
        return AttemptEnd(row, error)

    def _reported_to(self) -> StepReports:
        # Contexts and managers hold this and not the attempt: that would be a circle.
        if self._reports is None:
            self._reports = StepReports(self._outputs, self._executor.clock)
        return self._reports

    def _report(self, event: UserEvent) -> None:
        self._reported_to().add(event)

    def _reports_so_far(self) -> tuple[Report, ...]:
        return () if self._reports is None else tuple(self._reports.entries)

    def _call_op(self, inputs: Mapping[str, Any]) -> Any:
        if self._finished is not None:
            if self._finished.error is not None:
                raise self._finished.error
            return self._finished.result
        op, call, parameters = self._op, self._call, self._op.parameters
        if parameters.asset_context is not None:
            raise wrong_context(op.name, parameters.asset_context)
        arguments: dict[str, Any] = {}
        for name, declared in op.ins.items():
            kind = declared.type
            if kind.is_nothing:
                continue
            value = inputs.get(name, declared.default_value)
            if type(value) is UnloadedInput:
                value = loaded_input(value, kind, op, name, self._make_context)
            if not kind.accepts_plainly(value):
                self._check(value, kind, RejectedInput, name)
            arguments[name] = value
        if parameters.config is not None:
            arguments[parameters.config] = call.config
        for key in parameters.resources:
            arguments[key] = self._resources.original(key)
        positional = () if parameters.context is None else (self._make_context(),)
        self._executor.guard.end_child()  # of a child that opening a resource forked
        result = op.fn(*positional, **arguments)
        self._executor.guard.end_child()
        return result

    def _check(
        self, value: object, kind: DagsterType, rejected: type[_Rejected], name: str
    ) -> None:
        """Raise TypeCheckError for a value of another type, and note it as ``rejected``."""
        what = "input" if rejected is RejectedInput else "output"
        port = f'{what} "{output_name(name)}" of op "{self._op.name}"'
        failed = failed_check(value, kind, port, self._make_context)
        if failed is not None:
            self._rejected = rejected(name, failed.description or "", dict(failed.metadata or {}))
            raise wrong_type(port, failed, kind)

    def _make_context(self) -> OpExecutionContext:
        if self._context is None:
            call = self._call
            self._context = OpExecutionContext(
                run=self._executor.run_info,
                step_key=call.key,
                op_def=self._op,
                op_config=call.config,
                resources=self._resources,
                retry_number=call.attempt,
                tags=call.tags,
                log=self._log,
                report=self._reported_to().add,
            )
        return self._context

    def _emit(
        self,
        name: str,
        stored_as: str,
        value: Any,
        metadata: Mapping[str, Any] | None,
        mapping_key: str | None,
    ) -> None:
        """Check and store a value of an output; only a dynamic one has a mapping key."""
        self._executor.guard.end_child()
        op = self._op
        kind = op.outs[name].type
        if not kind.accepts_plainly(value):
            self._check(value, kind, RejectedOutput, stored_as)
        more = self._context.observe_output(stored_as) if self._context is not None else None
        combined = {**(metadata or {}), **(more or {})}
        stored, handled = value, None
        try:
            if self._managers is not None:
                stored, handled = self._managers.handle(
                    self._call.key, name, mapping_key, value, combined, self._log
                )
            self._store(stored_as, stored)
        except BaseException:
            self._rejected = UnstoredOutput(stored_as, combined or None)
            raise
        self._outputs.append(OutputRecord(stored_as, combined or None, handled))
        if self._cache is not None:
            cached = value if handled is None else stored
            self._cache.add(CachedOutput(stored_as, cached, combined or None, handled))
        if self._values is not None:
            if mapping_key is None:
                self._values[name] = value
            else:
                self._values.setdefault(name, {})[mapping_key] = value

    def _reuse(self, cache: AttemptCache, inputs: Mapping[str, Any]) -> Reused | None:
        """Yield the outputs of an equal earlier step and name it; None if there is none."""
        entry = cache.find(self._call.config, inputs)
        if entry is None:
            return None
        for output in entry.outputs:
            self._store(output.name, cache.restored(output))
            self._outputs.append(OutputRecord(output.name, output.metadata, output.handled))
        return Reused(entry.origin.run_id, entry.origin.step_key)

    def _run_hooks(
        self, row: Attempt, inputs: tuple[str, ...], error: BaseException | None
    ) -> tuple[HookOutcome, ...]:
        executor, call = self._executor, self._call
        facts = (executor.run_info, call.key, self._op, call.config, call.tags, row, inputs, error)
        ended = EndedAttempt(*facts, self._values or {}, executor.resources, self._log)
        return ended.run_hooks(self._template.hooks)

"""One attempt of one step: call the op, check what goes in and out, decide what follows a failure,
run the hooks.

It runs wherever the engine puts it, in this process or on a worker, and answers with a packed row.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

from rayexec.definitions.contexts import (
    HookContext,
    OpExecutionContext,
    Resources,
    RunInfo,
    StepLog,
)
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import Failure, RetryRequested
from rayexec.definitions.types import RuntimeType
from rayexec.errors import (
    InputError,
    MaxRetriesExceededError,
    OutputError,
    RetriesDisabledError,
    StepError,
    TypeCheckError,
)
from rayexec.events import (
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    ErrorInfo,
    HookOutcome,
    OutputRecord,
    Reused,
    StepFailureData,
    UserFailureData,
    describe_error,
    error_types,
)
from rayexec.plan.model import Template
from rayexec.run.cached_outputs import CachedOutput, CacheEntry, RunCache
from rayexec.run.retry import RetryDecision, after_failure, after_request
from rayexec.steps.caching import Recall, recall
from rayexec.steps.io_managers import OpManagers
from rayexec.steps.outputs import Takings
from rayexec.steps.resources import OpenResources
from rayexec.steps.timeouts import GRACE, Backstop, deadline, over_time

__all__ = ["Made", "StepCall", "Store", "in_one_go", "not_stored", "pausing_step", "run_step"]


class StepCall(NamedTuple):
    """An attempt to be made: everything about it but the values of its inputs."""

    step: int
    key: str
    number: int
    config: Any
    tags: Mapping[str, str]


class Made(NamedTuple):
    """A call of an op's function that is over: when it started, and what it returned or raised."""

    started: float
    result: Any
    error: BaseException | None


_NO_RESOURCES = Resources({})

P = ParamSpec("P")
T = TypeVar("T")

# What store(name, value) may do with a value; it raises OutputError for one that it cannot keep.
Store = Callable[[str, Any], None]


def pausing_step(
    template: Template,
    call: StepCall,
    inputs: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    *,
    run: RunInfo,
    resources: OpenResources,
    store: Store,
    interrupt_is_failure: bool = False,
    made: Made | None = None,
    managing: OpManagers | None = None,
    backstop: Backstop | None = None,
    run_cache: RunCache | None = None,
    clock: Callable[[], float] = time.time,
    log: StepLog | None = None,
) -> Generator[None, None, tuple[Attempt, BaseException | None]]:
    """Make one attempt and return its row, with the exception that ended it where there was one.

    ``inputs`` are values by name, or a function that loads them, whose errors count as the step's.
    ``store`` gets each output as it is yielded, a value of a dynamic one as ``name[key]``.
    KeyboardInterrupt is not the step's failure and passes through, unless ``interrupt_is_failure``.
    ``made`` is what the op's function gave where it was called already (``run.plain``).
    ``managing`` loads inputs and stores outputs that have managers. ``backstop`` is for steps that
    go on after their timeout; without one the step's log says that it did. ``log`` is where its
    lines go. ``run_cache`` has what cached ops yielded in earlier runs; where it knows this step's
    outputs the op is not called, and no hook runs.

    It pauses after each item that the op's generator yields; but not where the op has a timeout,
    for its time must not run out while others have the thread.
    """
    started = clock() if made is None else made.started
    op = template.op
    log = log or StepLog(clock)
    remembering = recall(run_cache, template, run, call.key, managing, log)
    attempt = _Attempt(template, call, run, store, log, made, managing, remembering)
    reused: Reused | None = None
    error: BaseException | None = None
    try:
        loaded = inputs() if callable(inputs) else inputs
        if managing is not None:
            loaded = managing.load(call.key, loaded, log)
        if remembering is not None:
            reused = attempt.reuse(remembering.find(call.config, loaded))
        needed = op.required_resource_keys if reused is None else ()
        attempt.resources = resources.get(needed) if needed else _NO_RESOURCES
        if reused is not None:
            pass
        elif op.timeout is None:
            result = attempt.call_op(loaded)
            if inspect.isgenerator(result):
                for item in result:
                    attempt.takings.take_item(item)
                    yield
                attempt.takings.check()
            else:
                attempt.takings.take(result)
        else:
            with deadline(op.timeout, f"step {call.key!r}", backstop):
                attempt.takings.take(attempt.call_op(loaded))
    except BaseException as raised:  # SystemExit and the like end the step, not the process
        if isinstance(raised, KeyboardInterrupt) and not interrupt_is_failure:
            raise
        error = raised
    if remembering is not None:
        remembering.end(success=error is None)
    ended = clock()
    if op.timeout is not None and ended - started > op.timeout + GRACE:
        log.warning(
            "%s, and went on for %.1f s in all", over_time("the step", op.timeout), ended - started
        )
    outcome, failure, delay, raised_by_op = SUCCESS, None, 0.0, error
    if error is not None:
        outcome, failure, delay, error = _judge(template, call, run, error)
    hooks: tuple[HookOutcome, ...] = ()
    if template.hooks and outcome != RETRY and reused is None:
        shown = error if isinstance(raised_by_op, RetryRequested) else raised_by_op
        hooks = tuple([attempt.run_hook(hook, resources, shown) for hook in template.hooks])
    resources.close_step()
    attempt.takings.forget()
    row = Attempt(
        call.step,
        call.number,
        outcome,
        started,
        ended,
        tuple(attempt.outputs),
        failure,
        delay,
        tuple(log.lines),
        hooks,
        "",
        "",
        resources.take_records(),
        os.getpid(),
        loaded=() if managing is None else tuple(managing.loaded),
        reused=reused,
    )
    return row, error


def in_one_go(pauses: Generator[None, None, T]) -> T:
    """Go on to the end of what pauses; return what it does."""
    while True:
        try:
            next(pauses)
        except StopIteration as end:
            value: T = end.value
            return value


def _without_pauses(pausing: Callable[P, Generator[None, None, T]]) -> Callable[P, T]:
    def run(*args: P.args, **options: P.kwargs) -> T:
        return in_one_go(pausing(*args, **options))

    return run


# Makes an attempt in one go.
run_step = _without_pauses(pausing_step)


class _Attempt:
    """The state of one attempt while its op runs."""

    __slots__ = (
        "_call",
        "_keep_values",
        "_log",
        "_made",
        "_managing",
        "_op",
        "_remembering",
        "_run",
        "_store",
        "context",
        "outputs",
        "resources",
        "takings",
        "values",
    )

    def __init__(
        self,
        template: Template,
        call: StepCall,
        run: RunInfo,
        store: Store,
        log: StepLog,
        made: Made | None,
        managing: OpManagers | None,
        remembering: Recall | None,
    ) -> None:
        self._op = template.op
        self._call = call
        self._run = run
        self._store = store
        self._log = log
        self._made = made
        self._managing = managing
        self._remembering = remembering
        self._keep_values = bool(template.hooks)  # only hooks look at them again
        self.values: dict[str, Any] = {}
        self.outputs: list[OutputRecord] = []
        self.takings = Takings(template.op, self._emit)
        self.resources = _NO_RESOURCES
        self.context: OpExecutionContext | None = None

    def call_op(self, inputs: Mapping[str, Any]) -> Any:
        if self._made is not None:
            if self._made.error is not None:
                raise self._made.error
            return self._made.result
        op, call, parameters = self._op, self._call, self._op.parameters
        arguments: dict[str, Any] = {}
        for name, declared in op.ins.items():
            kind = declared.type
            if kind.is_nothing:
                continue
            value = inputs.get(name, declared.default_value)
            if kind.accepts is not None or kind.custom is not None:
                wrong = kind.check(value, self._context_for(kind))
                if wrong is not None:
                    raise TypeCheckError(
                        f'Type check failed for input "{name}" of op "{op.name}": {wrong}.'
                    )
            arguments[name] = value
        if parameters.config is not None:
            arguments[parameters.config] = call.config
        for key in parameters.resources:
            arguments[key] = getattr(self.resources, key)
        before = () if parameters.context is None else (self._make_context(),)
        return op.fn(*before, **arguments)

    def _make_context(self) -> OpExecutionContext:
        if self.context is None:
            call = self._call
            self.context = OpExecutionContext(
                run=self._run,
                step_key=call.key,
                op_def=self._op,
                op_config=call.config,
                resources=self.resources,
                retry_number=call.number,
                tags=call.tags,
                log=self._log,
            )
        return self.context

    def _context_for(self, kind: RuntimeType) -> OpExecutionContext | None:
        """Return the context that a type check gets: only checks of users look at it."""
        return self._make_context() if kind.custom is not None else None

    def _emit(
        self,
        name: str,
        stored_as: str,
        value: Any,
        metadata: Mapping[str, Any] | None,
        key: str | None,
    ) -> None:
        """Check and store a value of an output; ``key`` is its mapping key where the output is
        dynamic.
        """
        op = self._op
        kind = op.outs[name].type
        if kind.accepts is not None or kind.custom is not None:
            wrong = kind.check(value, self._context_for(kind))
            if wrong is not None:
                raise TypeCheckError(
                    f'Type check failed for output "{name}" of op "{op.name}": {wrong}.'
                )
        more = self.context.metadata_for(stored_as) if self.context is not None else None
        combined = {**(metadata or {}), **(more or {})}
        stored, handled = value, None
        if self._managing is not None:
            stored, handled = self._managing.handle(
                self._call.key, name, key, value, combined, self._log
            )
        self._store(stored_as, stored)
        self.outputs.append(OutputRecord(stored_as, combined or None, handled))
        if self._remembering is not None:
            kept = value if handled is None else stored
            self._remembering.keep(CachedOutput(stored_as, kept, combined or None, handled))
        if self._keep_values and key is None:
            self.values[name] = value
        elif self._keep_values:
            self.values.setdefault(name, {})[key] = value

    def reuse(self, entry: CacheEntry | None) -> Reused | None:
        """Yield what an earlier step did; return which that was, None where there is none."""
        if entry is None or self._remembering is None:
            return None
        for output in entry.outputs:
            self._store(output.name, self._remembering.restored(output))
            self.outputs.append(OutputRecord(output.name, output.metadata, output.handled))
        return Reused(entry.origin.run_id, entry.origin.step_key)

    def run_hook(
        self, hook: HookDefinition, resources: OpenResources, error: BaseException | None
    ) -> HookOutcome:
        if (hook.on == "failure") != (error is not None):
            return HookOutcome(hook.name, "skipped")
        try:
            hook.fn(
                HookContext(
                    run=self._run,
                    step_key=self._call.key,
                    op=self._op,
                    hook_name=hook.name,
                    op_config=self._call.config,
                    op_exception=error,
                    op_output_values=self.values,
                    resources=resources.get(hook.required_resource_keys),
                    log=self._log,
                )
            )
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # a hook that exits ends itself, not the step
            return HookOutcome(hook.name, "errored", describe_error(raised))
        return HookOutcome(hook.name, "completed")


def _judge(
    template: Template, call: StepCall, run: RunInfo, error: BaseException
) -> tuple[int, StepFailureData, float, BaseException]:
    """Return outcome, failure data, delay and the exception to show for an attempt that raised
    ``error``.
    """
    kinds = error_types(error)
    if isinstance(error, (InputError, OutputError)) and error.__cause__ is not None:
        kinds += error_types(error.__cause__)  # what an IO manager raised, say
    if isinstance(error, RetryRequested):
        verdict = after_request(
            error.max_retries, error.seconds_to_wait, call.number, enabled=run.retries
        )
    elif isinstance(error, KeyboardInterrupt) or (
        isinstance(error, Failure) and not error.allow_retries
    ):
        verdict = RetryDecision(False)
    else:
        verdict = after_failure(template.retry_policy, call.number, kinds, enabled=run.retries)
    user = (
        UserFailureData(error.description, dict(error.metadata))
        if isinstance(error, Failure)
        else None
    )
    if verdict.retry:
        return RETRY, StepFailureData(_wrap(template.op, error), kinds, user), verdict.delay, error
    if verdict.reason is not None:
        kind = MaxRetriesExceededError if run.retries else RetriesDisabledError
        replacement, described = kind(verdict.reason), describe_error(error)
        asked = isinstance(
            error, RetryRequested
        )  # it stands for nothing itself, unlike what a policy covers
        replacement.__cause__ = error.__cause__ if asked else error
        shown = ErrorInfo(
            kind.__name__, verdict.reason, described.stack, described.cause if asked else described
        )
        return FAILURE, StepFailureData(shown, error_types(replacement), user), 0.0, replacement
    return FAILURE, StepFailureData(_wrap(template.op, error), kinds, user), 0.0, error


def _wrap(op: OpDefinition, error: BaseException) -> ErrorInfo:
    described = describe_error(error)
    if isinstance(error, StepError) and not isinstance(error, InputError):
        return described
    return ErrorInfo(
        "StepExecutionError", f'Error occurred while executing op "{op.name}":', "", described
    )


def not_stored(row: Attempt, error: Exception) -> Attempt:
    """Return the row of an attempt that succeeded, and failed all the same since its outputs could
    not be stored.
    """
    return row._replace(
        outcome=FAILURE, failure=StepFailureData(describe_error(error), error_types(error))
    )

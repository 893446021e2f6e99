"""Run of a prepared job, from its engine to its result or exception."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TypeVar

from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.engine.base import Engine
from rayexec.engine.registry import make_engine
from rayexec.errors import (
    InputError,
    OutputStorageError,
    RunCanceledError,
    StepExecutionError,
    TypeCheckFunctionError,
)
from rayexec.events import RunStatus
from rayexec.execute.cache_policy import with_run_cache
from rayexec.execute.cancel_watch import CancelToken, Watcher
from rayexec.execute.driver import run_to_end
from rayexec.execute.log import RunLog
from rayexec.execute.observer import Echo, Observer
from rayexec.execute.recording import Recording
from rayexec.execute.result import RunResult
from rayexec.execute.termination import Terminated, Termination
from rayexec.run.spec import RunSpec

__all__ = ["run"]

R = TypeVar("R", bound=RunResult)


def run(
    job: JobDefinition,
    spec: RunSpec,
    *,
    raise_on_error: bool = False,
    stop_on_failure: bool = False,
    observer: Observer | None = None,
    recording: Recording | None = None,
    kind: type[R],
) -> R:
    """Run the result of ``prepare`` and return a result of a ``kind``.

    A ``recording`` passes every call on to its own observer.

    An interrupt (Ctrl-C) ends the run as CANCELED. Then it is raised again, unless there is an
    ``observer``. SIGTERM in a main thread without a handler does the same, and always raises
    SystemExit. A request from elsewhere to cancel a recorded run raises nothing.
    """
    token, termination = CancelToken(), Termination()

    def start_engine() -> Engine:
        engine = make_engine(spec.config.execution.engine, spec)
        if kind.remembers:
            engine.remember()
        termination.take_again()
        return engine

    watching = recording or observer or Echo()
    try:
        if recording is not None:
            spec = replace(spec, value_storage=recording.store.values(spec.info.run_id))
        spec = with_run_cache(spec, recording).with_run_plan()
        log = RunLog(spec.plan)
        with (
            termination,
            contextlib.nullcontext()
            if recording is None
            else Watcher(recording.writer, token, recording.now_writer()),
        ):
            outcome, engine = run_to_end(
                spec, start_engine, log, watching, stop_on_failure=stop_on_failure, token=token
            )
    except BaseException as error:
        if recording is not None:
            recording.broke_off(error)
        ending = termination.ending(error)
        if ending is not error:
            raise ending from error
        raise
    if recording is not None and recording.failure is not None and outcome.error is None:
        outcome = replace(outcome, status=RunStatus.FAILURE, error=recording.failure)
    result = kind(spec, outcome, engine, log, job)
    if recording is not None and recording.error is None:
        result.is_recorded, result.recorded_times = True, recording.times
    interrupt = outcome.error.__cause__ if isinstance(outcome.error, RunCanceledError) else None
    if interrupt is not None and (observer is None or isinstance(interrupt, Terminated)):
        raise termination.ending(interrupt)
    if raise_on_error and not result.success:
        if outcome.error is not None:
            raise outcome.error
        raise _first_error(result, is_here=engine.runs_here)
    return result


def _first_error(result: RunResult, *, is_here: bool) -> BaseException:
    failed = result.get_step_failure_events()[0]
    key = failed.step_key or ""
    error = result.exception_for_node(key)
    # Code of users around an op, such as an IO manager, counts as a part of the op here.
    wrappers = (InputError, OutputStorageError, TypeCheckFunctionError)
    if is_here and isinstance(error, wrappers) and error.user_exception:
        return error.user_exception
    if error is not None:
        return error
    data = failed.step_failure_data
    return StepExecutionError(
        f"step {key!r} failed: {data.root.own_name}: {data.root.message}\n{data.root.stack}"
    )

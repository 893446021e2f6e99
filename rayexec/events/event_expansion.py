"""Expansion of packed rows to the events that users read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rayexec.events.attempt import (
    RETRY,
    SUCCESS,
    Attempt,
    LoadedInput,
    LostInput,
    OutputRecord,
    RejectedInput,
    RejectedOutput,
    Report,
    ResourceRecord,
    UnstoredOutput,
)
from rayexec.events.event import Event
from rayexec.events.event_data import (
    AssetObservationData,
    EngineEventData,
    HandledOutputData,
    HookErroredData,
    JobFailureData,
    LoadedInputData,
    StepBlockedData,
    StepExpectationResultData,
    StepInputData,
    StepMaterializationData,
    StepOutputData,
    StepRetryData,
    StepSuccessData,
    TypeCheckData,
)
from rayexec.events.event_type import EventType
from rayexec.events.failure import ErrorInfo
from rayexec.names import mapping_keys, output_name

__all__ = [
    "blocked_event",
    "expand_attempt",
    "expand_event",
    "expand_resource",
    "statement_of",
]

_HOOK_EVENTS = {
    "completed": (EventType.HOOK_COMPLETED, "Finished the execution of hook"),
    "skipped": (EventType.HOOK_SKIPPED, "Skipped the execution of hook"),
    "errored": (EventType.HOOK_ERRORED, "Error occurred during the execution of hook"),
}
_USER_DATA: Mapping[EventType, Callable[[Any], Any]] = {
    EventType.ASSET_MATERIALIZATION: StepMaterializationData,
    EventType.ASSET_OBSERVATION: AssetObservationData,
    EventType.STEP_EXPECTATION_RESULT: StepExpectationResultData,
}


def expand_event(event: Event, job_name: str, before: Sequence[Event] = ()) -> Event:
    """Return a recorded event as users read it; ``before`` are the expanded ones before it."""
    data = event.event_specific_data
    if event.event_type is EventType.RUN_FAILURE:
        if isinstance(data, ErrorInfo):
            data = JobFailureData(data)
        elif isinstance(data, Mapping) and "failed_steps" in data:
            first = next((each for each in before if each.is_step_failure), None)
            error = None if first is None else first.step_failure_data.error
            data = JobFailureData(error, tuple(data["failed_steps"]), first)
    elif event.event_type is EventType.ENGINE_EVENT and data is None:
        data = EngineEventData()
    return replace(event, event_specific_data=data, job_name=job_name)


def expand_resource(
    record: ResourceRecord, key: str | None = None, job_name: str = ""
) -> Iterator[Event]:
    """Yield the events of one resource; ``key`` is its step, None for a resource of the run."""
    made, name = partial(Event, step_key=key, job_name=job_name), record.key
    reason = f"{record.error.own_name}: {record.error.message}" if record.error is not None else ""
    if record.closing:
        if record.stdout or record.stderr:
            captured = {"stdout": record.stdout, "stderr": record.stderr}
            message = f'Captured the output of closing resource "{name}".'
            yield made(EventType.LOGS_CAPTURED, message, record.ended, event_specific_data=captured)
        if record.error is not None:
            message = f"Teardown of resources [{name}] failed: {reason}"
            data = EngineEventData(error=record.error)
            yield made(EventType.ENGINE_EVENT, message, record.ended, event_specific_data=data)
        return
    about = EngineEventData({"resource_key": name}, record.error)
    yield made(
        EventType.RESOURCE_INIT_STARTED,
        f'Opening resource "{name}".',
        record.started,
        event_specific_data=EngineEventData({"resource_key": name}),
    )
    if record.error is None:
        kind = EventType.RESOURCE_INIT_SUCCESS
        message = f'Opened resource "{name}" in {_duration(record.ended - record.started)}.'
    else:
        kind = EventType.RESOURCE_INIT_FAILURE
        message = f'Resource "{name}" failed to open: {reason}'
    yield made(kind, message, record.ended, event_specific_data=about)


def blocked_event(key: str, started: float, blocked: StepBlockedData, job_name: str = "") -> Event:
    """Return the event of a wait for a limit; ``started`` is the start of the step after it."""
    holders = f", held by {', '.join(blocked.held_by)}" if blocked.held_by else ""
    message = f'Step "{key}" waited {_duration(blocked.seconds)} for {blocked.limit}{holders}.'
    moment = started - blocked.seconds
    return Event(EventType.STEP_BLOCKED, message, moment, key, blocked, job_name)


def expand_attempt(
    attempt: Attempt,
    key: str,
    inputs: tuple[str, ...],
    blocked: StepBlockedData | None = None,
    job_name: str = "",
) -> Iterator[Event]:
    """Yield the events of one packed row.

    ``key`` is the step's key, ``inputs`` are the names of its inputs from earlier steps, and
    ``blocked`` is its wait for a limit, if any. A row has two times: events of inputs get its
    start, events of outputs its end.
    """
    start, end = attempt.started, attempt.ended

    def made(kind: EventType, message: str, moment: float, data: Any = None) -> Event:
        return Event(kind, message, moment, key, data, job_name, attempt.pid or None)

    if blocked is not None:
        yield blocked_event(key, start, blocked, job_name)
    for resource in attempt.resources:
        if not resource.closing:
            yield from expand_resource(resource, key, job_name)
    if attempt.attempt_number == 0:
        yield made(EventType.STEP_START, f'Started execution of step "{key}".', start)
    else:
        message = f'Started re-execution (attempt # {attempt.attempt_number + 1}) of step "{key}".'
        yield made(EventType.STEP_RESTARTED, message, start)
    if attempt.reused is not None:
        origin = {
            "reused_run_id": attempt.reused.run_id,
            "reused_step_key": attempt.reused.step_key,
        }
        message = (
            f'Reused the outputs of step "{attempt.reused.step_key}" of run '
            f"{attempt.reused.run_id}."
        )
        yield made(EventType.ENGINE_EVENT, message, start, origin)
    yield from _inputs(attempt, inputs, made, key)
    for line in attempt.logs:
        yield made(EventType.LOG_MESSAGE, line.message, line.time, {"level": line.level})
    if attempt.stdout or attempt.stderr:
        captured = {"stdout": attempt.stdout, "stderr": attempt.stderr}
        yield made(EventType.LOGS_CAPTURED, f'Captured the output of step "{key}".', end, captured)
    yield from _done(attempt, made, key)
    if isinstance(attempt.rejected, RejectedOutput):
        name, mapping_key, what = _yielded(attempt.rejected.name)
        wrong = StepOutputData(name, {}, mapping_key, _failed_check(attempt.rejected))
        message = f'Yielded {what} of step "{key}", which failed its type check.'
        yield made(EventType.STEP_OUTPUT, message, end, wrong)
    yield made(*_ending(attempt, key))
    for hook in attempt.hooks:
        kind, what = _HOOK_EVENTS[hook.status]
        error = None if hook.error is None else HookErroredData(hook.error)
        yield made(kind, f'{what} "{hook.name}" for step "{key}".', end, error)
    for resource in attempt.resources:
        if resource.closing:
            yield from expand_resource(resource, key, job_name)


def _inputs(
    attempt: Attempt, upstream: tuple[str, ...], made: Callable[..., Event], key: str
) -> Iterator[Event]:
    """Yield the events of the inputs of an attempt: a step loads all, and then checks each."""
    rejected, start = attempt.rejected, attempt.started
    names = dict.fromkeys((*upstream, *(each.name for each in attempt.loaded)))
    if isinstance(rejected, RejectedInput):
        names[rejected.name] = None
    for name in names:
        if isinstance(rejected, LostInput) and rejected.name in ("", name):
            return
        for loaded in [_loading(each) for each in attempt.loaded if each.name == name] or [
            LoadedInputData(name)
        ]:
            message = f'Loaded input "{name}" of step "{key}".'
            yield made(EventType.LOADED_INPUT, message, start, loaded)
    for name in names:
        message = f'Got input "{name}" of step "{key}".'
        if isinstance(rejected, RejectedInput) and rejected.name == name:
            message = f'Got input "{name}" of step "{key}", which failed its type check.'
            data = StepInputData(name, _failed_check(rejected))
            yield made(EventType.STEP_INPUT, message, start, data)
            return
        yield made(EventType.STEP_INPUT, message, start, StepInputData(name))


def _failed_check(rejected: RejectedInput | RejectedOutput) -> TypeCheckData:
    return TypeCheckData(False, rejected.name, rejected.mistake, rejected.metadata or {})


def _done(attempt: Attempt, made: Callable[..., Event], key: str) -> Iterator[Event]:
    """Yield the events of the outputs of an attempt, and of what its op reported, in order."""
    reports = deque(attempt.reports)
    for index in range(len(attempt.outputs) + 1):
        is_last = index == len(attempt.outputs)
        while reports and (is_last or _precedes(reports[0], index)):
            yield from _of_report(reports.popleft(), made)
        if not is_last:
            while_storing: list[Event] = []
            while reports and reports[0].outputs_before <= index and reports[0].in_storing:
                while_storing += _of_report(reports.popleft(), made)
            yield from _of_output(attempt, attempt.outputs[index], while_storing, made, key)
        elif isinstance(attempt.rejected, UnstoredOutput):
            name, mapping_key, what = _yielded(attempt.rejected.name)
            data = StepOutputData(name, attempt.rejected.metadata or {}, mapping_key)
            message = f'Yielded {what} of step "{key}".'
            yield made(EventType.STEP_OUTPUT, message, attempt.ended, data)


def _precedes(report: Report, index: int) -> bool:
    """Whether an event is from before the output, and not from its IO manager."""
    before = report.outputs_before
    return before < index or (before == index and not report.in_storing)


def _of_report(report: Report, made: Callable[..., Event]) -> Iterator[Event]:
    event = report.event
    kind: Any = getattr(event, "event_type", None)
    if kind in _USER_DATA:  # somebody else may have written the record
        yield made(kind, statement_of(event), report.time, _USER_DATA[kind](event))


def _of_output(
    attempt: Attempt,
    output: OutputRecord,
    while_storing: list[Event],
    made: Callable[..., Event],
    key: str,
) -> Iterator[Event]:
    name, mapping_key, what = _yielded(output.name)
    data = StepOutputData(name, output.metadata or {}, mapping_key)
    yield made(EventType.STEP_OUTPUT, f'Yielded {what} of step "{key}".', attempt.ended, data)
    yield from while_storing
    if attempt.reused is not None and output.handled is not None:
        return  # The earlier run's manager has stored it already.
    handled = HandledOutputData(name, mapping_key=mapping_key)
    if output.handled is not None:
        by, metadata = output.handled
        handled = HandledOutputData(name, by, metadata or {}, mapping_key)
    yield made(EventType.HANDLED_OUTPUT, f'Stored {what} of step "{key}".', attempt.ended, handled)


def _yielded(stored_as: str) -> tuple[str, str | None, str]:
    """Return the name of an output and its mapping key, and the output in words."""
    name, value_keys = output_name(stored_as), mapping_keys(stored_as)
    if not value_keys:
        return name, None, f'output "{name}"'
    return name, value_keys[0], f'output "{name}" with mapping key "{value_keys[0]}"'


def statement_of(event: Any) -> str:
    """Return what an op reported, in words."""
    if event.description:
        return str(event.description)
    if event.event_type is EventType.STEP_EXPECTATION_RESULT:
        return f'Expectation "{event.label}" {"passed" if event.success else "failed"}.'
    done = "Observed" if event.event_type is EventType.ASSET_OBSERVATION else "Materialized"
    return f"{done} asset {event.label}."


def _loading(loaded: LoadedInput) -> LoadedInputData:
    name, manager_key, step, output, metadata = loaded
    return LoadedInputData(name, manager_key, output, step, metadata or {})


def _ending(attempt: Attempt, key: str) -> tuple[EventType, str, float, Any]:
    """Return type, message, moment and data of the end of an attempt."""
    seconds, failure = attempt.ended - attempt.started, attempt.failure
    if attempt.outcome == SUCCESS:
        message = f'Finished execution of step "{key}" in {_duration(seconds)}.'
        data = StepSuccessData(seconds * 1000)
        return EventType.STEP_SUCCESS, message, attempt.ended, data
    reason = "unknown"
    if failure is not None:
        reason = f"{failure.root.own_name}: {failure.root.message}"
    if attempt.outcome != RETRY:
        message = f'Execution of step "{key}" failed: {reason}'
        return EventType.STEP_FAILURE, message, attempt.ended, failure
    wait = f" in {_duration(attempt.delay)}" if attempt.delay else ""
    message = f'Execution of step "{key}" failed and will be tried again{wait}: {reason}'
    retry = None
    if failure is not None:
        given = (failure.error, failure.error_types, failure.user_failure_data, failure.pickled)
        retry = StepRetryData(*given, seconds_to_wait=attempt.delay)
    return EventType.STEP_UP_FOR_RETRY, message, attempt.ended, retry


def _duration(seconds: float) -> str:
    return (
        f"{seconds * 1000:.0f}ms"
        if seconds < 1
        else f"{seconds:.2f}s"
        if seconds < 60
        else f"{seconds / 60:.1f}m"
    )

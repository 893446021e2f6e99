"""Events of a run, as users read them, and their expansion from packed rows."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.events.attempt import RETRY, SUCCESS, Attempt, LoadedInput, ResourceRecord
from rayexec.events.event_type import EventType
from rayexec.events.failure import ErrorInfo, StepFailureData
from rayexec.names import mapping_keys, node_path, output_name

__all__ = [
    "Event",
    "StepBlockedData",
    "StepOutputData",
    "blocked_event",
    "expand_attempt",
    "expand_resource",
]


@dataclass(frozen=True, slots=True)
class StepOutputData:
    """Output of a STEP_OUTPUT event."""

    output_name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mapping_key: str | None = None
    #: The description of a failed type check; the step has failed with it.
    mistake: str | None = None

    @property
    def type_check_data(self) -> TypeCheckData:
        """Result of the type check."""
        return TypeCheckData(self.mistake is None, self.output_name, self.mistake)


@dataclass(frozen=True, slots=True)
class TypeCheckData:
    """Result of the type check of an output, named by ``label``."""

    success: bool
    label: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    ``timestamp`` is in seconds since 1970; ``step_key`` is None for events of the whole run.
    ``event_specific_data`` depends on the type: StepFailureData, StepOutputData, StepBlockedData,
    ErrorInfo, a mapping, or None.
    """

    event_type: EventType
    message: str
    timestamp: float
    step_key: str | None = None
    event_specific_data: Any = None

    @property
    def event_type_value(self) -> str:
        """Name of the type, as Dagster spells it."""
        return self.event_type.value

    @property
    def node_name(self) -> str | None:
        """Last part of the step's path."""
        return node_path(self.step_key).rpartition(".")[2] if self.step_key is not None else None

    @property
    def is_step_success(self) -> bool:
        """Whether a step succeeded."""
        return self.event_type is EventType.STEP_SUCCESS

    @property
    def is_step_failure(self) -> bool:
        """Whether a step failed for good."""
        return self.event_type is EventType.STEP_FAILURE

    @property
    def is_step_skipped(self) -> bool:
        """Whether a step was skipped."""
        return self.event_type is EventType.STEP_SKIPPED

    @property
    def is_successful_output(self) -> bool:
        """Whether a step yielded an output."""
        return self.event_type is EventType.STEP_OUTPUT

    @property
    def step_failure_data(self) -> StepFailureData:
        """Failure of a STEP_FAILURE or STEP_UP_FOR_RETRY event; TypeError for other types."""
        if not isinstance(self.event_specific_data, StepFailureData):
            raise TypeError(f"a {self.event_type_value} event has no failure")
        return self.event_specific_data

    @property
    def step_output_data(self) -> StepOutputData:
        """Output of a STEP_OUTPUT event; TypeError for other types."""
        if not isinstance(self.event_specific_data, StepOutputData):
            raise TypeError(f"a {self.event_type_value} event has no output")
        return self.event_specific_data

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-able data."""
        moment = datetime.datetime.fromtimestamp(self.timestamp, datetime.timezone.utc)
        row: dict[str, Any] = {
            "event_type": self.event_type_value,
            "timestamp": moment.isoformat(timespec="microseconds"),
            "step_key": self.step_key,
            "message": self.message,
        }
        data = self.event_specific_data
        if isinstance(data, StepFailureData):
            row["error"] = _error_dict(data.error)
        elif isinstance(data, ErrorInfo):
            row["error"] = _error_dict(data)
        elif isinstance(data, StepOutputData):
            row["output_name"] = data.output_name
            if data.mapping_key is not None:
                row["mapping_key"] = data.mapping_key
        elif isinstance(data, StepBlockedData):
            row["data"] = {
                "limit": data.limit,
                "seconds": data.seconds,
                "held_by": list(data.held_by),
            }
        elif isinstance(data, Mapping):
            row["data"] = {key: _plain(each) for key, each in data.items()}
        return row


def _plain(value: Any) -> Any:
    """Return metadata with JSON-able values in the place of ``MetadataValue``."""
    if isinstance(value, Mapping):
        return {key: getattr(each, "plain", each) for key, each in value.items()}
    return value


def _error_dict(error: ErrorInfo) -> dict[str, Any]:
    cause = _error_dict(error.cause) if error.cause is not None else None
    return {"class": error.own_name, "message": error.message, "stack": error.stack, "cause": cause}


_HOOK_EVENTS = {
    "completed": (EventType.HOOK_COMPLETED, "Finished the execution of hook"),
    "skipped": (EventType.HOOK_SKIPPED, "Skipped the execution of hook"),
    "errored": (EventType.HOOK_ERRORED, "Error occurred during the execution of hook"),
}


def expand_resource(record: ResourceRecord, key: str | None = None) -> Iterator[Event]:
    """Yield the events of one resource; ``key`` is its step, None for a resource of the run."""
    name = record.key
    if record.closing:
        if record.stdout or record.stderr:
            captured = {"stdout": record.stdout, "stderr": record.stderr}
            message = f'Captured the output of closing resource "{name}".'
            yield Event(EventType.LOGS_CAPTURED, message, record.ended, key, captured)
        if record.error is not None:
            error = f"{record.error.own_name}: {record.error.message}"
            message = f'Teardown of resource "{name}" failed: {error}'
            yield Event(EventType.ENGINE_EVENT, message, record.ended, key, record.error)
        return
    yield Event(
        EventType.RESOURCE_INIT_STARTED,
        f'Opening resource "{name}".',
        record.started,
        key,
        {"resource_key": name},
    )
    if record.error is None:
        seconds = _duration(record.ended - record.started)
        message = f'Opened resource "{name}" in {seconds}.'
        yield Event(
            EventType.RESOURCE_INIT_SUCCESS, message, record.ended, key, {"resource_key": name}
        )
    else:
        error = f"{record.error.own_name}: {record.error.message}"
        message = f'Resource "{name}" failed to open: {error}'
        yield Event(EventType.RESOURCE_INIT_FAILURE, message, record.ended, key, record.error)


@dataclass(frozen=True, slots=True)
class StepBlockedData:
    """Limit without room for a step, and the seconds that the step waited for it.

    ``held_by`` are keys of steps that held the limit; none where other runs held it.
    """

    limit: str
    seconds: float
    held_by: tuple[str, ...] = ()


def blocked_event(key: str, started: float, blocked: StepBlockedData) -> Event:
    """Return the event of a wait for a limit; ``started`` is the start of the step after it."""
    holders = f", held by {', '.join(blocked.held_by)}" if blocked.held_by else ""
    message = f'Step "{key}" waited {_duration(blocked.seconds)} for {blocked.limit}{holders}.'
    return Event(EventType.STEP_BLOCKED, message, started - blocked.seconds, key, blocked)


def expand_attempt(
    attempt: Attempt, key: str, inputs: tuple[str, ...], blocked: StepBlockedData | None = None
) -> Iterator[Event]:
    """Yield the events of one packed row.

    ``key`` is the step's key, ``inputs`` are the names of its inputs from earlier steps, and
    ``blocked`` is its wait for a limit, if any. A row has two times: events of inputs get its
    start, events of outputs its end.
    """
    start, end = attempt.started, attempt.ended
    if blocked is not None:
        yield blocked_event(key, start, blocked)
    for resource in attempt.resources:
        if not resource.closing:
            yield from expand_resource(resource, key)
    if attempt.attempt_number == 0:
        yield Event(EventType.STEP_START, f'Started execution of step "{key}".', start, key)
    else:
        yield Event(
            EventType.STEP_RESTARTED,
            f'Started re-execution (attempt # {attempt.attempt_number + 1}) of step "{key}".',
            start,
            key,
        )
    if attempt.reused is not None:
        origin = {
            "reused_run_id": attempt.reused.run_id,
            "reused_step_key": attempt.reused.step_key,
        }
        message = (
            f'Reused the outputs of step "{attempt.reused.step_key}" of run '
            f"{attempt.reused.run_id}."
        )
        yield Event(EventType.ENGINE_EVENT, message, start, key, origin)
    for name in dict.fromkeys((*inputs, *(each.name for each in attempt.loaded))):
        for data in [_loading(each) for each in attempt.loaded if each.name == name] or [
            {"input_name": name}
        ]:
            yield Event(
                EventType.LOADED_INPUT, f'Loaded input "{name}" of step "{key}".', start, key, data
            )
        yield Event(
            EventType.STEP_INPUT,
            f'Got input "{name}" of step "{key}".',
            start,
            key,
            {"input_name": name},
        )
    for line in attempt.logs:
        yield Event(EventType.LOG_MESSAGE, line.message, line.time, key, {"level": line.level})
    if attempt.stdout or attempt.stderr:
        captured = {"stdout": attempt.stdout, "stderr": attempt.stderr}
        yield Event(
            EventType.LOGS_CAPTURED, f'Captured the output of step "{key}".', end, key, captured
        )
    for output in attempt.outputs:
        name, mapping_key, what = _yielded(output.name)
        output_data = StepOutputData(name, output.metadata or {}, mapping_key)
        message = f'Yielded {what} of step "{key}".'
        yield Event(EventType.STEP_OUTPUT, message, end, key, output_data)
        if attempt.reused is not None and output.handled is not None:
            continue  # The earlier run's manager has stored it already.
        handled: dict[str, Any] = {"output_name": name}
        if mapping_key is not None:
            handled["mapping_key"] = mapping_key
        if output.handled is not None:
            handled |= {
                "manager_key": output.handled.manager_key,
                "metadata": output.handled.metadata or {},
            }
        yield Event(EventType.HANDLED_OUTPUT, f'Stored {what} of step "{key}".', end, key, handled)
    if attempt.rejected is not None:
        name, mapping_key, what = _yielded(attempt.rejected.name)
        wrong = StepOutputData(name, {}, mapping_key, attempt.rejected.mistake)
        message = f'Yielded {what} of step "{key}", which failed its type check.'
        yield Event(EventType.STEP_OUTPUT, message, end, key, wrong)
    yield _ending(attempt, key)
    for hook in attempt.hooks:
        kind, message = _HOOK_EVENTS[hook.status]
        yield Event(kind, f'{message} "{hook.name}" for step "{key}".', end, key, hook.error)
    for resource in attempt.resources:
        if resource.closing:
            yield from expand_resource(resource, key)


def _yielded(stored_as: str) -> tuple[str, str | None, str]:
    """Return the name of an output and its mapping key, and the output in words."""
    name, value_keys = output_name(stored_as), mapping_keys(stored_as)
    if not value_keys:
        return name, None, f'output "{name}"'
    return name, value_keys[0], f'output "{name}" with mapping key "{value_keys[0]}"'


def _loading(loaded: LoadedInput) -> dict[str, Any]:
    name, manager_key, step, output, metadata = loaded
    data = {
        "input_name": name,
        "manager_key": manager_key,
        "upstream_step_key": step,
        "upstream_output_name": output,
    }
    return {**data, "metadata": metadata} if metadata else data


def _ending(attempt: Attempt, key: str) -> Event:
    if attempt.outcome == SUCCESS:
        seconds = _duration(attempt.ended - attempt.started)
        return Event(
            EventType.STEP_SUCCESS,
            f'Finished execution of step "{key}" in {seconds}.',
            attempt.ended,
            key,
        )
    failure = attempt.failure
    reason = (
        f"{failure.root.own_name}: {failure.root.message}" if failure is not None else "unknown"
    )
    if attempt.outcome == RETRY:
        wait = f" in {_duration(attempt.delay)}" if attempt.delay else ""
        message = f'Execution of step "{key}" failed and will be tried again{wait}: {reason}'
        return Event(EventType.STEP_UP_FOR_RETRY, message, attempt.ended, key, failure)
    return Event(
        EventType.STEP_FAILURE,
        f'Execution of step "{key}" failed: {reason}',
        attempt.ended,
        key,
        failure,
    )


def _duration(seconds: float) -> str:
    return (
        f"{seconds * 1000:.0f}ms"
        if seconds < 1
        else f"{seconds:.2f}s"
        if seconds < 60
        else f"{seconds / 60:.1f}m"
    )

"""What users see of a run: events, and how packed rows become them."""

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
    """Which output a STEP_OUTPUT event is about."""

    output_name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mapping_key: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    ``timestamp`` is in seconds since 1970; ``step_key`` is None for what concerns the whole run.
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
        """The name of the type, as Dagster spells it."""
        return self.event_type.value

    @property
    def node_name(self) -> str | None:
        """The last part of the step's path."""
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
        """The failure of a STEP_FAILURE or STEP_UP_FOR_RETRY event; raises TypeError for other
        types.
        """
        if not isinstance(self.event_specific_data, StepFailureData):
            raise TypeError(f"a {self.event_type_value} event has no failure")
        return self.event_specific_data

    @property
    def step_output_data(self) -> StepOutputData:
        """The output of a STEP_OUTPUT event; raises TypeError for other types."""
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
    """Return metadata, which is a mapping of values that have a kind, as the bare values."""
    if isinstance(value, Mapping):
        return {key: getattr(each, "value", each) for key, each in value.items()}
    return value


def _error_dict(error: ErrorInfo) -> dict[str, Any]:
    cause = _error_dict(error.cause) if error.cause is not None else None
    return {"class": error.cls_name, "message": error.message, "stack": error.stack, "cause": cause}


_HOOK_EVENTS = {
    "completed": (EventType.HOOK_COMPLETED, "Finished the execution of hook"),
    "skipped": (EventType.HOOK_SKIPPED, "Skipped the execution of hook"),
    "errored": (EventType.HOOK_ERRORED, "Error occurred during the execution of hook"),
}


def expand_resource(record: ResourceRecord, key: str | None = None) -> Iterator[Event]:
    """Yield the events of one resource; ``key`` is the step it was opened for, None for the whole
    run.
    """
    name = record.key
    if record.closing:
        if record.stdout or record.stderr:
            captured = {"stdout": record.stdout, "stderr": record.stderr}
            words = f'Captured the output of closing resource "{name}".'
            yield Event(EventType.LOGS_CAPTURED, words, record.ended, key, captured)
        if record.error is not None:
            words = f'Teardown of resource "{name}" failed: {record.error.cls_name}: {record.error.message}'
            yield Event(EventType.ENGINE_EVENT, words, record.ended, key, record.error)
        return
    yield Event(
        EventType.RESOURCE_INIT_STARTED,
        f'Opening resource "{name}".',
        record.started,
        key,
        {"resource_key": name},
    )
    if record.error is None:
        spent = _duration(record.ended - record.started)
        words = f'Opened resource "{name}" in {spent}.'
        yield Event(
            EventType.RESOURCE_INIT_SUCCESS, words, record.ended, key, {"resource_key": name}
        )
    else:
        words = f'Resource "{name}" failed to open: {record.error.cls_name}: {record.error.message}'
        yield Event(EventType.RESOURCE_INIT_FAILURE, words, record.ended, key, record.error)


@dataclass(frozen=True, slots=True)
class StepBlockedData:
    """What a STEP_BLOCKED event is about: the limit that had no room for a step, how long, and the
    steps that held it.

    ``held_by`` are keys of steps of the run, of which there are none where other runs held the
    limit.
    """

    limit: str
    seconds: float
    held_by: tuple[str, ...] = ()


def blocked_event(key: str, started: float, blocked: StepBlockedData) -> Event:
    """Return the event that a limit kept a step waiting until it ``started``."""
    holders = f", held by {', '.join(blocked.held_by)}" if blocked.held_by else ""
    words = f'Step "{key}" waited {_duration(blocked.seconds)} for {blocked.limit}{holders}.'
    return Event(EventType.STEP_BLOCKED, words, started - blocked.seconds, key, blocked)


def expand_attempt(
    attempt: Attempt, key: str, inputs: tuple[str, ...], blocked: StepBlockedData | None = None
) -> Iterator[Event]:
    """Yield the events that one packed row stands for.

    ``key`` is the step's key, ``inputs`` are the names of the inputs that earlier steps gave it,
    ``blocked`` tells what limit kept it waiting, if any. A row carries two times, so what happened
    in between is stamped with the start (inputs) or the end (outputs).
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
        words = f'Reused the outputs of step "{attempt.reused.step_key}" of run {attempt.reused.run_id}.'
        yield Event(EventType.ENGINE_EVENT, words, start, key, origin)
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
        name, value_keys = output_name(output.name), mapping_keys(output.name)
        mapping_key = value_keys[0] if value_keys else None
        what = (
            f'output "{name}"'
            if mapping_key is None
            else f'output "{name}" with mapping key "{mapping_key}"'
        )
        made = StepOutputData(name, output.metadata or {}, mapping_key)
        yield Event(EventType.STEP_OUTPUT, f'Yielded {what} of step "{key}".', end, key, made)
        if attempt.reused is not None and output.handled is not None:
            continue  # it is where the manager put it then
        handled: dict[str, Any] = {"output_name": name}
        if mapping_key is not None:
            handled["mapping_key"] = mapping_key
        if output.handled is not None:
            handled |= {
                "manager_key": output.handled.manager_key,
                "metadata": output.handled.metadata or {},
            }
        yield Event(EventType.HANDLED_OUTPUT, f'Stored {what} of step "{key}".', end, key, handled)
    yield _ending(attempt, key)
    for hook in attempt.hooks:
        kind, words = _HOOK_EVENTS[hook.status]
        yield Event(kind, f'{words} "{hook.name}" for step "{key}".', end, key, hook.error)
    for resource in attempt.resources:
        if resource.closing:
            yield from expand_resource(resource, key)


def _loading(loaded: LoadedInput) -> dict[str, Any]:
    name, manager_key, step, output = loaded
    return {
        "input_name": name,
        "manager_key": manager_key,
        "upstream_step_key": step,
        "upstream_output_name": output,
    }


def _ending(attempt: Attempt, key: str) -> Event:
    if attempt.outcome == SUCCESS:
        spent = _duration(attempt.ended - attempt.started)
        return Event(
            EventType.STEP_SUCCESS,
            f'Finished execution of step "{key}" in {spent}.',
            attempt.ended,
            key,
        )
    failure = attempt.failure
    reason = (
        f"{failure.root.cls_name}: {failure.root.message}" if failure is not None else "unknown"
    )
    if attempt.outcome == RETRY:
        wait = f" in {_duration(attempt.delay)}" if attempt.delay else ""
        words = f'Execution of step "{key}" failed and will be tried again{wait}: {reason}'
        return Event(EventType.STEP_UP_FOR_RETRY, words, attempt.ended, key, failure)
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

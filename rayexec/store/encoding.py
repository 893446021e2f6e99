"""Encoding of records as JSON; decoding runs no code but this module's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from rayexec.definitions.asset_key import AssetKey
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.user_events import (
    AssetMaterialization,
    AssetObservation,
    ExpectationResult,
)
from rayexec.events import (
    COLUMN_FIELDS,
    Attempt,
    BatchFacts,
    ErrorInfo,
    Event,
    EventType,
    Handling,
    HookOutcome,
    LiveLines,
    LoadedInput,
    LogLine,
    LostInput,
    OutputRecord,
    RejectedInput,
    RejectedOutput,
    Report,
    ResourceRecord,
    Reused,
    StepBlockedData,
    StepFailureData,
    StepOutputData,
    StreamPart,
    TypeCheckData,
    UnstoredOutput,
    UserFailureData,
)
from rayexec.strict_json import marked_floats, unmarked_floats

__all__ = [
    "attempt_text",
    "batch_text",
    "blocked_text",
    "event_text",
    "in_words",
    "live_text",
    "outputs_text",
    "read_attempt",
    "read_batch",
    "read_event",
    "read_live",
    "read_outputs",
    "read_text",
    "resource_text",
]

# Key that marks an object of another type than a mapping, and a mapping with that key.
_KIND = "$"
_MOST_LEVELS = 100  # of data within data; deeper data becomes its repr

# Classes that are encoded by name and fields.
_TUPLES = (
    Handling,
    HookOutcome,
    LoadedInput,
    LogLine,
    OutputRecord,
    LostInput,
    RejectedInput,
    RejectedOutput,
    Report,
    ResourceRecord,
    Reused,
    UnstoredOutput,
)
_CLASSES = (
    AssetMaterialization,
    AssetObservation,
    ErrorInfo,
    ExpectationResult,
    StepBlockedData,
    StepFailureData,
    StepOutputData,
    TypeCheckData,
    UserFailureData,
)
_BY_NAME: Mapping[str, Callable[..., Any]] = {
    **{each.__name__: each for each in (*_TUPLES, *_CLASSES, AssetKey)},
    MetadataValue.__name__: MetadataValue.of_kind,
}

_FIELDS: Mapping[type, tuple[str, ...]] = {
    **{each: each._fields for each in _TUPLES},
    **{each: tuple([field.name for field in fields(each)]) for each in _CLASSES},
}
_DEFAULTS = Attempt._field_defaults
_IN_DETAIL = [
    (name, index, _DEFAULTS[name])
    for index, name in enumerate(Attempt._fields)
    if name not in COLUMN_FIELDS
]


def in_words(value: Any) -> str:
    """Return the ``repr`` of a value; never raises."""
    try:
        return repr(value)
    except Exception as error:  # A class of the user's may raise anything.
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _encode(value: Any, left: int = _MOST_LEVELS) -> Any:
    """Return ``value`` as JSON-able data; objects without an encoding become their repr."""
    kind = type(value)
    if value is None or kind in (str, int, bool):
        return value
    if kind is float:
        return marked_floats(value)
    if not left:
        return in_words(value)
    left -= 1
    if kind is AssetKey:
        return {_KIND: "AssetKey", "path": value.path}
    if kind in _FIELDS:
        named = {name: getattr(value, name) for name in _FIELDS[kind]}
        return {_KIND: kind.__name__} | {
            name: _encode(each, left) for name, each in named.items() if each is not None
        }
    if isinstance(value, MetadataValue):
        encoded = {_KIND: MetadataValue.__name__, "kind": value.kind}
        return encoded if value.plain is None else encoded | {"value": _encode(value.plain, left)}
    if isinstance(value, Mapping):
        encoded = {str(key): _encode(each, left) for key, each in value.items()}
        return {_KIND: "mapping", "of": encoded} if _KIND in encoded else encoded
    if kind is tuple:
        return {_KIND: "tuple", "of": [_encode(each, left) for each in value]}
    if isinstance(value, (list, set, frozenset)):
        return [_encode(each, left) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return {_KIND: "bytes", "of": base64.b64encode(value).decode()}
    for plain in (bool, int, float, str):
        if isinstance(value, plain):  # A subclass, such as an enumeration.
            return marked_floats(plain(value))
    return in_words(value)


def _encode_outputs(outputs: tuple[OutputRecord, ...]) -> Any:
    """Return outputs as data; a plain one is only its name, since a step may have thousands."""
    plain = (None, None)
    return {
        _KIND: "outputs",
        "of": [each.name if each[1:] == plain else _encode(each) for each in outputs],
    }


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_KIND)
    if kind is None:
        return {key: _decode(each) for key, each in value.items()}
    if kind == "tuple":
        return tuple([_decode(each) for each in value["of"]])
    if kind == "outputs":
        return tuple(
            [OutputRecord(each) if isinstance(each, str) else _decode(each) for each in value["of"]]
        )
    if kind == "float":
        return unmarked_floats(value)
    if kind == "bytes":
        return base64.b64decode(value["of"])
    if kind == "mapping":
        return {key: _decode(each) for key, each in value["of"].items()}
    named = {key: _decode(each) for key, each in value.items() if key != _KIND}
    if kind in _BY_NAME:
        return _BY_NAME[kind](**named)
    return named


def _text(value: Any) -> str:
    # All non-ASCII characters are escaped, so that lone surrogates of undecodable output survive.
    return json.dumps(_encode(value), allow_nan=False)


def attempt_text(attempt: Attempt, outputs: tuple[OutputRecord, ...]) -> str:
    """Return the fields of an attempt that have no column; ``outputs`` are left out if equal."""
    fields = {
        name: attempt[index] for name, index, default in _IN_DETAIL if attempt[index] != default
    }
    fields.pop("outputs", None)
    fields.pop("logs", None)
    encoded = _encode(fields)
    if attempt.outputs != outputs:
        encoded["outputs"] = _encode_outputs(attempt.outputs)
    if attempt.logs:  # A compact form, since runs have more lines than anything else.
        encoded["logs"] = [[line.time, int(line.level), str(line.message)] for line in attempt.logs]
    return json.dumps(encoded, allow_nan=False)


def read_attempt(text: str) -> dict[str, Any]:
    """Return the fields of an attempt from ``attempt_text``."""
    encoded = json.loads(text)
    logs = tuple([LogLine(*line) for line in encoded.pop("logs", ())])
    fields: dict[str, Any] = _decode(encoded)
    return {**fields, "logs": logs}


def event_text(event: Event) -> str:
    """Return an event without its time."""
    return _text(
        {
            "type": event.event_type.name,  # RUN_START, and not PIPELINE_START
            "message": event.message,
            "key": event.step_key,
            "data": event.event_specific_data,
        }
    )


def live_text(lines: LiveLines) -> str:
    """Return the fields of live lines that have no column."""
    logs = [[line.time, int(line.level), str(line.message)] for line in lines.logs]
    return json.dumps(
        {"logs": logs, "first": lines.first, "stdout": lines.stdout, "stderr": lines.stderr}
    )


def read_live(text: str) -> dict[str, Any]:
    """Return the fields of live lines from ``live_text``."""
    fields = json.loads(text)
    streams = {name: StreamPart(*fields[name]) for name in ("stdout", "stderr")}
    return {
        "logs": tuple([LogLine(*line) for line in fields["logs"]]),
        "first": fields["first"],
        **streams,
    }


def resource_text(record: ResourceRecord) -> str:
    """Return the record of a resource."""
    return _text(record)


def outputs_text(outputs: tuple[OutputRecord, ...]) -> str:
    """Return the outputs of a step."""
    return json.dumps(_encode_outputs(outputs), allow_nan=False)


def read_outputs(text: str) -> tuple[OutputRecord, ...]:
    """Return the outputs from ``outputs_text``."""
    outputs: tuple[OutputRecord, ...] = read_text(text)
    return outputs


_OF_BATCHES = tuple(
    name for name in BatchFacts._fields if name not in ("batch_id", "began", "ended", "pid")
)


def batch_text(facts: BatchFacts) -> str:
    """Return the facts of a batch that have no column."""
    values = {name: getattr(facts, name) for name in _OF_BATCHES}
    return json.dumps(
        {name: value for name, value in values.items() if value != BatchFacts._field_defaults[name]}
    )


def read_batch(text: str, batch_id: int, began: float, ended: float, pid: int) -> BatchFacts:
    """Return facts of a batch from ``batch_text`` and columns; unknown facts are left out."""
    row = json.loads(text)
    return BatchFacts(
        batch_id,
        began=began,
        ended=ended,
        pid=pid,
        **{name: row[name] for name in _OF_BATCHES if name in row},
    )


def blocked_text(blocked: StepBlockedData) -> str:
    """Return the wait of an attempt for a limit."""
    return _text(blocked)


def read_text(text: str) -> Any:
    """Return the record from one of the other functions."""
    return _decode(json.loads(text))


def read_event(text: str, moment: float) -> Event:
    """Return the event from ``event_text``."""
    row = read_text(text)
    return Event(EventType[row["type"]], row["message"], moment, row["key"], row["data"])

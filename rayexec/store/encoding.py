"""Records of a run as JSON-able data, and back; reading runs no code but this module's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from rayexec.definitions.metadata import MetadataValue
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
    OutputRecord,
    ResourceRecord,
    Reused,
    StepBlockedData,
    StepFailureData,
    StepOutputData,
    StreamPart,
    UserFailureData,
)

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

# Marks an object that is more than a mapping; a mapping that has the key itself is marked, too.
_KIND = "$"
_DEEPEST = 100  # levels of data within data that are kept

# What is written in a record by name and read back by it: classes whose fields are all that they
# are.
_TUPLES = (Handling, HookOutcome, LoadedInput, LogLine, OutputRecord, ResourceRecord, Reused)
_CLASSES = (
    ErrorInfo,
    MetadataValue,
    StepBlockedData,
    StepFailureData,
    StepOutputData,
    UserFailureData,
)
_BY_NAME: Mapping[str, Callable[..., Any]] = {each.__name__: each for each in (*_TUPLES, *_CLASSES)}

_FIELDS: Mapping[type, tuple[str, ...]] = {
    **{each: each._fields for each in _TUPLES},
    **{each: tuple(each.__dataclass_fields__) for each in _CLASSES},
}
_DEFAULTS = Attempt._field_defaults
_IN_DETAIL = [
    (name, place, _DEFAULTS[name])
    for place, name in enumerate(Attempt._fields)
    if name not in COLUMN_FIELDS
]


def in_words(value: Any) -> str:
    """Return the ``repr`` of a value, whatever that does."""
    try:
        return repr(value)
    except Exception as error:  # a class of the user's may raise anything
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _encode(value: Any, left: int = _DEEPEST) -> Any:
    """Return ``value`` as JSON-able data; what JSON has no word for, and what lies too deep, in
    words.
    """
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return value
    if not left:
        return in_words(value)
    left -= 1
    if kind in _FIELDS:
        named = {name: getattr(value, name) for name in _FIELDS[kind]}
        return {_KIND: kind.__name__} | {
            name: _encode(each, left) for name, each in named.items() if each is not None
        }
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
        if isinstance(value, plain):  # of a subclass, such as an enumeration's
            return plain(value)
    return in_words(value)


def _encode_outputs(outputs: tuple[OutputRecord, ...]) -> Any:
    """Return what a step yielded, of a plain output its name alone: a dynamic op may have
    thousands.
    """
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
    if kind == "bytes":
        return base64.b64decode(value["of"])
    if kind == "mapping":
        return {key: _decode(each) for key, each in value["of"].items()}
    named = {key: _decode(each) for key, each in value.items() if key != _KIND}
    if kind in _BY_NAME:
        return _BY_NAME[kind](**named)
    return named


def _text(value: Any) -> str:
    # Escaped throughout, so that lone surrogates, as of undecodable output, come back as they were.
    return json.dumps(_encode(value))


def attempt_text(attempt: Attempt, outputs: tuple[OutputRecord, ...]) -> str:
    """Return what of an attempt is in no column; nothing of its outputs where they are ``outputs``,
    the op's own.
    """
    found = {
        name: attempt[place] for name, place, default in _IN_DETAIL if attempt[place] != default
    }
    found.pop("outputs", None)
    found.pop("logs", None)
    encoded = _encode(found)
    if attempt.outputs != outputs:
        encoded["outputs"] = _encode_outputs(attempt.outputs)
    if attempt.logs:  # the most frequent of all
        encoded["logs"] = [[line.time, int(line.level), str(line.message)] for line in attempt.logs]
    return json.dumps(encoded)


def read_attempt(text: str) -> dict[str, Any]:
    """Return the fields of an attempt that ``attempt_text`` wrote; without outputs where they are
    the op's own.
    """
    encoded = json.loads(text)
    logs = tuple([LogLine(*line) for line in encoded.pop("logs", ())])
    fields: dict[str, Any] = _decode(encoded)
    return {**fields, "logs": logs}


def event_text(event: Event) -> str:
    """Return all of an event but its time."""
    return _text(
        {
            "type": event.event_type.value,
            "message": event.message,
            "key": event.step_key,
            "data": event.event_specific_data,
        }
    )


def live_text(lines: LiveLines) -> str:
    """Return what of an attempt's live lines is in no column."""
    logs = [[line.time, int(line.level), str(line.message)] for line in lines.logs]
    return json.dumps(
        {"logs": logs, "first": lines.first, "stdout": lines.stdout, "stderr": lines.stderr}
    )


def read_live(text: str) -> dict[str, Any]:
    """Return the fields of live lines that ``live_text`` wrote."""
    fields = json.loads(text)
    streams = {name: StreamPart(*fields[name]) for name in ("stdout", "stderr")}
    return {
        "logs": tuple([LogLine(*line) for line in fields["logs"]]),
        "first": fields["first"],
        **streams,
    }


def resource_text(record: ResourceRecord) -> str:
    """Return a resource's record."""
    return _text(record)


def outputs_text(outputs: tuple[OutputRecord, ...]) -> str:
    """Return what a step yielded."""
    return json.dumps(_encode_outputs(outputs))


def read_outputs(text: str) -> tuple[OutputRecord, ...]:
    """Return what ``outputs_text`` was given."""
    outputs: tuple[OutputRecord, ...] = read_text(text)
    return outputs


_OF_BATCHES = tuple(
    name for name in BatchFacts._fields if name not in ("batch_id", "began", "ended", "pid")
)


def batch_text(facts: BatchFacts) -> str:
    """Return what of a batch is in no column."""
    found = {name: getattr(facts, name) for name in _OF_BATCHES}
    return json.dumps(
        {name: value for name, value in found.items() if value != BatchFacts._field_defaults[name]}
    )


def read_batch(text: str, number: int, began: float, ended: float, pid: int) -> BatchFacts:
    """Return the facts of which ``batch_text`` wrote a part; what a newer rayexec adds to them is
    left out.
    """
    row = json.loads(text)
    return BatchFacts(
        number,
        began=began,
        ended=ended,
        pid=pid,
        **{name: row[name] for name in _OF_BATCHES if name in row},
    )


def blocked_text(blocked: StepBlockedData) -> str:
    """Return what limit kept an attempt waiting."""
    return _text(blocked)


def read_text(text: str) -> Any:
    """Return what one of the other functions was given."""
    return _decode(json.loads(text))


def read_event(text: str, moment: float) -> Event:
    """Return the event that ``event_text`` wrote."""
    row = read_text(text)
    return Event(EventType(row["type"]), row["message"], moment, row["key"], row["data"])

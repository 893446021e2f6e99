"""What happened: frozen records in the past tense."""

from rayexec.events.attempt import (
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    Handling,
    HookOutcome,
    LoadedInput,
    LogLine,
    OutputRecord,
    ResourceRecord,
    Successes,
    TakenOver,
)
from rayexec.events.event import Event, StepBlockedData, StepOutputData, blocked_event, expand_attempt, expand_resource
from rayexec.events.facts import HERE, UNKNOWN, SliceFacts
from rayexec.events.failure import (
    ErrorInfo,
    StepFailureData,
    UserFailureData,
    causes_of,
    describe_error,
    error_types,
    user_traceback,
)
from rayexec.events.live import LiveLines, Stretch, Told, expand_live, is_live_output, prefixed, with_note
from rayexec.events.types import EventType

__all__ = [
    "FAILURE",
    "HERE",
    "RETRY",
    "SUCCESS",
    "UNKNOWN",
    "Attempt",
    "ErrorInfo",
    "Event",
    "EventType",
    "Handling",
    "HookOutcome",
    "LiveLines",
    "LoadedInput",
    "LogLine",
    "OutputRecord",
    "ResourceRecord",
    "SliceFacts",
    "StepBlockedData",
    "StepFailureData",
    "StepOutputData",
    "Stretch",
    "Successes",
    "TakenOver",
    "Told",
    "UserFailureData",
    "blocked_event",
    "causes_of",
    "describe_error",
    "error_types",
    "expand_attempt",
    "expand_live",
    "expand_resource",
    "is_live_output",
    "prefixed",
    "user_traceback",
    "with_note",
]

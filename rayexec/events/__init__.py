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
)
from rayexec.events.event import Event, StepBlockedData, StepOutputData, blocked_event, expand_attempt, expand_resource
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
    "RETRY",
    "SUCCESS",
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
    "StepBlockedData",
    "StepFailureData",
    "StepOutputData",
    "Stretch",
    "Successes",
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

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
from rayexec.events.event import Event, StepBlockedData, StepOutputData, expand_attempt, expand_resource
from rayexec.events.failure import (
    ErrorInfo,
    StepFailureData,
    UserFailureData,
    causes_of,
    describe_error,
    error_types,
    user_traceback,
)
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
    "LoadedInput",
    "LogLine",
    "OutputRecord",
    "ResourceRecord",
    "StepBlockedData",
    "StepFailureData",
    "StepOutputData",
    "Successes",
    "TakenOver",
    "UserFailureData",
    "causes_of",
    "describe_error",
    "error_types",
    "expand_attempt",
    "expand_resource",
    "user_traceback",
]

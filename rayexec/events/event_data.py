"""Data of events by their types, with Dagster's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.events.failure import ErrorInfo, StepFailureData

__all__ = [
    "AssetObservationData",
    "EngineEventData",
    "HandledOutputData",
    "HookErroredData",
    "JobFailureData",
    "LoadedInputData",
    "StepBlockedData",
    "StepExpectationResultData",
    "StepInputData",
    "StepMaterializationData",
    "StepOutputData",
    "StepRetryData",
    "StepSuccessData",
]

_IO_MANAGER = "io_manager"  # key of the manager by default


@dataclass(frozen=True, slots=True)
class StepInputData:
    """Input of a STEP_INPUT event."""

    input_name: str
    #: The failed type check; the step has failed with it.
    failed_check: TypeCheckData | None = None

    @property
    def type_check_data(self) -> TypeCheckData:
        """Result of the type check."""
        return self.failed_check or TypeCheckData(True, self.input_name)


@dataclass(frozen=True, slots=True)
class StepOutputData:
    """Output of a STEP_OUTPUT event."""

    output_name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mapping_key: str | None = None
    #: The failed type check; the step has failed with it.
    failed_check: TypeCheckData | None = None

    @property
    def type_check_data(self) -> TypeCheckData:
        """Result of the type check."""
        return self.failed_check or TypeCheckData(True, self.output_name)


@dataclass(frozen=True, slots=True)
class TypeCheckData:
    """Result of the type check of the input or output named by ``label``."""

    success: bool
    label: str
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedInputData:
    """Input of a LOADED_INPUT event; ``given_key`` is None without an IO manager of the job."""

    input_name: str
    given_key: str | None = None
    upstream_output_name: str | None = None
    upstream_step_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def manager_key(self) -> str:
        """Key of the manager that loaded the input."""
        return self.given_key or _IO_MANAGER


@dataclass(frozen=True, slots=True)
class HandledOutputData:
    """Output of a HANDLED_OUTPUT event; ``given_key`` is None without an IO manager of the job."""

    output_name: str
    given_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mapping_key: str | None = None

    @property
    def manager_key(self) -> str:
        """Key of the manager that stored the output."""
        return self.given_key or _IO_MANAGER


@dataclass(frozen=True, slots=True)
class StepSuccessData:
    """Duration of a step, in milliseconds."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class StepRetryData(StepFailureData):
    """Failure of an attempt with another one to come, after ``seconds_to_wait``."""

    seconds_to_wait: float | None = None


@dataclass(frozen=True, slots=True)
class StepBlockedData:
    """Limit without room for a step, and the seconds that the step waited for it.

    ``held_by`` are keys of steps that held the limit; none where other runs held it.
    """

    limit: str
    seconds: float
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepMaterializationData:
    """Materialization of an ASSET_MATERIALIZATION event."""

    materialization: Any
    asset_lineage: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class AssetObservationData:
    """Observation of an ASSET_OBSERVATION event."""

    asset_observation: Any


@dataclass(frozen=True, slots=True)
class StepExpectationResultData:
    """Result of a STEP_EXPECTATION_RESULT event."""

    expectation_result: Any


@dataclass(frozen=True, slots=True)
class HookErroredData:
    """Error of a HOOK_ERRORED event."""

    error: ErrorInfo | None


@dataclass(frozen=True, slots=True)
class EngineEventData:
    """Metadata and error of an event of a resource or of the engine."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class JobFailureData:
    """Reason of a RUN_FAILURE event: the error of the run, or that of its first failed step.

    ``failed_steps`` are the keys of all failed steps.
    """

    error: ErrorInfo | None = None
    failed_steps: Sequence[str] = ()
    #: The Event of the first failed step.
    first_step_failure_event: Any = None

    @property
    def failure_reason(self) -> str:
        """``STEP_FAILURE`` or ``RUN_EXCEPTION``."""
        return "STEP_FAILURE" if self.failed_steps else "RUN_EXCEPTION"

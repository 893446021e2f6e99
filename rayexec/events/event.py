"""Events of a run, as users read them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from rayexec.events.event_data import (
    AssetObservationData,
    EngineEventData,
    HandledOutputData,
    HookErroredData,
    JobFailureData,
    LoadedInputData,
    StepExpectationResultData,
    StepInputData,
    StepMaterializationData,
    StepOutputData,
    StepRetryData,
    StepSuccessData,
)
from rayexec.events.event_json import described
from rayexec.events.event_type import FAILURE_EVENTS, RUN_EVENTS, STEP_EVENTS, EventType
from rayexec.events.failure import ErrorInfo, StepFailureData
from rayexec.events.node_handle import NodeHandle
from rayexec.names import node_path

__all__ = ["Event"]

_Data = TypeVar("_Data")
_HOOK_EVENTS = frozenset({EventType.HOOK_COMPLETED, EventType.HOOK_ERRORED, EventType.HOOK_SKIPPED})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    ``timestamp`` is in seconds since 1970; ``step_key`` is None for events of the whole run.
    ``event_specific_data`` depends on the type: a class of ``event_data``, a mapping, or None.
    ``pid`` is the process of the step, where known.
    """

    event_type: EventType
    message: str
    timestamp: float
    step_key: str | None = None
    event_specific_data: Any = None
    job_name: str = ""
    pid: int | None = None

    def __setstate__(self, state: Sequence[Any]) -> None:
        # Events may be values of users, and pickles of earlier versions lack the last fields.
        defaults = [field.default for field in fields(self)]
        for field, value in zip(fields(self), [*state, *defaults[len(state) :]], strict=True):
            object.__setattr__(self, field.name, value)

    def __first_form__(self) -> tuple[type, dict[str, Any]]:
        form = {field.name: getattr(self, field.name) for field in fields(self)}
        later = {field.name: field.default for field in fields(self)[5:]}
        return Event, {
            name: value for name, value in form.items() if name not in later or value != later[name]
        }

    @property
    def event_type_value(self) -> str:
        """Value of the type, as Dagster has it: ``PIPELINE_SUCCESS`` for ``RUN_SUCCESS``."""
        return self.event_type.value

    @property
    def node_handle(self) -> NodeHandle | None:
        """Path of the step's node."""
        return None if self.step_key is None else NodeHandle.from_string(node_path(self.step_key))

    @property
    def node_name(self) -> str | None:
        """Last part of the step's path."""
        return node_path(self.step_key).rpartition(".")[2] if self.step_key is not None else None

    solid_name = node_name

    @property
    def step_kind_value(self) -> str | None:
        """``COMPUTE`` for events of steps, which are of no other kind."""
        return None if self.step_key is None else "COMPUTE"

    @property
    def logging_tags(self) -> Mapping[str, str]:
        """Job, step and op of the event by name."""
        if self.step_key is None:
            return {}
        names = {"job_name": self.job_name, "step_key": self.step_key}
        return {**names, "op_name": self.node_name or ""}

    @property
    def is_step_event(self) -> bool:
        """Whether the event is of an attempt, of its inputs and outputs, or by its op."""
        return self.event_type in STEP_EVENTS

    @property
    def is_hook_event(self) -> bool:
        """Whether the event is of a hook."""
        return self.event_type in _HOOK_EVENTS

    @property
    def is_job_event(self) -> bool:
        """Whether the event is of the run as a whole."""
        return self.event_type in RUN_EVENTS

    @property
    def is_failure(self) -> bool:
        """Whether the event is of the failure of a step or run."""
        return self.event_type in FAILURE_EVENTS

    @property
    def is_step_start(self) -> bool:
        """Whether the type is STEP_START."""
        return self.event_type is EventType.STEP_START

    @property
    def is_step_success(self) -> bool:
        """Whether the type is STEP_SUCCESS."""
        return self.event_type is EventType.STEP_SUCCESS

    @property
    def is_step_failure(self) -> bool:
        """Whether the type is STEP_FAILURE."""
        return self.event_type is EventType.STEP_FAILURE

    @property
    def is_step_skipped(self) -> bool:
        """Whether the type is STEP_SKIPPED."""
        return self.event_type is EventType.STEP_SKIPPED

    @property
    def is_step_up_for_retry(self) -> bool:
        """Whether the type is STEP_UP_FOR_RETRY."""
        return self.event_type is EventType.STEP_UP_FOR_RETRY

    @property
    def is_step_restarted(self) -> bool:
        """Whether the type is STEP_RESTARTED."""
        return self.event_type is EventType.STEP_RESTARTED

    @property
    def is_successful_output(self) -> bool:
        """Whether the type is STEP_OUTPUT."""
        return self.event_type is EventType.STEP_OUTPUT

    @property
    def is_handled_output(self) -> bool:
        """Whether the type is HANDLED_OUTPUT."""
        return self.event_type is EventType.HANDLED_OUTPUT

    @property
    def is_loaded_input(self) -> bool:
        """Whether the type is LOADED_INPUT."""
        return self.event_type is EventType.LOADED_INPUT

    @property
    def is_resource_init_failure(self) -> bool:
        """Whether the type is RESOURCE_INIT_FAILURE."""
        return self.event_type is EventType.RESOURCE_INIT_FAILURE

    @property
    def is_engine_event(self) -> bool:
        """Whether the type is ENGINE_EVENT."""
        return self.event_type is EventType.ENGINE_EVENT

    @property
    def is_job_success(self) -> bool:
        """Whether the type is RUN_SUCCESS."""
        return self.event_type is EventType.RUN_SUCCESS

    @property
    def is_job_failure(self) -> bool:
        """Whether the type is RUN_FAILURE."""
        return self.event_type is EventType.RUN_FAILURE

    @property
    def is_run_failure(self) -> bool:
        """Whether the type is RUN_FAILURE."""
        return self.event_type is EventType.RUN_FAILURE

    @property
    def is_step_materialization(self) -> bool:
        """Whether the type is ASSET_MATERIALIZATION."""
        return self.event_type is EventType.ASSET_MATERIALIZATION

    @property
    def is_asset_observation(self) -> bool:
        """Whether the type is ASSET_OBSERVATION."""
        return self.event_type is EventType.ASSET_OBSERVATION

    @property
    def is_asset_materialization_planned(self) -> bool:
        """Whether the type is ASSET_MATERIALIZATION_PLANNED."""
        return self.event_type is EventType.ASSET_MATERIALIZATION_PLANNED

    @property
    def is_expectation_result(self) -> bool:
        """Whether the type is STEP_EXPECTATION_RESULT."""
        return self.event_type is EventType.STEP_EXPECTATION_RESULT

    @property
    def step_input_data(self) -> StepInputData:
        """Data of an input; TypeError for events of other types."""
        return self._data(StepInputData, "input")

    @property
    def step_output_data(self) -> StepOutputData:
        """Data of an output; TypeError for events of other types."""
        return self._data(StepOutputData, "output")

    @property
    def loaded_input_data(self) -> LoadedInputData:
        """Data of a loaded input; TypeError for events of other types."""
        return self._data(LoadedInputData, "loaded input")

    @property
    def handled_output_data(self) -> HandledOutputData:
        """Data of a stored output; TypeError for events of other types."""
        return self._data(HandledOutputData, "stored output")

    @property
    def step_success_data(self) -> StepSuccessData:
        """Data of a success; TypeError for events of other types."""
        return self._data(StepSuccessData, "success")

    @property
    def step_failure_data(self) -> StepFailureData:
        """Failure of a STEP_FAILURE or STEP_UP_FOR_RETRY event; TypeError for other types."""
        return self._data(StepFailureData, "failure")

    @property
    def step_retry_data(self) -> StepRetryData:
        """Data of a retry; TypeError for events of other types."""
        return self._data(StepRetryData, "retry")

    @property
    def step_materialization_data(self) -> StepMaterializationData:
        """Data of a materialization; TypeError for events of other types."""
        return self._data(StepMaterializationData, "materialization")

    @property
    def asset_observation_data(self) -> AssetObservationData:
        """Data of an observation; TypeError for events of other types."""
        return self._data(AssetObservationData, "observation")

    @property
    def step_expectation_result_data(self) -> StepExpectationResultData:
        """Data of an expectation; TypeError for events of other types."""
        return self._data(StepExpectationResultData, "expectation")

    @property
    def hook_errored_data(self) -> HookErroredData:
        """Data of an error of a hook; TypeError for events of other types."""
        return self._data(HookErroredData, "error of a hook")

    @property
    def job_failure_data(self) -> JobFailureData:
        """Data of a failure of the run; TypeError for events of other types."""
        return self._data(JobFailureData, "failure of the run")

    @property
    def engine_event_data(self) -> EngineEventData:
        """Metadata and error of an event of a resource, of a worker or of the engine."""
        data = self.event_specific_data
        if isinstance(data, EngineEventData):
            return data
        return EngineEventData(
            data if isinstance(data, Mapping) else {}, data if isinstance(data, ErrorInfo) else None
        )

    @property
    def materialization(self) -> Any:
        """Materialization of the event; TypeError for events of other types."""
        return self.step_materialization_data.materialization

    @property
    def asset_key(self) -> Any:
        """Key of the asset that the event is about, or None."""
        return getattr(self._about_asset(), "asset_key", None)

    @property
    def partition(self) -> str | None:
        """Partition of the asset that the event is about, or None."""
        partition: str | None = getattr(self._about_asset(), "partition", None)
        return partition

    def _about_asset(self) -> Any:
        data = self.event_specific_data
        if isinstance(data, StepMaterializationData):
            return data.materialization
        return data.asset_observation if isinstance(data, AssetObservationData) else None

    def _data(self, kind: type[_Data], what: str) -> _Data:
        if not isinstance(self.event_specific_data, kind):
            raise TypeError(f"a {self.event_type.name} event has no {what}")
        return self.event_specific_data

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-able data."""
        moment = datetime.datetime.fromtimestamp(self.timestamp, datetime.timezone.utc)
        return {
            "event_type": self.event_type.name,
            "timestamp": moment.isoformat(timespec="microseconds"),
            "step_key": self.step_key,
            "message": self.message,
            **described(self.event_specific_data),
        }

"""Data of events as JSON-able data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

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
)
from rayexec.events.failure import ErrorInfo, StepFailureData

__all__ = ["described"]


def described(data: Any) -> dict[str, Any]:
    """Return the items for an event with this data."""
    if isinstance(data, (ErrorInfo, StepFailureData, HookErroredData)):
        error = data if isinstance(data, ErrorInfo) else data.error
        return {} if error is None else {"error": _error(error)}
    if isinstance(data, (EngineEventData, JobFailureData)):
        return _of_run(data)
    if isinstance(data, StepOutputData):
        mapping = {} if data.mapping_key is None else {"mapping_key": data.mapping_key}
        return {"output_name": data.output_name, **mapping}
    if isinstance(data, StepMaterializationData):
        return {"data": _statement(data.materialization)}
    if isinstance(data, AssetObservationData):
        return {"data": _statement(data.asset_observation)}
    if isinstance(data, StepExpectationResultData):
        return {"data": _statement(data.expectation_result)}
    items = _items(data)
    return {"data": {key: _plain(each) for key, each in items.items()}} if items else {}


def _items(data: Any) -> Mapping[str, Any]:
    if isinstance(data, StepInputData):
        return {"input_name": data.input_name}
    if isinstance(data, LoadedInputData):
        if data.given_key is None:
            return {"input_name": data.input_name}
        return {
            "input_name": data.input_name,
            "manager_key": data.given_key,
            "upstream_step_key": data.upstream_step_key,
            "upstream_output_name": data.upstream_output_name,
            **({"metadata": data.metadata} if data.metadata else {}),
        }
    if isinstance(data, HandledOutputData):
        items: dict[str, Any] = {"output_name": data.output_name}
        if data.mapping_key is not None:
            items["mapping_key"] = data.mapping_key
        if data.given_key is not None:
            items |= {"manager_key": data.given_key, "metadata": data.metadata}
        return items
    if isinstance(data, StepBlockedData):
        return {"limit": data.limit, "seconds": data.seconds, "held_by": list(data.held_by)}
    return data if isinstance(data, Mapping) else {}


def _of_run(data: EngineEventData | JobFailureData) -> dict[str, Any]:
    if isinstance(data, JobFailureData) and data.failed_steps:
        return {"data": {"failed_steps": list(data.failed_steps)}}
    if data.error is not None:
        return {"error": _error(data.error)}
    metadata = data.metadata if isinstance(data, EngineEventData) else {}
    return {"data": dict(metadata)} if metadata else {}


def _statement(event: Any) -> dict[str, Any]:
    """Return the fields of an event of a user that are set."""
    given = {field.name: getattr(event, field.name) for field in fields(event)}
    if "asset_key" in given:
        given["asset_key"] = event.asset_key.path
    return {name: _plain(each) for name, each in given.items() if each not in (None, {})}


def _plain(value: Any) -> Any:
    """Return metadata with JSON-able values in the place of ``MetadataValue``."""
    if isinstance(value, Mapping):
        return {key: getattr(each, "plain", each) for key, each in value.items()}
    return value


def _error(error: ErrorInfo) -> dict[str, Any]:
    cause = _error(error.origin) if error.origin is not None else None
    return {"class": error.own_name, "message": error.message, "stack": error.stack, "cause": cause}

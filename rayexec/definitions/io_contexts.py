"""Contexts for the methods of IO managers: an output to store, an input to load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.metadata import MetadataValue
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.plain_metadata import normalize_metadata
from rayexec.definitions.surroundings import (
    Resources,
    StepLog,
)
from rayexec.definitions.type_resolution import ANY, resolve_type
from rayexec.definitions.types import DagsterType
from rayexec.errors import InvariantError

__all__ = ["InputContext", "OutputContext", "build_input_context", "build_output_context"]


class OutputContext:
    """An output for an IO manager: its identity, definition, metadata and resources.

    ``definition_metadata`` is the metadata of ``Out(metadata=…)``; ``output_metadata`` is that of
    the op, empty for loading. ``op_def`` is None without access to the op's code.
    """

    def __init__(
        self,
        *,
        run_id: str,
        job_name: str,
        step_key: str,
        name: str,
        mapping_key: str | None = None,
        op_def: OpDefinition | None = None,
        dagster_type: DagsterType | None = None,
        definition_metadata: Mapping[str, Any] | None = None,
        output_metadata: Mapping[str, MetadataValue] | None = None,
        config: Any = None,
        resource_config: Any = None,
        resources: Resources | None = None,
        log: StepLog | None = None,
        version: str | None = None,
    ) -> None:
        self.run_id = run_id
        self.job_name = job_name
        self.step_key = step_key
        self.name = name
        self.mapping_key = mapping_key
        self.op_def = op_def
        self.dagster_type = ANY if dagster_type is None else dagster_type
        self.definition_metadata: dict[str, Any] = fresh(dict(definition_metadata or {}))
        self.output_metadata = dict(output_metadata or {})
        self.config = fresh(config)
        self.resource_config = fresh(resource_config)
        self.resources = resources or Resources({})
        self.log = log or StepLog()
        self.version = version
        self._added: dict[str, MetadataValue] = {}

    has_asset_key = False
    has_asset_partitions = False

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of the output's definition: Dagster's older name of ``definition_metadata``."""
        return self.definition_metadata

    def get_identifier(self) -> list[str]:
        """Return the identity of this output: run id, step key, name, and any mapping key."""
        identifier = [self.run_id, self.step_key, self.name]
        return identifier if self.mapping_key is None else [*identifier, self.mapping_key]

    get_run_scoped_output_identifier = get_identifier

    def add_output_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Attach metadata to the HANDLED_OUTPUT event of this output."""
        self._added.update(normalize_metadata(metadata))

    def get_logged_metadata(self) -> Mapping[str, MetadataValue]:
        """Return the metadata of ``add_output_metadata``."""
        return dict(self._added)


class InputContext:
    """An input for an IO manager; ``upstream_output`` is its source, None if that is no output."""

    def __init__(
        self,
        *,
        run_id: str,
        job_name: str,
        name: str,
        upstream_output: OutputContext | None = None,
        op_def: OpDefinition | None = None,
        dagster_type: DagsterType | None = None,
        definition_metadata: Mapping[str, Any] | None = None,
        config: Any = None,
        resource_config: Any = None,
        resources: Resources | None = None,
        log: StepLog | None = None,
    ) -> None:
        self.run_id = run_id
        self.job_name = job_name
        self.name = name
        self.upstream_output = upstream_output
        self.op_def = op_def
        self.dagster_type = ANY if dagster_type is None else dagster_type
        self.definition_metadata: dict[str, Any] = fresh(dict(definition_metadata or {}))
        self.config = fresh(config)
        self.resource_config = fresh(resource_config)
        self.resources = resources or Resources({})
        self.log = log or StepLog()

    has_asset_key = False
    has_asset_partitions = False
    has_input_name = True

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of the input's definition: Dagster's older name of ``definition_metadata``."""
        return self.definition_metadata

    def get_identifier(self) -> list[str]:
        """Return the identifier of the upstream output; raises InvariantError without one."""
        if self.upstream_output is None:
            raise InvariantError(
                f"input {self.name!r} comes from no output, so it has no identifier."
            )
        return self.upstream_output.get_identifier()


def build_output_context(
    *,
    step_key: str = "ephemeral",
    name: str = "result",
    run_id: str = "EPHEMERAL",
    job_name: str = "ephemeral",
    mapping_key: str | None = None,
    op_def: OpDefinition | None = None,
    dagster_type: Any = Any,
    definition_metadata: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    output_metadata: Mapping[str, Any] | None = None,
    config: Any = None,
    resource_config: Any = None,
    resources: Mapping[str, Any] | None = None,
    version: str | None = None,
) -> OutputContext:
    """Return a context for unit tests of ``handle_output``; ``resources`` are objects by key."""
    return OutputContext(
        run_id=run_id,
        job_name=job_name,
        step_key=step_key,
        name=name,
        mapping_key=mapping_key,
        op_def=op_def,
        dagster_type=resolve_type(dagster_type),
        definition_metadata=definition_metadata or metadata,
        output_metadata=normalize_metadata(output_metadata),
        config=config,
        resource_config=resource_config,
        resources=Resources(resources or {}),
        version=version,
    )


def build_input_context(
    *,
    name: str = "ephemeral",
    upstream_output: OutputContext | None = None,
    run_id: str = "EPHEMERAL",
    job_name: str = "ephemeral",
    op_def: OpDefinition | None = None,
    dagster_type: Any = Any,
    definition_metadata: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    config: Any = None,
    resource_config: Any = None,
    resources: Mapping[str, Any] | None = None,
) -> InputContext:
    """Return a context for unit tests of ``load_input``; ``resources`` are objects by key."""
    return InputContext(
        run_id=run_id,
        job_name=job_name,
        name=name,
        upstream_output=upstream_output,
        op_def=op_def,
        dagster_type=resolve_type(dagster_type),
        definition_metadata=definition_metadata or metadata,
        config=config,
        resource_config=resource_config,
        resources=Resources(resources or {}),
    )

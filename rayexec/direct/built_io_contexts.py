"""Contexts for direct calls of the methods of IO managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.definitions.asset_key import AssetKey, CoercibleToAssetKey
from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.surroundings import Resources, ephemeral_run
from rayexec.definitions.types.type_resolution import resolve_type
from rayexec.direct.opened_resources import OpenedResources, OpensResources
from rayexec.errors import InvariantError, UnsupportedError

__all__ = ["build_input_context", "build_output_context"]


class DirectOutputContext(OpensResources, OutputContext):
    """Context for direct calls of ``handle_output``."""

    def __init__(self, given: Mapping[str, Any] | None, **facts: Any) -> None:
        super().__init__(**facts)
        self._opened = OpenedResources(given, None, ephemeral_run())

    @property
    def resources(self) -> Any:
        """The open resources; raises InvariantError outside of ``with`` if one is to be closed."""
        return self.opened_resources("build_output_context")

    @resources.setter
    def resources(self, _none: Resources) -> None: ...


class DirectInputContext(OpensResources, InputContext):
    """Context for direct calls of ``load_input``."""

    def __init__(self, given: Mapping[str, Any] | None, instance: Any, **facts: Any) -> None:
        super().__init__(**facts)
        self._instance = instance
        self._opened = OpenedResources(given, None, ephemeral_run())

    @property
    def resources(self) -> Any:
        """The open resources; raises InvariantError outside of ``with`` if one is to be closed."""
        return self.opened_resources("build_input_context")

    @resources.setter
    def resources(self, _none: Resources) -> None: ...

    @property
    def instance(self) -> Any:
        """The instance given; raises InvariantError without one."""
        if self._instance is None:
            raise InvariantError("build_input_context got no instance: give it one.")
        return self._instance


def build_output_context(
    step_key: str = "ephemeral",
    name: str = "result",
    definition_metadata: Mapping[str, Any] | None = None,
    run_id: str = "__EPHEMERAL_RUN_ID",  # as in Dagster, where it may be part of a path
    mapping_key: str | None = None,
    config: Any = None,
    dagster_type: Any = None,
    version: str | None = None,
    resource_config: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    op_def: OpDefinition | None = None,
    asset_key: CoercibleToAssetKey | None = None,
    partition_key: str | None = None,
    asset_partitions_def: Any = None,
    asset_partition_key_range: Any = None,
    instance: Any = None,
    *,
    job_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    output_metadata: Mapping[str, Any] | None = None,
) -> DirectOutputContext:
    """Return a context for unit tests of ``handle_output``.

    ``resources`` are objects or resources by key, and open now; if one of them is to be closed, use
    the context in a ``with`` statement. ``instance`` has no effect. Raises ResourceError for a
    resource that fails to open.
    """
    _check_no_partitions(asset_partitions_def, asset_partition_key_range)
    return DirectOutputContext(
        resources,
        run_id=run_id,
        job_name=job_name,
        step_key=step_key,
        name=name,
        mapping_key=mapping_key,
        op_def=op_def,
        dagster_type=None if dagster_type is None else resolve_type(dagster_type),
        definition_metadata=definition_metadata or metadata,
        output_metadata=output_metadata,
        config=config,
        resource_config=resource_config or {},
        version=version,
        asset_key=None if asset_key is None else AssetKey.from_coercible(asset_key),
        partition_key=partition_key,
    )


def build_input_context(
    name: str | None = None,
    config: Any = None,
    definition_metadata: Mapping[str, Any] | None = None,
    upstream_output: OutputContext | None = None,
    dagster_type: Any = None,
    resource_config: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    op_def: OpDefinition | None = None,
    *,
    asset_key: CoercibleToAssetKey | None = None,
    partition_key: str | None = None,
    asset_partition_key_range: Any = None,
    asset_partitions_def: Any = None,
    instance: Any = None,
    run_id: str = "EPHEMERAL",
    job_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> DirectInputContext:
    """Return a context for unit tests of ``load_input``.

    ``resources`` are objects or resources by key, and open now; if one of them is to be closed, use
    the context in a ``with`` statement. Raises ResourceError for a resource that fails to open.
    """
    _check_no_partitions(asset_partitions_def, asset_partition_key_range)
    return DirectInputContext(
        resources,
        instance,
        run_id=run_id,
        job_name=job_name,
        name=name,
        upstream_output=upstream_output,
        op_def=op_def,
        dagster_type=None if dagster_type is None else resolve_type(dagster_type),
        definition_metadata=definition_metadata or metadata,
        config=config,
        resource_config=resource_config or {},
        asset_key=None if asset_key is None else AssetKey.from_coercible(asset_key),
        partition_key=partition_key,
    )


def _check_no_partitions(definition: Any, key_range: Any) -> None:
    if definition is not None or key_range is not None:
        raise UnsupportedError(
            "definitions and ranges of partitions are not here: give partition_key.",
            feature="asset_partitions_def",
        )

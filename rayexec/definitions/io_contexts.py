"""Contexts for the methods of IO managers: an output to store, an input to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rayexec.definitions.asset_key import AssetKey
from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.surroundings import Resources, StepLog, no_instance
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_resolution import ANY
from rayexec.definitions.user_events import AssetMaterialization, AssetObservation
from rayexec.errors import InvariantError

__all__ = ["InputContext", "OutputContext"]


class _PortContext:
    """The part that contexts of outputs and of inputs share.

    A fact that a unit test has not given raises InvariantError: ``name``, ``job_name``, ``op_def``,
    ``asset_key`` and ``partition_key``. The type is by default Any.
    """

    def __init__(
        self,
        *,
        run_id: str | None = None,
        job_name: str | None = None,
        name: str | None = None,
        op_def: OpDefinition | None = None,
        dagster_type: DagsterType | None = None,
        definition_metadata: Mapping[str, Any] | None = None,
        config: Any = None,
        resource_config: Any = None,
        resources: Resources | None = None,
        log: StepLog | None = None,
        asset_key: AssetKey | None = None,
        partition_key: str | None = None,
    ) -> None:
        self._facts: dict[str, Any] = {
            "run_id": run_id,
            "job_name": job_name,
            "name": name,
            "op_def": op_def,
            "dagster_type": ANY if dagster_type is None else dagster_type,
            "asset_key": asset_key,
            "partition_key": partition_key,
        }
        self.definition_metadata: dict[str, Any] = fresh(dict(definition_metadata or {}))
        self.config = fresh(config)
        self.resource_config = fresh(resource_config)
        self.resources = resources or Resources({})
        self.log = log or StepLog()
        self._metadata: dict[str, MetadataValue] = {}

    def _fact(self, name: str) -> Any:
        value = self._facts[name]
        if value is None:
            raise InvariantError(
                f"this {type(self).__name__} has no {name}: nobody gave it one. In a unit test, "
                f"give it to the function that builds the context."
            )
        return value

    @property
    def run_id(self) -> str:
        """The id of the run: of an output, of the run that made it."""
        return str(self._fact("run_id"))

    @property
    def job_name(self) -> str:
        """The name of the job."""
        return str(self._fact("job_name"))

    @property
    def name(self) -> str:
        """The name of the output or input."""
        return str(self._fact("name"))

    @property
    def op_def(self) -> OpDefinition:
        """The op; raises InvariantError without access to its code."""
        op: OpDefinition = self._fact("op_def")
        return op

    @property
    def dagster_type(self) -> DagsterType:
        """The type of the output or input."""
        kind: DagsterType = self._fact("dagster_type")
        return kind

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of the definition: Dagster's older name of ``definition_metadata``."""
        return self.definition_metadata

    @property
    def has_asset_key(self) -> bool:
        """Whether this is about an asset: never in a run, since ops have no assets."""
        return self._facts["asset_key"] is not None

    @property
    def asset_key(self) -> AssetKey:
        """The key of the asset; raises InvariantError without one."""
        key: AssetKey = self._fact("asset_key")
        return key

    @property
    def has_partition_key(self) -> bool:
        """Whether the run is for a partition."""
        return self._facts["partition_key"] is not None

    @property
    def partition_key(self) -> str:
        """The partition of the run; raises InvariantError without one."""
        return str(self._fact("partition_key"))

    @property
    def has_asset_partitions(self) -> bool:
        """Whether this is about a partition of an asset."""
        return self.has_asset_key and self.has_partition_key

    @property
    def asset_partition_key(self) -> str:
        """The partition of the asset; raises InvariantError without one."""
        self._fact("asset_key")
        return self.partition_key

    @property
    def asset_partition_keys(self) -> list[str]:
        """The partitions of the asset: the one of the run."""
        return [self.asset_partition_key]

    def get_asset_identifier(self) -> list[str]:
        """Return the parts of the asset's key, and any partition; InvariantError without a key."""
        partition = [self.partition_key] if self.has_asset_partitions else []
        return [*self.asset_key.path, *partition]

    def consume_logged_metadata(self) -> Mapping[str, MetadataValue]:
        """Return the metadata since the last call of this method."""
        metadata, self._metadata = self._metadata, {}
        return metadata


class OutputContext(_PortContext):
    """An output for an IO manager: its identity, definition, metadata and resources.

    ``definition_metadata`` is the metadata of ``Out(metadata=…)``; ``output_metadata`` is that of
    the op, empty for loading. ``config`` is the config of the output in ``ops.<op>.outputs``.
    """

    def __init__(
        self,
        *,
        step_key: str | None = None,
        mapping_key: str | None = None,
        output_metadata: Mapping[str, Any] | None = None,
        version: str | None = None,
        report: Callable[[Any], None] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(**facts)
        self._report = report
        self._facts["step_key"] = step_key
        self.mapping_key = mapping_key
        self.output_metadata = dict(output_metadata or {})
        self.version = version
        self._events: list[AssetMaterialization | AssetObservation] = []

    @property
    def step_key(self) -> str:
        """The key of the step that made the output."""
        return str(self._fact("step_key"))

    def get_identifier(self) -> list[str]:
        """Return the identity of this output: run id, step key, name, and any mapping key.

        An output with a ``version`` has that, after ``"versioned_outputs"``, in the run's place.
        """
        if self.version is not None:
            if self.mapping_key is not None:
                raise InvariantError("an output with a mapping key has no version.")
            return ["versioned_outputs", self.version, self.step_key, self.name]
        return self.get_run_scoped_output_identifier()

    def get_run_scoped_output_identifier(self) -> list[str]:
        """Return run id, step key, name, and any mapping key."""
        identifier = [self.run_id, self.step_key, self.name]
        return identifier if self.mapping_key is None else [*identifier, self.mapping_key]

    get_output_identifier = get_identifier

    def add_output_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Attach metadata to the HANDLED_OUTPUT event of this output.

        Raises InvariantError for a key that has metadata already.
        """
        twice = sorted(self._metadata.keys() & metadata.keys())
        if twice:
            raise InvariantError(f"the output already has metadata of {', '.join(twice)}.")
        self._metadata = {**self._metadata, **normalize_metadata(metadata)}

    def get_logged_metadata(self) -> Mapping[str, MetadataValue]:
        """Return the metadata of ``add_output_metadata``."""
        return self._metadata

    def log_event(self, event: AssetMaterialization | AssetObservation) -> None:
        """Record a materialization or an observation; raises InvariantError for another object."""
        if not isinstance(event, (AssetMaterialization, AssetObservation)):
            raise InvariantError(
                f"log_event takes an AssetMaterialization or AssetObservation, got "
                f"{type(event).__name__}."
            )
        self._events.append(event)
        if self._report is not None:
            self._report(event)

    def get_logged_events(self) -> list[AssetMaterialization | AssetObservation]:
        """Return the events of ``log_event``."""
        return list(self._events)


class InputContext(_PortContext):
    """An input for an IO manager; ``upstream_output`` is its source, None if that is no output.

    ``config`` is the config of the input in ``ops.<op>.inputs``, for an input with a manager of its
    own.
    """

    def __init__(self, *, upstream_output: OutputContext | None = None, **facts: Any) -> None:
        super().__init__(**facts)
        self.upstream_output = upstream_output

    @property
    def instance(self) -> Any:
        """Raises UnsupportedError in a run: a step has no access to the store of its run."""
        raise no_instance()

    @property
    def has_input_name(self) -> bool:
        """Whether an input is loaded; an output for the result of a run has no input."""
        return self._facts["name"] is not None

    def get_identifier(self) -> list[str]:
        """Return the identifier of the upstream output; raises InvariantError without one."""
        if self.upstream_output is None:
            raise InvariantError("this input comes from no output, so it has no identifier.")
        return self.upstream_output.get_identifier()

    def add_input_metadata(
        self, metadata: Mapping[str, Any], description: str | None = None
    ) -> None:
        """Attach metadata to the LOADED_INPUT event of this input."""
        self._metadata = {**self._metadata, **normalize_metadata(metadata)}

    def get_observations(self) -> list[AssetObservation]:
        """Return the observations of the asset, if the input is one."""
        if not self.has_asset_key or not self._metadata:
            return []
        partition = self.partition_key if self.has_asset_partitions else None
        return [AssetObservation(self.asset_key, metadata=self._metadata, partition=partition)]

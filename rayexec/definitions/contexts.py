"""Contexts for functions of users: the run, resources, config and log around them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from typing_extensions import Self

from rayexec.definitions.config_models import FieldValues
from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.metadata import MetadataValue
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.plain_metadata import normalize_metadata
from rayexec.definitions.surroundings import (
    NO_RESOURCES,
    OwnRunInfo,
    Resources,
    RunInfo,
    StepLog,
    ephemeral_run,
)
from rayexec.errors import InvariantError
from rayexec.names import mapping_keys, node_path

__all__ = [
    "InitResourceContext",
    "OpExecutionContext",
    "build_init_resource_context",
    "build_op_context",
]


class OpExecutionContext:
    """Context of an op: config, log, resources and the run around the step."""

    is_op_context = True

    __slots__ = (
        "_given_run",
        "_metadata",
        "_own_tags",
        "_run",
        "_tags",
        "log",
        "op_config",
        "op_def",
        "resources",
        "retry_number",
        "step_key",
    )

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op_def: OpDefinition | None,
        op_config: Any,
        resources: Resources,
        retry_number: int = 0,
        tags: Mapping[str, str] | None = None,
        log: StepLog | None = None,
    ) -> None:
        self._given_run = run
        self._run: RunInfo | None = None
        self.step_key = step_key
        self.op_def = op_def
        self.op_config = op_config
        self.resources = resources
        self.retry_number = retry_number
        self.log = log or StepLog()
        self._tags = tags or {}
        self._own_tags: dict[str, str] | None = None
        self._metadata: dict[str, dict[str, MetadataValue]] = {}

    @property
    def run(self) -> RunInfo:
        """The facts of the run."""
        if self._run is None:
            self._run = OwnRunInfo(self._given_run)
        return self._run

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._given_run.run_id

    @property
    def job_name(self) -> str:
        """The name of the job."""
        return self._given_run.job_name

    @property
    def run_config(self) -> Mapping[str, Any]:
        """The run config, with defaults of the job."""
        return self.run.run_config

    @property
    def run_tags(self) -> Mapping[str, str]:
        """The tags of the run."""
        return self.run.tags

    @property
    def op_tags(self) -> Mapping[str, str]:
        """The tags of the step."""
        if self._own_tags is None:
            self._own_tags = dict(self._tags)
        return self._own_tags

    @property
    def op_handle(self) -> SimpleNamespace:
        """The node of the step: ``name``, ``path`` (a list of names), ``str()`` (a dotted path)."""
        path = node_path(self.step_key)
        return _Handle(path=path.split("."), name=path.rpartition(".")[2])

    op = property(lambda self: self.op_def, doc="The op's definition.")

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of that name."""
        return self.run.has_tag(key)

    def get_tag(self, key: str) -> str | None:
        """Return the run's tag of that name, or None."""
        return self.run.get_tag(key)

    def get_mapping_key(self) -> str | None:
        """Return the innermost mapping key of a mapped step; None for any other step."""
        keys = self.mapping_keys
        return keys[-1] if keys else None

    @property
    def mapping_keys(self) -> tuple[str, ...]:
        """The mapping keys of a mapped step, outermost first; empty for any other."""
        return mapping_keys(self.step_key)

    @property
    def has_partition_key(self) -> bool:
        """Whether the run is for a partition."""
        return self.run.has_tag("dagster/partition")

    @property
    def partition_key(self) -> str:
        """The partition of the run; raises InvariantError without one."""
        key = self.run.get_tag("dagster/partition")
        if key is None:
            raise InvariantError("this run is for no partition")
        return key

    def add_output_metadata(
        self,
        metadata: Mapping[str, Any],
        output_name: str = "result",
        mapping_key: str | None = None,
    ) -> None:
        """Attach metadata to a future output, or to one value of a dynamic output."""
        name = output_name if mapping_key is None else f"{output_name}[{mapping_key}]"
        self._metadata.setdefault(name, {}).update(normalize_metadata(metadata))

    def metadata_for(self, output_name: str) -> dict[str, MetadataValue]:
        """Return the metadata of ``add_output_metadata`` for an output."""
        return self._metadata.get(output_name, {})


class _Handle(SimpleNamespace):
    def __str__(self) -> str:
        return ".".join(self.path)


class InitResourceContext:
    """Context of a resource's function: its config, and the resources that it requires."""

    def __init__(
        self,
        *,
        resource_config: Any = None,
        resources: Resources | None = None,
        run: RunInfo | None = None,
        resource_def: Any = None,
    ) -> None:
        #: The config as the run has it, for the definition of the resource.
        self.given_config = resource_config
        self.resource_config = _shown_config(resource_config)
        self.resources = resources or NO_RESOURCES
        self.run: RunInfo | None = None if run is None else OwnRunInfo(run)
        self.run_id = run.run_id if run is not None else None
        self.log = StepLog()
        #: The definition of the resource.
        self.resource_def = resource_def

    @property
    def dagster_run(self) -> RunInfo | None:
        """The facts of the run; None outside of one."""
        return self.run

    @property
    def log_manager(self) -> StepLog:
        """The log of the opening."""
        return self.log

    def replace_config(self, config: Any) -> Self:
        """Return a copy with other config."""
        changed = copy.copy(self)
        changed.given_config = config
        changed.resource_config = _shown_config(config)
        return changed


def _shown_config(given: Any) -> Any:
    return given.as_config() if isinstance(given, FieldValues) else fresh(given)


def build_op_context(
    *,
    op_config: Any = None,
    config: Any = None,
    resources: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, Any] | None = None,
    retry_number: int = 0,
    mapping_key: str | None = None,
) -> OpExecutionContext:
    """Return a context for unit tests of an op; ``resources`` are objects by key.

    ``mapping_key`` is that of a mapped step; below several dynamic outputs, ``"a,0"``.
    """
    return OpExecutionContext(
        run=ephemeral_run(run_tags, run_config),
        step_key="ephemeral" if mapping_key is None else f"ephemeral[{mapping_key}]",
        op_def=None,
        op_config=config if op_config is None else op_config,
        resources=Resources(resources or {}),
        retry_number=retry_number,
    )


def build_init_resource_context(
    *, config: Any = None, resources: Mapping[str, Any] | None = None
) -> InitResourceContext:
    """Return a context for unit tests of a resource's function."""
    return InitResourceContext(
        resource_config=config, resources=Resources(resources or {}), run=ephemeral_run()
    )

"""Jobs as data: a graph with its resources, config, hooks and executor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.fields_resource import resource_definition
from rayexec.definitions.graphs.dependencies import Dependencies
from rayexec.definitions.graphs.graph import GraphDefinition, Node
from rayexec.definitions.graphs.job_checks import (
    check_graph,
    check_resources,
    definitions_in,
    required_keys,
)
from rayexec.definitions.hooks import HookDefinition, Hooked, hook_set
from rayexec.definitions.invocation import Invocable
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.resource_binding import bind_resources
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.stand_ins.inert import StandIn, unsupported
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError, InvariantError
from rayexec.names import check_name, nearest

__all__ = ["JobDefinition"]

_OWNER = re.compile(r"(team:.+|[^@\s]+@[^@\s]+\.[^@\s]+)\Z")


@dataclass(frozen=True, eq=False, kw_only=True)
class JobDefinition(Hooked):
    """A graph with its resources, default config, tags, hooks, retry policy and executor.

    Raises DefinitionError for a graph that can't be a job, and for settings that contradict it.
    """

    graph_def: GraphDefinition
    #: By default that of the graph.
    name: str = ""
    description: str | None = None
    #: Default run config: a mapping or a RunConfig; or a ConfigMapping.
    config: Any = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    #: The tags of runs; by default ``tags``. Those of the graph are among both.
    run_tags: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    resource_defs: Mapping[str, ResourceDefinition] = field(default_factory=dict)
    logger_defs: Mapping[str, LoggerDefinition] = field(default_factory=dict)
    hook_defs: tuple[HookDefinition, ...] = ()
    op_retry_policy: RetryPolicy | None = None
    executor_def: ExecutorDefinition = default_executor
    input_values: Mapping[str, Any] = field(default_factory=dict)
    #: Mail addresses, and teams such as ``team:finance``.
    owners: Sequence[str] | None = None
    #: Clauses that name the ops of the job's runs; None for all.
    op_selection: Sequence[str] | None = None
    #: Has no effect here: a run is of no partition, or of the one in its tag.
    partitions_def: Any = None

    def __post_init__(self) -> None:
        graph = self.graph_def
        if not isinstance(graph, GraphDefinition):
            raise DefinitionError(
                f"a job is made of a graph, got {type(graph).__name__}; decorate the body with "
                f"@graph or @job."
            )
        name = check_name(self.name or graph.name, "a job")
        where = f"job {name!r}"
        if not isinstance(self.partitions_def, (StandIn, type(None))):
            raise DefinitionError(
                f"{where}: partitions_def must be what StaticPartitionsDefinition and the like "
                f"make, got {type(self.partitions_def).__name__}."
            )
        if isinstance(self.config, StandIn):  # of partitions; without one, a run has none of it
            self._set(partitions_def=self.config, config=None)
        own_tags = {**graph.tags, **normalize_tags(self.tags, where)}
        run_tags = normalize_tags(self.run_tags, where)
        self._set(
            name=name,
            description=self.description or graph.description,
            tags=own_tags,
            run_tags=own_tags if self.run_tags is None else {**graph.tags, **run_tags},
            metadata=_metadata(self.metadata, where),
            resource_defs=_resources(self.resource_defs, where),
            logger_defs=_loggers(self.logger_defs, where),
            hook_defs=hook_set(self.hook_defs, where),
            executor_def=self.executor_def or default_executor,
            input_values=dict(_mapping(self.input_values, "input_values", where)),
        )
        _check_settings(self, where)
        check_graph(graph, where)
        check_resources(graph, self.hook_defs, self.resource_defs, where)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def graph(self) -> GraphDefinition:
        """The graph of the job."""
        return self.graph_def

    def check_supported(self, *, ignore_execution: bool) -> None:
        """Raise UnsupportedError if a run needs a part of Dagster that rayexec does not have."""
        if isinstance(self.executor_def, StandIn) and not ignore_execution:
            raise unsupported(self.executor_def, f"is the executor of job {self.name!r}")

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes of the graph."""
        return self.graph_def.nodes

    @property
    def top_level_node_defs(self) -> Sequence[Invocable]:
        """The definitions of the nodes, each once."""
        return self.graph_def.node_defs

    @property
    def all_node_defs(self) -> Sequence[Invocable]:
        """The definitions of the nodes at any depth, each once."""
        return list(definitions_in(self.graph_def))

    def has_node(self, name: str) -> bool:
        """Return whether an op or graph of that name is in the job, at any depth."""
        return any(definition.name == name for definition in self.all_node_defs)

    def node_def_named(self, name: str) -> Invocable:
        """Return the op or graph of that name, at any depth; raises InvariantError."""
        definitions = {definition.name: definition for definition in self.all_node_defs}
        if name not in definitions:
            raise InvariantError(
                f"job {self.name!r} has no op or graph {name!r}.{nearest(name, definitions)}"
            )
        return definitions[name]

    def has_node_named(self, name: str) -> bool:
        """Return whether the graph has a node of that name."""
        return self.graph_def.has_node_named(name)

    def get_node_named(self, name: str) -> Node:
        """Return the node of that name in the graph; raises InvariantError."""
        return self.graph_def.node_named(name)

    @property
    def dependencies(self) -> Dependencies:
        """The source of each connected input, by node."""
        return self.graph_def.dependencies

    @property
    def loggers(self) -> Mapping[str, LoggerDefinition]:
        """The loggers that the job has of its own."""
        return self.logger_defs

    @property
    def has_specified_loggers(self) -> bool:
        """Whether the job has loggers of its own."""
        return bool(self.logger_defs)

    @property
    def has_specified_executor(self) -> bool:
        """Whether the job has an executor of its own."""
        return self.executor_def is not default_executor

    @property
    def config_mapping(self) -> ConfigMapping | None:
        """The mapping that makes the run config, if the job has one."""
        return self.config if isinstance(self.config, ConfigMapping) else None

    @property
    def run_config(self) -> Mapping[str, Any] | None:
        """The default run config, if it is a mapping."""
        return self.config if isinstance(self.config, Mapping) else None

    @property
    def required_resource_keys(self) -> Set[str]:
        """The resources that ops and hooks of the job require, and those that these require."""
        return required_keys(self.graph_def, self.hook_defs, self.resource_defs)


def _check_settings(job: JobDefinition, where: str) -> None:
    policy, executor = job.op_retry_policy, job.executor_def
    if policy is not None and not isinstance(policy, RetryPolicy):
        raise DefinitionError(
            f"{where}: op_retry_policy must be a RetryPolicy, got {type(policy).__name__}."
        )
    if not isinstance(executor, (ExecutorDefinition, StandIn)):
        raise DefinitionError(
            f"{where}: executor_def must be one of in_process_executor, multiprocess_executor and "
            f"ray_executor, got {type(executor).__name__}."
        )
    inputs = job.graph_def.inputs
    for name in job.input_values:
        if name not in inputs:
            raise DefinitionError(
                f"{where}: input_values names {name!r}; its inputs are "
                f"{', '.join(inputs) or 'none'}.{nearest(name, inputs)}"
            )
    for owner in job.owners or ():
        if not isinstance(owner, str) or not _OWNER.match(owner):
            raise DefinitionError(
                f"{where}: owner {owner!r} is neither a mail address nor the name of a team; write "
                f"'team:finance' for a team."
            )


def _metadata(metadata: Any, where: str) -> dict[str, Any]:
    try:
        return normalize_metadata(_mapping(metadata, "metadata", where))
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from None


def _resources(resources: Any, where: str) -> dict[str, ResourceDefinition]:
    definitions = {}
    for key, given in _mapping(resources, "resource_defs", where).items():
        if not isinstance(key, str) or not key.isidentifier():
            raise DefinitionError(
                f"{where}: resource key {key!r} is no name of Python, so no op could take the "
                f"resource: use letters, digits and underscores."
            )
        definitions[key] = resource_definition(given)
    bind_resources(definitions, where)  # raises for requirements that nothing meets
    return definitions


def _loggers(loggers: Any, where: str) -> dict[str, LoggerDefinition]:
    for key, definition in _mapping(loggers, "logger_defs", where).items():
        if not isinstance(definition, LoggerDefinition):
            raise DefinitionError(
                f"{where}: logger {key!r} must be what @logger makes, got "
                f"{type(definition).__name__}."
            )
    return dict(loggers or {})


def _mapping(given: Any, option: str, where: str) -> Mapping[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise DefinitionError(
            f"{where}: {option} is a mapping by name, got {type(given).__name__}."
        )
    return given or {}

"""Jobs as data: a graph with its resources, config, hooks and executor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.fields_resource import resource_definition
from rayexec.definitions.graph import GraphDefinition
from rayexec.definitions.hooks import HookDefinition, Hooked, hook_set
from rayexec.definitions.job_checks import check_graph, check_resources
from rayexec.definitions.logger import LoggerDefinition
from rayexec.definitions.plain_metadata import normalize_metadata
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.resource_binding import bind_resources
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.stand_ins import StandIn
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError
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
    #: A stand-in: partitions only import here, and a run is for none of them.
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
        if isinstance(self.config, StandIn):  # of partitions
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

    @property
    def loggers(self) -> Mapping[str, LoggerDefinition]:
        """The loggers of the job."""
        return self.logger_defs


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

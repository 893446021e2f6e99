"""Jobs as data: a graph with its resources, config, hooks and executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.graph import GraphDefinition
from rayexec.definitions.hooks import HookDefinition, Hooked
from rayexec.definitions.logger import LoggerDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.retry import RetryPolicy

__all__ = ["JobDefinition"]


@dataclass(frozen=True, eq=False)
class JobDefinition(Hooked):
    """A graph with its resources, default config, tags, hooks, retry policy and executor."""

    name: str
    graph: GraphDefinition
    description: str | None = None
    #: Default run config: a mapping or a RunConfig.
    config: Any = None
    tags: Mapping[str, str] = field(default_factory=dict)
    #: The tags of runs; by default ``tags``.
    run_tags: Mapping[str, str] = field(default_factory=dict)
    resource_defs: Mapping[str, ResourceDefinition] = field(default_factory=dict)
    logger_defs: Mapping[str, LoggerDefinition] = field(default_factory=dict)
    hooks: tuple[HookDefinition, ...] = ()
    op_retry_policy: RetryPolicy | None = None
    executor_def: ExecutorDefinition = default_executor
    input_values: Mapping[str, Any] = field(default_factory=dict)

"""Executors by name, for a job to choose and ``execution.config`` to configure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rayexec.errors import DefinitionError

__all__ = [
    "ExecutorDefinition",
    "default_executor",
    "in_process_executor",
    "multiprocess_executor",
    "ray_executor",
]


@dataclass(frozen=True, eq=False)
class ExecutorDefinition:
    """An executor and its settings."""

    #: ``in_process``, ``multiprocess`` or ``ray``, with settings directly under
    #: ``execution.config``; or ``default``, with settings there under the name of an executor.
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, config: Mapping[str, Any]) -> ExecutorDefinition:
        """Return a copy with settings ``config``; run config overrides single keys."""
        if not isinstance(config, Mapping):
            raise DefinitionError(
                f"{self.name}_executor.configured takes a mapping, got {type(config).__name__}."
            )
        return replace(self, settings={**self.settings, **config})


default_executor = ExecutorDefinition("default")
in_process_executor = ExecutorDefinition("in_process")
multiprocess_executor = ExecutorDefinition("multiprocess")
ray_executor = ExecutorDefinition("ray")

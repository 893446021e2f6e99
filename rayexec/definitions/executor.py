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
    "multi_or_in_process_executor",
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

    def configured(
        self,
        config_or_config_fn: Any,
        name: str | None = None,
        config_schema: Any = None,
        description: str | None = None,
    ) -> ExecutorDefinition:
        """Return a copy with other settings; run config overrides single keys.

        A function that returns the settings gets no config. Names and descriptions of executors
        have no effect.
        """
        config = config_or_config_fn
        if callable(config):
            if config_schema is not None:
                raise DefinitionError(
                    f"{self.name}_executor.configured takes no config_schema: run config overrides "
                    f"single settings."
                )
            config = config({})
        if not isinstance(config, Mapping):
            raise DefinitionError(
                f"{self.name}_executor.configured takes a mapping, got {type(config).__name__}."
            )
        return replace(self, settings={**self.settings, **config})


default_executor = ExecutorDefinition("default")
# The default as a choice of the job's own: a Definitions with another executor leaves it alone.
multi_or_in_process_executor = ExecutorDefinition("default")
in_process_executor = ExecutorDefinition("in_process")
multiprocess_executor = ExecutorDefinition("multiprocess")
ray_executor = ExecutorDefinition("ray")

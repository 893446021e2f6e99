"""Executors: the named ways to run a job's steps, chosen by the job and configured by
``execution.config``.
"""

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
    """A way to run steps.

    ``name`` is ``in_process``, ``multiprocess`` or ``ray``, whose settings then stand right below
    ``execution.config``; or ``default``, where they stand below the name of the one that is wanted.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, config: Mapping[str, Any]) -> ExecutorDefinition:
        """Return a copy whose settings are fixed to ``config``; the run's own win key by key."""
        if not isinstance(config, Mapping):
            raise DefinitionError(
                f"{self.name}_executor.configured takes a mapping, got {type(config).__name__}."
            )
        return replace(self, settings={**self.settings, **config})


default_executor = ExecutorDefinition("default")
in_process_executor = ExecutorDefinition("in_process")
multiprocess_executor = ExecutorDefinition("multiprocess")
ray_executor = ExecutorDefinition("ray")

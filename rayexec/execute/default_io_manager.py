"""The IO manager that run config of Dagster may configure where the job has none.

Each job of Dagster has one of the key ``io_manager``: of files, or of memory in
``execute_in_process``, whose config has no effect. Here a job has it once run config names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.config.document import RunConfig
from rayexec.definitions.io_manager import IO_MANAGER, IOManagerDefinition
from rayexec.definitions.resource import ResourceDefinition

__all__ = ["default_io_manager"]


def default_io_manager(*configs: Any, in_process: bool) -> Mapping[str, ResourceDefinition]:
    """Return that manager by its key if one of the run configs names it."""
    if not any(map(_names_manager, configs)):
        return {}
    if in_process:
        from rayexec.io.in_memory import InMemoryIOManager

        manager: ResourceDefinition = IOManagerDefinition(
            lambda _context: InMemoryIOManager(), config_schema=Any, keeps_in_memory=True
        )
    else:
        from rayexec.io.filesystem import fs_io_manager

        manager = fs_io_manager
    return {IO_MANAGER: manager}


def _names_manager(config: Any) -> bool:
    resources = config.get("resources") if isinstance(config, Mapping) else None
    if isinstance(config, RunConfig):
        resources = config.resources
    return isinstance(resources, Mapping) and IO_MANAGER in resources

"""Config of definitions that are called directly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.config.definition_config import Configurable, resolve_config
from rayexec.definitions.config_models import Config
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.schema import MISSING
from rayexec.errors import ConfigError, Problem
from rayexec.names import nearest

__all__ = ["direct_config", "resource_configs"]


def direct_config(definition: Configurable, given: Any, owner: str) -> Any:
    """Return the config of a definition for ``given``, None without any; None is no config.

    Raises ConfigError with every problem.
    """
    value, problems = resolve_config(
        definition, MISSING if given is None else given, ("config",), owner
    )
    if problems:
        raise ConfigError(problems, subject=f"config of {owner}")
    return None if value is MISSING else value


def resource_configs(
    definitions: Mapping[str, ResourceDefinition], given: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the config of each resource by key; ``given`` is as below ``resources`` in run config.

    Raises ConfigError with every problem.
    """
    problems = [
        Problem(("resources", key), f"unknown resource.{nearest(key, definitions)}")
        for key in given or {}
        if key not in definitions
    ]
    resolved: dict[str, Any] = {}
    for key, definition in definitions.items():
        entry = (given or {}).get(key, {})
        fields = {"config": entry} if isinstance(entry, Config) else entry
        if not isinstance(fields, Mapping) or set(fields) - {"config"}:
            problems.append(Problem(("resources", key), "expected a mapping with the key config"))
            continue
        path = ("resources", key, "config")
        value, more = resolve_config(
            definition, fields.get("config", MISSING), path, f"resource {key!r}"
        )
        problems += more
        resolved[key] = None if value is MISSING else value
    if problems:
        raise ConfigError(problems, subject="config of resources")
    return resolved

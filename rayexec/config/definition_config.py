"""Config of one op, resource or logger: its schema, and the config that ``configured`` fixes."""

from __future__ import annotations

from typing import Any, TypeAlias

from rayexec.config.document import apply_mapping
from rayexec.definitions.logger import LoggerDefinition
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.schema import MISSING, validate
from rayexec.errors import Problem

__all__ = ["Configurable", "resolve_config"]

Configurable: TypeAlias = OpDefinition | ResourceDefinition | LoggerDefinition


def resolve_config(
    definition: Configurable, given: Any, path: tuple[str, ...], owner: str
) -> tuple[Any, list[Problem]]:
    """Return the config of ``definition`` for ``given``, MISSING without any, and all problems.

    ``owner`` names the definition in messages; the paths of problems begin with ``path``.
    """
    preset = definition.preset_config
    problems: list[Problem] = []
    if isinstance(preset, ConfigMapping):
        given, problems = apply_mapping(preset, given, path)
        if problems:
            return MISSING, problems
    elif preset is not NO_DEFAULT:
        if not (given is MISSING or given in (None, {})):
            problems = [
                Problem(path, f"the config of {owner} is fixed by configured() and cannot be given")
            ]
        given = preset
    if definition.config_schema is None:
        return given, problems
    value, more = validate(definition.config_schema, given, path=path)
    return value, problems + more

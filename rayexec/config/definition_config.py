"""Config of one op, resource or logger: its schema, and the config that ``configured`` fixes."""

from __future__ import annotations

from typing import Any, TypeAlias

from rayexec.config.document import apply_mapping
from rayexec.definitions.config_models import FieldValues
from rayexec.definitions.environment_values import origins_in_environment
from rayexec.definitions.fields_resource import FieldsResource
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.resource import ResourceClass, ResourceDefinition
from rayexec.definitions.resource_fields import key_of, nested_fields
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
    if isinstance(definition, FieldsResource):
        value, more = _resolve_fields(definition, given, path)
        return value, problems + more
    if definition.config_schema is None:
        return given, problems
    value, more = validate(definition.config_schema, given, path=path)
    return value, problems + more


def _resolve_fields(
    definition: FieldsResource, given: Any, path: tuple[str, ...]
) -> tuple[Any, list[Problem]]:
    """Return the FieldValues of a resource, and of those in its fields, with all problems."""
    if isinstance(given, ResourceClass):
        given = _config_of_instance(given)
    is_given = given is not MISSING and given is not None
    values = None if is_given else definition.values()
    problems: list[Problem] = []
    if values is None:
        schema = definition.schema_of_given if is_given else definition.config_schema
        config, problems = validate(schema, given if is_given else MISSING, path=path)
        if problems:
            return MISSING, problems
        values = _values_of(config)
    nested = {}
    for key, inner in definition.nested.items():
        if isinstance(inner, ResourceDefinition):
            config, more = resolve_config(inner, MISSING, (*path, key), f"resource {key!r}")
            nested[key] = None if config is MISSING else config
            problems = [*problems, *more]
    return FieldValues(values.values, values.origins, nested), problems


def _config_of_instance(given: ResourceClass) -> dict[str, Any]:
    """Return all values of an instance in RunConfig; one of None counts as not given."""
    keys = {name: key for key, name in _keys(type(given)).items()}
    resources = nested_fields(type(given)).values()
    return {
        keys.get(name, name): value
        for name, value in given
        if name not in resources and value is not None
    }


def _values_of(config: Any) -> FieldValues:
    values = {key: getattr(config, name) for key, name in _keys(type(config)).items()}
    values |= config.__pydantic_extra__ or {}
    return FieldValues(values, origins_in_environment(config))


def _keys(cls: Any) -> dict[str, str]:
    """Return the names of the fields of a class by their keys in config."""
    return {key_of(name, field): name for name, field in cls.model_fields.items()}

"""Config of resources: values of fields, and resources in the fields of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayexec.definitions.config_models import FieldValues, origins_in_environment
from rayexec.definitions.fields_resource import (
    FieldsResource,
    key_of,
    nested_fields,
)
from rayexec.definitions.resource import ResourceClass, ResourceDefinition
from rayexec.definitions.schemas.schema import MISSING, validate
from rayexec.errors import Problem

__all__ = ["resolve_fields"]

#: Returns the config of a definition: for a path, and the resource's name in messages.
ConfigOf = Callable[[ResourceDefinition, tuple[str, ...], str], Any]


def resolve_fields(
    definition: FieldsResource, given: Any, path: tuple[str, ...], config_of: ConfigOf
) -> tuple[Any, list[Problem]]:
    """Return the FieldValues of a resource for the config that a run gives, with all problems.

    ``config_of`` returns the config of each resource in its fields.
    """
    if isinstance(given, ResourceClass):
        given = _config_of_instance(given)
    values = definition.values() if given is MISSING else None
    problems: list[Problem] = []
    if values is None:
        config, problems = validate(definition.config_schema, given, path=path)
        if problems:
            return MISSING, problems
        values = _values_of(config)
    nested = {
        key: config_of(inner, (*path, key), f"the resource in {key!r}")
        for key, inner in definition.nested.items()
        if isinstance(inner, ResourceDefinition)
    }
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

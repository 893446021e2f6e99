"""Fields of resource classes: those of config, with their schema, and those of other resources."""

from __future__ import annotations

import operator
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import pydantic

from rayexec.definitions.config_models import Config
from rayexec.definitions.environment_values import EnvVar, holds_environment, is_plain
from rayexec.definitions.resource import ResourceClass, ResourceDefinition
from rayexec.definitions.types.dagster_type import is_subclass

__all__ = ["ResourceDependency", "defaults_of", "key_of", "nested_fields", "schema_of"]

T = TypeVar("T")


class _Dependency:
    """Mark of a field that holds a resource of any kind."""


if TYPE_CHECKING:

    class ResourceDependency(Generic[T]):
        """Annotation of a field of a resource that holds another resource, of any class."""

        def __get__(self, instance: Any, owner: Any) -> T: ...
        def __set__(self, instance: Any, value: Any) -> None: ...
else:

    class ResourceDependency:
        """Annotation of a field of a resource that holds another resource, of any class.

        Example: ``client: ResourceDependency[Client]``. The field takes a definition of a resource,
        an instance of a ConfigurableResource, or the object itself.
        """

        def __class_getitem__(cls, _item: Any) -> Any:
            return Annotated[Any, _Dependency()]


@lru_cache(maxsize=512)
def nested_fields(cls: type[pydantic.BaseModel]) -> Mapping[str, str]:
    """Return the fields of a class that hold resources: their names by their keys in config."""
    nested = {
        key_of(name, field): name
        for name, field in cls.model_fields.items()
        if any(isinstance(each, _Dependency) for each in field.metadata)
        or _is_resource(field.annotation)
    }
    return types.MappingProxyType(nested)


def _is_class(annotation: Any) -> bool:
    return is_subclass(annotation, ResourceClass)


def _is_resource(annotation: Any) -> bool:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inside = [each for each in typing.get_args(annotation) if each is not type(None)]
        return len(inside) == 1 and _is_resource(inside[0])
    if typing.get_origin(annotation) is Annotated:
        first, *metadata = typing.get_args(annotation)
        return any(isinstance(each, _Dependency) for each in metadata) or _is_resource(first)
    return _is_class(annotation) or is_subclass(annotation, ResourceDefinition)


def key_of(name: str, field: pydantic.fields.FieldInfo) -> str:
    """Return the key of a field in config: its alias, or its name without one."""
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name


@lru_cache(maxsize=512)
def defaults_of(cls: type[pydantic.BaseModel]) -> Mapping[str, Any] | None:
    """Return the defaults of a class by key; None where the environment holds one."""
    defaults = {
        key_of(name, field): field.get_default(call_default_factory=True)
        for name, field in cls.model_fields.items()
        if not field.is_required() and name not in nested_fields(cls).values()
    }
    return None if holds_environment(defaults) else types.MappingProxyType(defaults)


def schema_of(
    cls: type[pydantic.BaseModel], fields: Mapping[str, Any], nested: Mapping[str, Any]
) -> type[Config]:
    """Return a Config with the fields of ``cls``, those in ``fields`` with other defaults.

    It leaves out the ``nested`` resources, and those that no config can describe.
    """

    class Base(Config):
        model_config = pydantic.ConfigDict(**cls.model_config)

    declared: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        key = key_of(name, field)
        if key in nested or (key in nested_fields(cls) and not _is_class(field.annotation)):
            continue
        declared[name] = (field.annotation, field)
        if key in fields:
            declared[name] = _with_default(field, fields[key])
    return pydantic.create_model(f"{cls.__name__}Config", __base__=Base, **declared)


def _with_default(field: pydantic.fields.FieldInfo, value: Any) -> tuple[Any, Any]:
    """Return the declaration of a field with another default."""
    annotation: Any = field.annotation
    if field.metadata:
        annotation = operator.getitem(Annotated, (annotation, *field.metadata))
    # pydantic copies a default, which only data are made for.
    is_data = isinstance(value, EnvVar | Config | list | dict | tuple | set) or is_plain(value)
    default: dict[str, Any] = {"default": value} if is_data else {"default_factory": lambda: value}
    return annotation, pydantic.Field(
        **default,
        alias=field.alias,
        validation_alias=field.validation_alias,
        description=field.description,
        discriminator=field.discriminator,
        json_schema_extra=field.json_schema_extra,
    )

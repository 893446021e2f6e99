"""Config mappings: config made from other config, and definitions with fixed config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.config_models import Config
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.types import annotations_of, is_subclass
from rayexec.errors import DefinitionError

__all__ = ["ConfigMapping", "config_mapping", "configured", "open_schema"]


@dataclass(frozen=True, eq=False)
class ConfigMapping(ByReference):
    """A function from config of schema ``config_schema`` to run config."""

    fn: Callable[[Any], Any]
    config_schema: Any = None


@overload
def config_mapping(fn: Callable[[Any], Any], /) -> ConfigMapping: ...
@overload
def config_mapping(
    *, config_schema: Any = ...
) -> Callable[[Callable[[Any], Any]], ConfigMapping]: ...
def config_mapping(
    fn: Callable[[Any], Any] | None = None, /, *, config_schema: Any = None
) -> ConfigMapping | Callable[[Callable[[Any], Any]], ConfigMapping]:
    """Make a config mapping of a function, for ``@job(config=…)``.

    A run of such a job takes the function's config as run config. ``config_schema`` is by default
    the annotation of the function's parameter, if that is a Config.
    """

    def decorate(fn: Callable[[Any], Any]) -> ConfigMapping:
        schema = config_schema
        if schema is None:
            annotated = [each for name, each in annotations_of(fn).items() if name != "return"]
            if annotated and is_subclass(annotated[0], Config):
                schema = annotated[0]
        return ConfigMapping(fn, schema)

    return decorate if fn is None else decorate(fn)


def configured(
    definition: OpDefinition | ResourceDefinition, config_schema: Any = None
) -> Callable[[Callable[[Any], Any]], OpDefinition | ResourceDefinition]:
    """Make a copy of ``definition`` of a function; its result is the config of ``definition``."""
    if not isinstance(definition, (OpDefinition, ResourceDefinition)):
        raise DefinitionError(
            f"configured takes an op or a resource, got {type(definition).__name__}."
        )

    def decorate(fn: Callable[[Any], Any]) -> OpDefinition | ResourceDefinition:
        mapping = ConfigMapping(fn, config_schema)
        if isinstance(definition, OpDefinition):
            return definition.configured(mapping, name=getattr(fn, "__name__", definition.name))
        return definition.configured(mapping)

    return decorate


def open_schema(definition: OpDefinition | ResourceDefinition) -> Any:
    """Return the schema of a run's config for an op or resource, None where it is fixed."""
    if isinstance(definition.preset_config, ConfigMapping):
        return definition.preset_config.config_schema
    return definition.config_schema if definition.preset_config is NO_DEFAULT else None

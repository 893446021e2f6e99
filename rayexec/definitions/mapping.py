"""Config mappings: config made from other config, and config that a definition has fixed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.config_models import Config
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.types.dagster_type import annotations_of, is_subclass
from rayexec.errors import DefinitionError

__all__ = ["ConfigMapping", "Fixed", "config_mapping", "mapping_of", "open_schema", "preset_of"]


@dataclass(frozen=True, eq=False)
class ConfigMapping(ByReference):
    """A function from config of ``config_schema`` to the config of what it is for.

    For a graph that is config by node, for a job a whole run config. Without
    ``receive_processed_config_values`` the function gets strings for enums, and ``{"env": NAME}``
    for variables. Raises DefinitionError for a wrong schema.
    """

    code_field = "config_fn"

    config_fn: Callable[[Any], Any]
    config_schema: Any = None
    receive_processed_config_values: bool | None = None
    #: Config that ``configured`` had fixed before; it gets what the function returns.
    then: Any = NO_DEFAULT

    def __post_init__(self) -> None:
        if not callable(self.config_fn):
            raise DefinitionError(
                f"ConfigMapping takes a function as config_fn, got {self.config_fn!r}."
            )
        if self.config_schema is not None:
            from rayexec.definitions.schemas.schema_checks import check_schema

            check_schema(self.config_schema)


@dataclass(frozen=True, eq=False)
class Fixed:
    """A config function that returns a fixed value."""

    value: Any

    def __call__(self, _given: Any) -> Any:
        return self.value


def mapping_of(
    fn: Callable[[Any], Any],
    config_schema: Any,
    where: str,
    **more: Any,
) -> ConfigMapping:
    """Return the mapping by a function; the annotation of its parameter may be its schema.

    Raises DefinitionError unless the function has one parameter, and one schema at most.
    """
    parameters = list(inspect.signature(fn).parameters.values())
    if len(parameters) != 1:
        raise DefinitionError(
            f"{where} is a function of one parameter, the config; "
            f"{getattr(fn, '__name__', 'this one')} has {len(parameters)}."
        )
    annotated = annotations_of(fn).get(parameters[0].name)
    if is_subclass(annotated, Config):
        if config_schema is not None:
            raise DefinitionError(
                f"{where} has the schema of its parameter's class {annotated.__name__}, so it "
                f"takes no config_schema."
            )
        config_schema = annotated
    return ConfigMapping(fn, config_schema, **more)


@overload
def config_mapping(fn: Callable[[Any], Any], /) -> ConfigMapping: ...
@overload
def config_mapping(
    *, config_schema: Any = ..., receive_processed_config_values: bool | None = ...
) -> Callable[[Callable[[Any], Any]], ConfigMapping]: ...
def config_mapping(
    fn: Callable[[Any], Any] | None = None,
    /,
    *,
    config_schema: Any = None,
    receive_processed_config_values: bool | None = None,
) -> ConfigMapping | Callable[[Callable[[Any], Any]], ConfigMapping]:
    """Make a config mapping of a function, for ``@job(config=…)`` or ``@graph(config=…)``.

    A run of such a job takes the function's config as run config. ``config_schema`` is by default
    the annotation of the function's parameter, if that is a Config.
    """

    def decorate(fn: Callable[[Any], Any]) -> ConfigMapping:
        return mapping_of(
            fn,
            config_schema,
            "@config_mapping",
            receive_processed_config_values=receive_processed_config_values,
        )

    return decorate if fn is None else decorate(fn)


def preset_of(present: Any, config_or_config_fn: Any, config_schema: Any, where: str) -> Any:
    """Return the fixed config of a definition after one more ``configured``.

    ``present`` is what was fixed before, NO_DEFAULT for nothing. It gets what the new one makes.
    """
    given = config_or_config_fn
    if callable(given) and not isinstance(given, ConfigMapping):
        return mapping_of(given, config_schema, where, then=present)
    if config_schema is not None:
        raise DefinitionError(f"{where} takes a config_schema only with a function.")
    if present is NO_DEFAULT:
        return given
    return ConfigMapping(Fixed(given), then=present)


def open_schema(definition: Any) -> Any:
    """Return the schema of a run's config for an op, resource or logger, None where it is fixed."""
    if isinstance(definition.preset_config, ConfigMapping):
        return definition.preset_config.config_schema
    return definition.config_schema if definition.preset_config is NO_DEFAULT else None

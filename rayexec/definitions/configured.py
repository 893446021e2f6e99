"""Definitions with config that is fixed, or made from other config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayexec.definitions.configurable_resource import ConfigurableResourceFactory
from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.types.dagster_type import is_subclass
from rayexec.errors import DefinitionError

__all__ = ["configured"]


def configured(configurable: Any, config_schema: Any = None, **kwargs: Any) -> Callable[[Any], Any]:
    """Return a decorator of a function that makes the config of a copy of ``configurable``.

    It is an op, graph, resource, logger or executor. The decorator also takes the config itself:
    ``configured(op, name="five")({"n": 5})``. Ops and graphs are called like the function, or
    ``name``. Raises DefinitionError for anything else, and for config without a name.
    """
    resource_class: Any = ConfigurableResourceFactory
    if is_subclass(configurable, resource_class):
        configurable = configurable.configure_at_launch()
    named = isinstance(configurable, OpDefinition | GraphDefinition)
    if not named and not isinstance(
        configurable, ResourceDefinition | LoggerDefinition | ExecutorDefinition
    ):
        raise DefinitionError(
            f"configured takes an op, a graph, a resource, a logger or an executor, got "
            f"{type(configurable).__name__}; call it before alias() or tag()."
        )

    def decorate(config_or_config_fn: Any) -> Any:
        settings = dict(kwargs)
        if named:
            called = getattr(config_or_config_fn, "__name__", None)
            name = settings.pop("name", None) or (called if callable(config_or_config_fn) else None)
            if name is None:
                raise DefinitionError(
                    f"configured({configurable.name}) needs the name of the copy: "
                    f"configured({configurable.name}, name=…)."
                )
            settings["name"] = name
        return configurable.configured(config_or_config_fn, config_schema=config_schema, **settings)

    return decorate

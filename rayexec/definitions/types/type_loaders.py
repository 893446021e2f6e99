"""Loaders: values of unconnected inputs, made from run config.

A loader has the schema of the config that it takes. Loaders of built-in types need nothing else,
so the values exist before a run starts. A loader of a user runs in the step, where resources are.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.errors import DefinitionError

__all__ = [
    "DagsterTypeLoader",
    "DictLoader",
    "ItemsLoader",
    "MappingLoader",
    "OptionalLoader",
    "PlainLoader",
    "TupleLoader",
    "UnloadedInput",
    "dagster_type_loader",
]


class DagsterTypeLoader(ABC):
    """Maker of a type's values from config; usually a function with ``@dagster_type_loader``."""

    @property
    @abstractmethod
    def schema_type(self) -> Any:
        """The schema of the config."""

    @abstractmethod
    def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
        """Return the value for config that fits the schema."""

    def required_resource_keys(self) -> frozenset[str]:
        """Return the keys of the resources that the loader uses."""
        return frozenset()

    @property
    def runs_in_step(self) -> bool:
        """Whether the value is made in the step, since it takes code of a user."""
        return True


@dataclass(frozen=True, slots=True)
class UnloadedInput:
    """Config of an input whose loader runs in the step."""

    config: Any


@dataclass(frozen=True, eq=False)
class _FunctionLoader(DagsterTypeLoader):
    fn: Callable[[Any, Any], Any]
    schema: Any
    resource_keys: frozenset[str]

    @property
    def schema_type(self) -> Any:
        return self.schema

    def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
        return self.fn(context, config_value)

    def required_resource_keys(self) -> frozenset[str]:
        return self.resource_keys


def dagster_type_loader(
    config_schema: Any, required_resource_keys: Iterable[str] | None = None
) -> Callable[[Callable[[Any, Any], Any]], DagsterTypeLoader]:
    """Make a loader of a function ``(context, config)`` that returns a value of a type.

    ``config_schema`` is the schema of the config. The loader is for ``DagsterType(loader=…)``.
    Raises DefinitionError for a function with other parameters.
    """

    def decorate(fn: Callable[[Any, Any], Any]) -> DagsterTypeLoader:
        parameters = list(inspect.signature(fn).parameters.values())
        named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
        if len(named) != 2 or named[0].name not in ("context", "_context", "_", "__", "context_"):
            raise DefinitionError(
                f"@dagster_type_loader {getattr(fn, '__name__', 'function')!r}: the function takes "
                f"a context and the config: def load(context, config)."
            )
        return _FunctionLoader(fn, config_schema, frozenset(required_resource_keys or ()))

    return decorate


class _BuiltInLoader(DagsterTypeLoader):
    """Loader of values whose parts have the loaders ``inner``."""

    __slots__ = ("inner",)

    def __init__(self, *inner: DagsterTypeLoader) -> None:
        self.inner = inner

    @property
    def schema_type(self) -> Any:
        return Any

    def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
        return config_value

    def required_resource_keys(self) -> frozenset[str]:
        return frozenset().union(*(each.required_resource_keys() for each in self.inner))

    @property
    def runs_in_step(self) -> bool:
        return any(each.runs_in_step for each in self.inner)


class PlainLoader(_BuiltInLoader):
    """Loader of a given value of the class ``kind``, or of a value in a form that names its source.

    The forms are ``{"value": …}``, ``{"json": {"path": …}}`` and ``{"pickle": {"path": …}}``. With
    the ``kind`` None only they are allowed; with ``object`` the type check decides.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: type | None = None) -> None:
        super().__init__()
        self.kind = kind

    @property
    def schema_type(self) -> Any:
        return Any if self.kind in (None, object) else self.kind


class MappingLoader(_BuiltInLoader):
    """Loader of a dict of anything; it has no other forms."""

    __slots__ = ()

    @property
    def schema_type(self) -> Any:
        return dict


class OptionalLoader(_BuiltInLoader):
    """Loader of null, or of a value of the inner loader."""

    __slots__ = ()

    def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
        if config_value is None:
            return None
        return self.inner[0].construct_from_config_value(context, config_value)


class ItemsLoader(_BuiltInLoader):
    """Loader of a list or set from a list of items."""

    __slots__ = ("collection",)

    def __init__(self, collection: type[list[Any]] | type[set[Any]], item: DagsterTypeLoader):
        super().__init__(item)
        self.collection = collection

    @property
    def schema_type(self) -> Any:
        return [self.inner[0].schema_type]

    def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
        load = self.inner[0].construct_from_config_value
        return self.collection([load(context, item) for item in config_value])


class TupleLoader(_BuiltInLoader):
    """Loader of a tuple from a list with one item for each inner loader."""

    __slots__ = ()

    @property
    def schema_type(self) -> Any:
        return [Any]

    def construct_from_config_value(self, context: Any, config_value: Any) -> Any:
        return tuple(
            loader.construct_from_config_value(context, item)
            for loader, item in zip(self.inner, config_value, strict=True)
        )


class DictLoader(_BuiltInLoader):
    """Loader of a dict with strings as keys, and values of the inner loader."""

    __slots__ = ()

    @property
    def schema_type(self) -> Any:
        return {str: self.inner[0].schema_type}

    def construct_from_config_value(self, context: Any, config_value: Mapping[str, Any]) -> Any:
        load = self.inner[0].construct_from_config_value
        return {key: load(context, value) for key, value in config_value.items()}

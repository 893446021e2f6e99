"""Definitions of resources that are classes: their fields, resources in fields, and openings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import pydantic

from rayexec.definitions.config_fields import secret_fields
from rayexec.definitions.config_models import (
    Config,
    FieldValues,
    is_default,
    read_environment,
    without_inputs,
)
from rayexec.definitions.environment_values import (
    holds_environment,
    note_origins,
    origins_in_environment,
)
from rayexec.definitions.resource import ResourceClass, ResourceDefinition
from rayexec.definitions.resource_fields import defaults_of, key_of, nested_fields, schema_of
from rayexec.errors import DefinitionError

__all__ = [
    "FieldsResource",
    "PartialResource",
    "SharedResource",
    "context_of",
    "given_fields",
    "remade",
    "resource_definition",
    "without_context",
]

T = TypeVar("T")
Made = TypeVar("Made", bound=ResourceClass)

#: Attribute of an open instance with the context of its opening.
_CONTEXT = "_resource_context"


class SharedResource(NamedTuple):
    """A resource in a field that opens under a key of its own, for all that use it."""

    key: str


class FieldsResource(ResourceDefinition):
    """A resource of a class with fields; each opening makes an instance.

    ``fields`` are the values given in code, with EnvVars among them, by key in config. ``nested``
    are the resources in fields, by key: definitions, SharedResources, or plain objects.
    """

    fields: Mapping[str, Any]
    nested: Mapping[str, Any]

    def __init__(
        self, cls: type[ResourceClass], fields: Mapping[str, Any], nested: Mapping[str, Any]
    ) -> None:
        super().__init__(cls, description=cls.__doc__, scope=getattr(cls, "resource_scope", ""))
        self.__dict__.pop("config_schema")  # has no value yet: see config_schema below
        self.__dict__.update(fields=dict(fields), nested=dict(nested))

    @classmethod
    def of(cls, instance: ResourceClass) -> FieldsResource:
        """Return the definition of an instance; run config may replace its fields."""
        nested = {
            key: _definition_or_object(getattr(instance, name))
            for key, name in nested_fields(type(instance)).items()
        }
        return cls(type(instance), given_fields(instance), nested)

    @cached_property
    def config_schema(self) -> type[Config]:
        """The schema of the fields that hold no given resources; given values are defaults."""
        return schema_of(self.resource_class, self.fields, self.nested)

    @cached_property
    def schema_of_given(self) -> type[Config]:
        """The schema of the config that a run gives: it takes the place of all given values."""
        return schema_of(self.resource_class, {}, self.nested)

    def state(self) -> dict[str, Any]:
        """Return what a pickle has; another process makes its own schemas."""
        schemas = ("config_schema", "schema_of_given")
        return {name: value for name, value in super().state().items() if name not in schemas}

    @property
    def resource_class(self) -> type[ResourceClass]:
        """The class with the fields."""
        cls: type[ResourceClass] = self.resource_fn  # type: ignore[assignment]
        return cls

    @property
    def has_to_close(self) -> bool:
        """Whether the resource, or one in its fields, has something to do after its use."""
        cls = self.resource_class
        return cls.has_to_close() or bool(nested_fields(cls))

    def values(self) -> FieldValues | None:
        """Return the values of a run without config for it; None if only the schema has them."""
        defaults = defaults_of(self.resource_class)
        if defaults is None or holds_environment(self.fields):
            return None
        others = {key: each for key, each in self.fields.items() if key not in defaults}
        given = {key: self.fields.get(key, each) for key, each in defaults.items()}
        return FieldValues({**others, **given})

    def bound(
        self, shared_key: Callable[[ResourceDefinition, str], str | None], where: str
    ) -> FieldsResource:
        """Return the resource with SharedResources for those of its fields that have a key.

        ``shared_key`` returns the key of a resource in a field, or None where it opens with this
        one. ``where`` is the path of fields down to this one.
        """
        keys, nested = set(self.required_resource_keys), {}
        for name, given in self.nested.items():
            inner = given
            if isinstance(given, ResourceDefinition):
                key = shared_key(given, f"{where}.{name}")
                if key is not None:
                    inner = SharedResource(key)
                    keys.add(key)
                elif isinstance(given, FieldsResource):
                    inner = given.bound(shared_key, f"{where}.{name}")
            if isinstance(inner, ResourceDefinition):
                keys |= inner.required_resource_keys
            nested[name] = inner
        bound: FieldsResource = self.with_changes(
            nested=nested, required_resource_keys=frozenset(keys)
        )
        return bound

    @contextlib.contextmanager
    def open(self, context: Any) -> Iterator[Any]:
        """Open the resources in fields and then the resource; ``context`` has its config."""
        given = context.given_config
        with contextlib.ExitStack() as around:
            inner = {
                key: self._open_nested(key, context, around)
                for key in nested_fields(self.resource_class)
                if key in self.nested or (isinstance(given, FieldValues) and key in given.values)
            }
            instance = self._made(given, inner)
            instance.__dict__[_CONTEXT] = context
            opening: Any = instance
            yield around.enter_context(_entered(opening.yield_for_execution(context)))

    def _open_nested(self, key: str, context: Any, around: contextlib.ExitStack) -> Any:
        given = context.given_config
        config = given.nested.get(key) if isinstance(given, FieldValues) else None
        nested = self.nested[key] if key in self.nested else given.values[key]
        if isinstance(nested, ResourceClass):  # from run config
            config, nested = _values_of(nested), FieldsResource.of(nested)
        if isinstance(nested, SharedResource):
            return context.resources.original(nested.key)
        if isinstance(nested, PartialResource):
            raise DefinitionError(
                f"the field {key!r} of {self.resource_class.__name__} is configured at launch: "
                "give it to the job under a key of its own too."
            )
        if not isinstance(nested, ResourceDefinition):
            return nested
        return around.enter_context(nested.open(context.replace_config(config)))

    def _made(self, given: Any, inner: Mapping[str, Any]) -> ResourceClass:
        """Return the instance; only here do validators of the class see the values."""
        if isinstance(given, FieldValues):
            values, origins = given.values, given.origins
        else:  # outside of a run, nobody has read the environment
            values, origins = read_environment({**self.fields, **(given or {})}), {}
        cls = self.resource_class
        explicit = {key: each for key, each in values.items() if not is_default(cls, key, each)}
        try:
            made = cls(**{**explicit, **inner})
        except pydantic.ValidationError as error:
            if not origins and not secret_fields(cls):
                raise
            refused = without_inputs(error)
        else:
            note_origins(made, origins)
            return made
        raise refused


class PartialResource(FieldsResource):
    """A resource whose other fields come from run config: of ``configure_at_launch``."""

    @classmethod
    def with_fields(
        cls, resource_class: type[ResourceClass], given: Mapping[str, Any]
    ) -> PartialResource:
        """Return the resource with the fields that code gives, as defaults of run config."""
        resources = nested_fields(resource_class)
        fields = {key: each for key, each in given.items() if key not in resources}
        nested = {key: _definition_or_object(given[key]) for key in resources if key in given}
        return cls(resource_class, fields, nested)

    @cached_property
    def schema_of_given(self) -> type[Config]:
        """The schema of the config that a run gives: it replaces given values one by one."""
        return self.config_schema

    def values(self) -> FieldValues | None:
        """Return None: a required field may lack its value."""
        return None


def resource_definition(given: Any) -> ResourceDefinition:
    """Return the definition of a resource: itself, a ConfigurableResource, or any object."""
    if isinstance(given, ResourceDefinition):
        return given
    if isinstance(given, ResourceClass):
        return FieldsResource.of(given)
    return ResourceDefinition.hardcoded_resource(given)


def _definition_or_object(given: Any) -> Any:
    return FieldsResource.of(given) if isinstance(given, ResourceClass) else given


def given_fields(instance: pydantic.BaseModel) -> dict[str, Any]:
    """Return the fields that differ from their defaults and hold no resources, by key."""
    cls, nested = type(instance), nested_fields(type(instance))
    values = {
        key_of(name, field): getattr(instance, name)
        for name, field in cls.model_fields.items()
        if name not in nested.values()
    }
    values |= instance.__pydantic_extra__ or {}
    return {key: each for key, each in values.items() if not is_default(cls, key, each)}


def _values_of(instance: ResourceClass) -> FieldValues:
    """Return the values of an instance that run config made, with their origins."""
    nested = {
        key: _values_of(inner)
        for key, name in nested_fields(type(instance)).items()
        if isinstance(inner := getattr(instance, name), ResourceClass)
    }
    return FieldValues(given_fields(instance), origins_in_environment(instance), nested)


def remade(instance: Made, context: Any) -> Made:
    """Return a copy of a resource, made anew from its fields, with the context of an opening."""
    cls = type(instance)
    nested = {key: getattr(instance, name) for key, name in nested_fields(cls).items()}
    made = cls(**given_fields(instance), **nested)
    made.__dict__[_CONTEXT] = context
    return made


def context_of(instance: pydantic.BaseModel) -> Any:
    """Return the context with which a resource was opened, None for one that was not."""
    return instance.__dict__.get(_CONTEXT)


def without_context(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a pickle of an instance has: its context stays in its process."""
    fields = {name: each for name, each in state["__dict__"].items() if name != _CONTEXT}
    return {**state, "__dict__": fields}


def _entered(opening: Any) -> contextlib.AbstractContextManager[Any]:
    """Return what ``yield_for_execution`` has returned as a context manager."""
    if isinstance(opening, contextlib.AbstractAsyncContextManager):
        return _in_own_loop(opening)
    entered: contextlib.AbstractContextManager[Any] = opening
    return entered


@contextlib.contextmanager
def _in_own_loop(opening: contextlib.AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """Open and close an asynchronous context manager, in an event loop of its own."""
    loop = asyncio.new_event_loop()
    try:
        value = loop.run_until_complete(opening.__aenter__())
        try:
            yield value
        finally:
            loop.run_until_complete(opening.__aexit__(None, None, None))
    finally:
        loop.close()

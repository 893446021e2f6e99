"""Resources as classes: fields for their config, methods to open and close them."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, NamedTuple

import pydantic
import typing_extensions
from pydantic_core import CoreSchema, core_schema

from rayexec.definitions.config_models import read_environment
from rayexec.definitions.contexts import InitResourceContext
from rayexec.definitions.fields_resource import (
    FieldsResource,
    PartialResource,
    context_of,
    given_fields,
    remade,
    without_context,
)
from rayexec.definitions.resource import (
    ResourceClass,
    ResourceDefinition,
    ResourceScope,
    opened,
)
from rayexec.definitions.resource_fields import nested_fields
from rayexec.errors import InvariantError

__all__ = [
    "ConfigurableLegacyResourceAdapter",
    "ConfigurableResource",
    "ConfigurableResourceFactory",
]

#: The object that ops get.
T = typing_extensions.TypeVar("T", default=Any)


class ConfigurableResourceFactory(ResourceClass, Generic[T]):
    """A class whose fields are the config of a resource, and that makes the object for ops.

    Override ``create_resource`` to return the object. An op asks for it by a parameter with the
    annotation ``ResourceParam[…]``, whose name is the resource's key. Override
    ``setup_for_execution`` and ``teardown_after_execution``, or ``yield_for_execution``, to open
    and close connections, in private attributes (``pydantic.PrivateAttr``). Each opening has an
    instance of its own.

    A field may be a resource itself, by its class or by ``ResourceDependency[…]``: it opens before
    this one and closes after it. Run config may replace all other fields.
    ``resource_scope = "worker"`` in the class's body sets its ResourceScope.
    """

    resource_scope: ClassVar[str] = ResourceScope.BATCH

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.resource_scope = ResourceScope.of(cls.resource_scope, f"resource class {cls.__name__}")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let a field of this class also hold what ``configure_at_launch`` returns."""
        schema = handler(source)
        made = cls.__dict__
        if not made.get("__pydantic_complete__") or "__pydantic_core_schema__" not in made:
            return schema  # of the class itself, which is just being made
        return core_schema.no_info_wrap_validator_function(_unless_partial, schema)

    def __getstate__(self) -> dict[Any, Any]:
        return without_context(super().__getstate__())

    @classmethod
    def has_to_close(cls) -> bool:
        """Whether the class has something to do after the use of a resource."""
        base = ConfigurableResourceFactory
        return (
            cls.yield_for_execution is not base.yield_for_execution
            or cls.teardown_after_execution is not base.teardown_after_execution
        )

    @classmethod
    def configure_at_launch(cls, **fields: Any) -> PartialResource:
        """Return a resource with its other fields from ``resources.<key>.config`` of the run."""
        return PartialResource.with_fields(cls, fields)

    @abstractmethod
    def create_resource(self, context: InitResourceContext) -> T:
        """Return the object for ops."""
        raise NotImplementedError

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Open the resource; called once, before the first step that needs it."""

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        """Close the resource; called after a failure too."""

    @contextlib.contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[T]:
        """Open the resource, yield the object for ops, and close it."""
        self.setup_for_execution(context)
        try:
            with opened(self.create_resource(context)) as value:
                yield value
        finally:
            self.teardown_after_execution(context)

    def get_resource_context(self) -> InitResourceContext:
        """Return the context of this opening; raises InvariantError before it."""
        context = context_of(self)
        if context is None:
            raise InvariantError(
                f"{type(self).__name__} is not open, so it has no context: it gets one when a run "
                "opens it, or by with_replaced_resource_context(build_init_resource_context())."
            )
        opening: InitResourceContext = context
        return opening

    def with_replaced_resource_context(
        self, resource_context: InitResourceContext
    ) -> typing_extensions.Self:
        """Return a copy with this context."""
        return remade(self, resource_context)

    def with_resource_context(
        self, resource_context: InitResourceContext
    ) -> typing_extensions.Self:
        """Return a copy with this context."""
        return self.with_replaced_resource_context(resource_context)

    def process_config_and_initialize(self) -> T:
        """Return the object for ops, outside of a run; environment variables are read now.

        Raises ConfigError for variables that are not set, and InvariantError for a resource that
        must be closed: it needs ``process_config_and_initialize_cm``.
        """
        return self.from_resource_context(*_by_hand(self))

    @contextlib.contextmanager
    def process_config_and_initialize_cm(self) -> Iterator[T]:
        """Open the resource outside of a run, yield the object for ops, and close it."""
        with self.from_resource_context_cm(*_by_hand(self)) as value:
            yield value

    @classmethod
    def from_resource_context(
        cls, context: InitResourceContext, nested_resources: Mapping[str, Any] | None = None
    ) -> T:
        """Return the object for ops, with the fields in ``context.resource_config``.

        Raises InvariantError for a resource that must be closed.
        """
        if cls.has_to_close() or nested_fields(cls):
            raise InvariantError(
                f"{cls.__name__} must be closed after its use: open it by "
                "`with …from_resource_context_cm(context) as …:`, or by "
                "`process_config_and_initialize_cm`."
            )
        made = remade(cls(**_fields_of(context, nested_resources)), context)
        made.setup_for_execution(context)
        return made.create_resource(context)

    @classmethod
    @contextlib.contextmanager
    def from_resource_context_cm(
        cls, context: InitResourceContext, nested_resources: Mapping[str, Any] | None = None
    ) -> Iterator[T]:
        """Open the resource with the fields in ``context.resource_config``, and close it."""
        made = cls(**_fields_of(context, nested_resources))
        with FieldsResource.of(made).open(context) as value:
            yield value


class ConfigurableResource(ConfigurableResourceFactory[T]):
    """A resource whose fields are its config; ops get the instance itself.

    An op requests it by a parameter annotated with its class; the parameter's name is the
    resource's key. See ConfigurableResourceFactory for the methods to open and close it. With an
    own ``create_resource``, ops get another object.
    """

    def create_resource(self, context: InitResourceContext) -> T:
        """Return the object for ops."""
        itself: Any = self
        return itself  # type: ignore[no-any-return]


class ConfigurableLegacyResourceAdapter(ConfigurableResource[Any]):
    """A class with fields around a resource that is a function: its config are the fields."""

    @property
    @abstractmethod
    def wrapped_resource(self) -> ResourceDefinition:
        """The resource with the function."""
        raise NotImplementedError

    @contextlib.contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[Any]:
        """Open the wrapped resource, with the fields as its config, and close it."""
        with self.wrapped_resource.open(context) as value:
            yield value


def _unless_partial(value: Any, validate: pydantic.ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, PartialResource) else validate(value)


def _fields_of(context: InitResourceContext, nested: Mapping[str, Any] | None) -> dict[str, Any]:
    config = context.resource_config
    values = config if isinstance(config, Mapping) else dict(config or ())
    return {**values, **(nested or {})}


class _ByHand(NamedTuple):
    """Arguments to open a resource outside of a run."""

    context: InitResourceContext
    nested: dict[str, Any]


def _by_hand(instance: ConfigurableResourceFactory[Any]) -> _ByHand:
    nested = {key: getattr(instance, name) for key, name in nested_fields(type(instance)).items()}
    config = read_environment(given_fields(instance), type(instance).__name__)
    return _ByHand(InitResourceContext(resource_config=config), nested)

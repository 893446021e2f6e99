"""IO managers: resources to store outputs and to load them as inputs."""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import typing_extensions

from rayexec.definitions.configurable_resource import ConfigurableResourceFactory
from rayexec.definitions.contexts import InitResourceContext
from rayexec.definitions.fields_resource import FieldsResource
from rayexec.definitions.ports import Out
from rayexec.definitions.resource import ResourceDefinition, ResourceScope
from rayexec.errors import DefinitionError

#: The IO manager that a factory makes.
T = typing_extensions.TypeVar("T", default=Any)

if TYPE_CHECKING:
    from rayexec.definitions.io_contexts import InputContext, OutputContext

__all__ = [
    "IO_MANAGER",
    "ConfigurableIOManager",
    "ConfigurableIOManagerFactory",
    "ConfigurableLegacyIOManagerAdapter",
    "IOManager",
    "IOManagerDefinition",
    "InputManager",
    "InputManagerDefinition",
    "input_manager",
    "input_schema_of",
    "io_manager",
    "loads_inputs",
    "manager_key",
    "output_schema_of",
    "stores_outputs",
]

# The key of the IO manager of outputs that name none.
IO_MANAGER = "io_manager"


def manager_key(out: Out, resources: Mapping[str, ResourceDefinition]) -> str | None:
    """Return the key of the IO manager of an output, among the ``resources`` of the run.

    Returns None for an output in the object store.
    """
    key = out.io_manager_key or IO_MANAGER
    definition = resources.get(key)
    if out.type.is_nothing or (key == IO_MANAGER and definition is None):
        return None
    return None if getattr(definition, "keeps_in_memory", False) else key


class InputManager(ABC):
    """Loads inputs: ``In(input_manager_key=…)`` names one."""

    @abstractmethod
    def load_input(self, context: InputContext) -> Any:
        """Return the value of an input; an error fails the consumer."""


class IOManager(InputManager):
    """Stores outputs and loads them as inputs: ``Out(io_manager_key=…)`` names one.

    Storing and loading may happen in different processes and on different nodes, each with a
    manager of its own. So the storage must be in reach of both.
    """

    @abstractmethod
    def handle_output(self, context: OutputContext, obj: Any) -> Any:
        """Store ``obj`` for a later ``load_input``; an error fails the step."""


class ConfigurableIOManagerFactory(ConfigurableResourceFactory[T]):
    """A class whose fields are the config of an IO manager, and that makes the manager.

    Override ``create_io_manager``, and ``output_config_schema`` and ``input_config_schema`` for
    config of single outputs and inputs.
    """

    @abstractmethod
    def create_io_manager(self, context: InitResourceContext) -> T:
        """Return the IO manager."""
        raise NotImplementedError

    def create_resource(self, context: InitResourceContext) -> T:
        """Return the IO manager."""
        return self.create_io_manager(context)

    @classmethod
    def input_config_schema(cls) -> Any:
        """Return the schema of the config for one input; None for any config."""
        return None

    @classmethod
    def output_config_schema(cls) -> Any:
        """Return the schema of the config for one output; None for no config."""
        return None


class ConfigurableIOManager(ConfigurableIOManagerFactory[Any], IOManager):
    """An IO manager with its config as fields."""

    def create_io_manager(self, context: InitResourceContext) -> Any:
        """Return the instance itself."""
        return self


class ConfigurableLegacyIOManagerAdapter(ConfigurableIOManagerFactory[Any]):
    """A class with fields around an IO manager made by ``@io_manager``: its config are the fields.

    Override the property ``wrapped_io_manager``.
    """

    @property
    @abstractmethod
    def wrapped_io_manager(self) -> IOManagerDefinition:
        """The definition of the IO manager."""
        raise NotImplementedError

    def create_io_manager(self, context: InitResourceContext) -> Any:
        """Raise NotImplementedError: the wrapped definition makes the manager."""
        raise NotImplementedError

    @contextlib.contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[Any]:
        """Open the wrapped IO manager, with the fields as its config, and close it."""
        with self.wrapped_io_manager.open(context) as value:
            yield value


@dataclass(frozen=True, eq=False)
class IOManagerDefinition(ResourceDefinition):
    """A function to open an IO manager.

    The schemas are those of the config for one output (``ops.<op>.outputs.<output>``) and for one
    input (``ops.<op>.inputs.<input>``) with ``In(input_manager_key=…)``.
    """

    input_config_schema: Any = None
    output_config_schema: Any = None
    #: Outputs stay where they are without an IO manager: in the memory of the engine.
    keeps_in_memory: bool = False

    @staticmethod
    def hardcoded_io_manager(value: Any, description: str | None = None) -> IOManagerDefinition:
        """Return the definition of an IO manager that is there; DefinitionError for no manager."""
        if not isinstance(value, IOManager):
            raise DefinitionError(
                f"hardcoded_io_manager takes an IOManager, got {type(value).__name__}."
            )
        constant = ResourceDefinition.hardcoded_resource(value).fn
        return IOManagerDefinition(constant, description=description, scope=ResourceScope.WORKER)


@dataclass(frozen=True, eq=False)
class InputManagerDefinition(ResourceDefinition):
    """An input manager made of a function that returns the value, or an InputManager to load it."""

    input_config_schema: Any = None

    @contextlib.contextmanager
    def open(self, context: Any) -> Iterator[Any]:
        """Give the function as an InputManager, with nothing to open yet."""
        yield _Loads(self.fn)


class _Loads(InputManager):
    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def load_input(self, context: InputContext) -> Any:
        loaded = self._fn(context) if inspect.signature(self._fn).parameters else self._fn()
        return loaded.load_input(context) if isinstance(loaded, InputManager) else loaded


def input_schema_of(definition: ResourceDefinition) -> Any:
    """Return the schema of the config that a manager takes for one input; None for any config."""
    return _schema_of(definition, "input_config_schema")


def output_schema_of(definition: ResourceDefinition) -> Any:
    """Return the schema of the config that a manager takes for one output, or None."""
    return _schema_of(definition, "output_config_schema")


def stores_outputs(definition: ResourceDefinition) -> bool:
    """Whether a resource may be an IO manager; that of a plain function is none."""
    return isinstance(definition, IOManagerDefinition) or _has(definition, "handle_output")


def loads_inputs(definition: ResourceDefinition) -> bool:
    """Whether a resource may be an input manager; that of a plain function is none."""
    of_function = (IOManagerDefinition, InputManagerDefinition)
    return isinstance(definition, of_function) or _has(definition, "load_input")


def _has(definition: ResourceDefinition, method: str) -> bool:
    if isinstance(definition, FieldsResource):
        cls = definition.resource_class
        return hasattr(cls, method) or issubclass(cls, ConfigurableIOManagerFactory)
    return definition.is_constant and hasattr(definition.fn(None), method)


def _schema_of(definition: ResourceDefinition, name: str) -> Any:
    if isinstance(definition, FieldsResource):
        schema_of_class = getattr(definition.resource_class, name, None)
        return None if schema_of_class is None else schema_of_class()
    return getattr(definition, name, None)


@overload
def io_manager(config_schema: Callable[..., Any], /) -> IOManagerDefinition: ...
@overload
def io_manager(
    config_schema: Any = ...,
    description: str | None = ...,
    output_config_schema: Any = ...,
    input_config_schema: Any = ...,
    required_resource_keys: Iterable[str] | None = ...,
    version: str | None = ...,
    scope: str = ...,
) -> Callable[[Callable[..., Any]], IOManagerDefinition]: ...
def io_manager(
    config_schema: Any = None,
    description: str | None = None,
    output_config_schema: Any = None,
    input_config_schema: Any = None,
    required_resource_keys: Iterable[str] | None = None,
    version: str | None = None,
    scope: str = ResourceScope.BATCH,
) -> IOManagerDefinition | Callable[[Callable[..., Any]], IOManagerDefinition]:
    """Make a resource of a function that returns an IOManager.

    The function takes an InitResourceContext, or nothing. The two other schemas are those of
    IOManagerDefinition. ``scope`` is a ResourceScope or its name. ``version`` has no effect.
    """
    is_bare = inspect.isroutine(config_schema)  # @io_manager without arguments

    def decorate(fn: Callable[..., Any]) -> IOManagerDefinition:
        return IOManagerDefinition(
            fn,
            config_schema=None if is_bare else config_schema,
            description=description or inspect.getdoc(fn),
            required_resource_keys=frozenset(required_resource_keys or ()),
            input_config_schema=input_config_schema,
            output_config_schema=output_config_schema,
            scope=scope,
        )

    return decorate(config_schema) if is_bare else decorate


@overload
def input_manager(config_schema: Callable[..., Any], /) -> InputManagerDefinition: ...
@overload
def input_manager(
    config_schema: Any = ...,
    description: str | None = ...,
    input_config_schema: Any = ...,
    required_resource_keys: Iterable[str] | None = ...,
    version: str | None = ...,
) -> Callable[[Callable[..., Any]], InputManagerDefinition]: ...
def input_manager(
    config_schema: Any = None,
    description: str | None = None,
    input_config_schema: Any = None,
    required_resource_keys: Iterable[str] | None = None,
    version: str | None = None,
) -> InputManagerDefinition | Callable[[Callable[..., Any]], InputManagerDefinition]:
    """Make an input manager of a function that returns a value, or an InputManager to load it.

    The function takes an InputContext, or nothing. The config of the resource is
    ``context.resource_config``, that of the input is ``context.config``, and its resources are in
    ``context.resources``. ``version`` has no effect.
    """
    is_bare = inspect.isroutine(config_schema)  # @input_manager without arguments

    def decorate(fn: Callable[..., Any]) -> InputManagerDefinition:
        return InputManagerDefinition(
            fn,
            config_schema=None if is_bare else config_schema,
            description=description or inspect.getdoc(fn),
            required_resource_keys=frozenset(required_resource_keys or ()),
            input_config_schema=input_config_schema,
        )

    return decorate(config_schema) if is_bare else decorate

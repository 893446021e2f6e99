"""IO managers: resources to store outputs and to load them as inputs."""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from rayexec.definitions.configurable_resource import ConfigurableResource
from rayexec.definitions.ports import Out
from rayexec.definitions.resource import ResourceDefinition, ResourceScope

if TYPE_CHECKING:
    from rayexec.definitions.io_contexts import InputContext, OutputContext

__all__ = [
    "IO_MANAGER",
    "ConfigurableIOManager",
    "IOManager",
    "IOManagerDefinition",
    "InputManager",
    "InputManagerDefinition",
    "input_manager",
    "io_manager",
    "manager_key",
]

# The key of the IO manager of outputs that name none.
IO_MANAGER = "io_manager"


def manager_key(out: Out, resources: Mapping[str, ResourceDefinition]) -> str | None:
    """Return the key of the IO manager of an output, among the ``resources`` of the run.

    Returns None for an output in the object store.
    """
    key = out.io_manager_key or IO_MANAGER
    if out.type.is_nothing or (key == IO_MANAGER and key not in resources):
        return None
    return key


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


class ConfigurableIOManager(ConfigurableResource, IOManager):
    """An IO manager with its config as fields."""


class IOManagerDefinition(ResourceDefinition):
    """A function to open an IO manager."""


@dataclass(frozen=True, eq=False)
class InputManagerDefinition(ResourceDefinition):
    """An input manager made of a function of an InputContext that returns the value."""

    @contextlib.contextmanager
    def open(self, context: Any) -> Iterator[Any]:
        """Give the function as an InputManager, with nothing to open."""
        yield _Loads(self.fn)


class _Loads(InputManager):
    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def load_input(self, context: InputContext) -> Any:
        return self._fn(context) if inspect.signature(self._fn).parameters else self._fn()


@overload
def io_manager(fn: Callable[..., Any], /) -> IOManagerDefinition: ...
@overload
def io_manager(
    *,
    config_schema: Any = ...,
    required_resource_keys: Iterable[str] = ...,
    description: str | None = ...,
    scope: str = ...,
) -> Callable[[Callable[..., Any]], IOManagerDefinition]: ...
def io_manager(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    config_schema: Any = None,
    required_resource_keys: Iterable[str] = (),
    description: str | None = None,
    scope: str = ResourceScope.BATCH,
) -> IOManagerDefinition | Callable[[Callable[..., Any]], IOManagerDefinition]:
    """Make a resource of a function that returns an IOManager.

    The function takes an InitResourceContext, or nothing. ``scope`` is a ResourceScope or its name.
    """

    def decorate(fn: Callable[..., Any]) -> IOManagerDefinition:
        return IOManagerDefinition(
            fn,
            config_schema,
            description or inspect.getdoc(fn),
            frozenset(required_resource_keys),
            scope=scope,
        )

    return decorate if fn is None else decorate(fn)


@overload
def input_manager(fn: Callable[..., Any], /) -> InputManagerDefinition: ...
@overload
def input_manager(
    *,
    config_schema: Any = ...,
    required_resource_keys: Iterable[str] = ...,
    description: str | None = ...,
) -> Callable[[Callable[..., Any]], InputManagerDefinition]: ...
def input_manager(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    config_schema: Any = None,
    required_resource_keys: Iterable[str] = (),
    description: str | None = None,
) -> InputManagerDefinition | Callable[[Callable[..., Any]], InputManagerDefinition]:
    """Make an input manager of a function that returns a value.

    The function takes an InputContext, or nothing. Its config is ``context.resource_config``, its
    resources are in ``context.resources``.
    """

    def decorate(fn: Callable[..., Any]) -> InputManagerDefinition:
        return InputManagerDefinition(
            fn, config_schema, description or inspect.getdoc(fn), frozenset(required_resource_keys)
        )

    return decorate if fn is None else decorate(fn)

"""IO managers: resources that store what ops yield, and load it for the ops that take it."""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from rayexec.definitions.ports import Out
from rayexec.definitions.resource import ConfigurableResource, ResourceDefinition, ResourceScope

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


def manager_key(out: Out, known: Mapping[str, ResourceDefinition]) -> str | None:
    """Return the key of the manager that stores an output, None for one that goes through the
    object store.

    ``known`` are the resources of the run.
    """
    key = out.io_manager_key or IO_MANAGER
    if out.type.is_nothing or (key == IO_MANAGER and key not in known):
        return None
    return key


class InputManager(ABC):
    """Loads inputs: ``In(input_manager_key=…)`` names one."""

    @abstractmethod
    def load_input(self, context: InputContext) -> Any:
        """Return the value of an input; what is raised fails the step that takes it."""


class IOManager(InputManager):
    """Stores outputs and loads them as inputs: ``Out(io_manager_key=…)`` names one.

    Output and input may be handled in different processes and on different nodes, each with a
    manager of its own, so what is stored must be where both can reach it.
    """

    @abstractmethod
    def handle_output(self, context: OutputContext, obj: Any) -> Any:
        """Store ``obj`` where ``load_input`` will find it; what is raised fails the step that
        yielded it.
        """


class ConfigurableIOManager(ConfigurableResource, IOManager):
    """An IO manager whose fields are its config."""


class IOManagerDefinition(ResourceDefinition):
    """A function that opens an IO manager."""


@dataclass(frozen=True, eq=False)
class InputManagerDefinition(ResourceDefinition):
    """An input manager that is a single function: of an InputContext, returning the value."""

    @contextlib.contextmanager
    def open(self, context: Any) -> Iterator[Any]:
        """Give the function as an InputManager; there is nothing to open."""
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
    """Make a function of an InitResourceContext (or of nothing) that returns an IOManager the
    resource of one.

    ``scope`` is as in ResourceDefinition.
    """

    def decorate(fn: Callable[..., Any]) -> IOManagerDefinition:
        return IOManagerDefinition(
            fn,
            config_schema,
            frozenset(required_resource_keys),
            description or inspect.getdoc(fn),
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
    """Make a function of an InputContext (or of nothing) that returns a value an input manager.

    Its config is ``context.resource_config``, its resources are in ``context.resources``.
    """

    def decorate(fn: Callable[..., Any]) -> InputManagerDefinition:
        return InputManagerDefinition(
            fn, config_schema, frozenset(required_resource_keys), description or inspect.getdoc(fn)
        )

    return decorate if fn is None else decorate(fn)

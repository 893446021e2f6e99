"""Hooks: functions to run after a step, in the same process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.errors import DefinitionError
from rayexec.names import check_name

__all__ = ["HookDefinition", "failure_hook", "hook_set", "success_hook"]


@dataclass(frozen=True, eq=False)
class HookDefinition(ByReference):
    """A hook: ``on`` is ``"success"`` or ``"failure"``; ``fn`` takes a HookContext."""

    name: str
    fn: Callable[..., Any]
    on: str
    required_resource_keys: frozenset[str] = frozenset()

    def __call__(self, context: Any) -> Any:
        """Run the hook's function, for unit tests."""
        return self.fn(context)


Decorator = Callable[[Callable[..., Any]], HookDefinition]


@overload
def success_hook(fn: Callable[..., Any], /) -> HookDefinition: ...
@overload
def success_hook(
    *, name: str | None = ..., required_resource_keys: Iterable[str] = ...
) -> Decorator: ...
def success_hook(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] = (),
) -> HookDefinition | Decorator:
    """Make a hook for steps that succeed of a function of one HookContext."""
    return _hook(fn, name, required_resource_keys, "success")


@overload
def failure_hook(fn: Callable[..., Any], /) -> HookDefinition: ...
@overload
def failure_hook(
    *, name: str | None = ..., required_resource_keys: Iterable[str] = ...
) -> Decorator: ...
def failure_hook(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] = (),
) -> HookDefinition | Decorator:
    """Make a hook for steps that finally fail of a function of one HookContext."""
    return _hook(fn, name, required_resource_keys, "failure")


def _hook(
    fn: Callable[..., Any] | None, name: str | None, keys: Iterable[str], on: str
) -> HookDefinition | Decorator:
    def decorate(fn: Callable[..., Any]) -> HookDefinition:
        label = name or getattr(fn, "__name__", "hook")
        return HookDefinition(check_name(label, "a hook", reserved=False), fn, on, frozenset(keys))

    return decorate if fn is None else decorate(fn)


def hook_set(hooks: Iterable[HookDefinition] | None, where: str) -> tuple[HookDefinition, ...]:
    """Return ``hooks`` without duplicates, by name; raises DefinitionError for other objects."""
    unique: dict[int, HookDefinition] = {}
    for hook in hooks or ():
        if not isinstance(hook, HookDefinition):
            raise DefinitionError(
                f"{where}: hooks must be made by @success_hook or @failure_hook, got "
                f"{type(hook).__name__}."
            )
        unique[id(hook)] = hook
    return tuple(sorted(unique.values(), key=lambda hook: hook.name))

"""Hooks: functions to run after a step, in the same process."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.hook_context import HookContext
from rayexec.definitions.surroundings import ephemeral_run
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import check_name

__all__ = [
    "HookDefinition",
    "HookExecutionResult",
    "HookTrigger",
    "Hooked",
    "event_list_hook",
    "failure_hook",
    "hook_set",
    "success_hook",
]


class HookTrigger(enum.Enum):
    """The ends of a step that a hook waits for."""

    #: The step succeeded.
    SUCCESS = "success"
    #: The step failed for good.
    FAILURE = "failure"
    #: The hook itself looks at the events of the attempt.
    EVENTS = "events"


class HookExecutionResult(NamedTuple):
    """Result of a hook for events: whether it did its work or let the events pass."""

    hook_name: str
    is_skipped: bool = False


class Hooked:
    """A job or a graph: hooks may decorate it."""

    def with_hooks(self, hook_defs: Iterable[HookDefinition]) -> Any:
        """Return the job or graph with ``hook_defs`` added."""
        raise NotImplementedError


class HookDefinition(ByReference):
    """A hook: a function to run after a step.

    ``hook_fn`` takes a HookContext and the events of the attempt, and returns a
    HookExecutionResult. Those of ``@success_hook`` and ``@failure_hook`` take the context only.
    Above a ``@job`` or ``@graph``, a hook is added to it.
    """

    def __init__(
        self,
        *,
        name: str,
        hook_fn: Callable[..., Any],
        required_resource_keys: Iterable[str] | None = None,
        decorated_fn: Callable[..., Any] | None = None,
        trigger: HookTrigger = HookTrigger.EVENTS,
    ) -> None:
        self.name = check_name(name, "a hook")
        if not callable(hook_fn):
            raise DefinitionError(
                f"hook {name!r}: hook_fn is a function, got {type(hook_fn).__name__}."
            )
        self.fn = hook_fn
        self.required_resource_keys = _resource_keys(required_resource_keys, f"hook {name!r}")
        self.trigger = trigger
        self._is_decorated = decorated_fn is not None

    @property
    def hook_fn(self) -> Callable[..., Any]:
        """The function of the hook."""
        return self.fn

    @property
    def decorated_fn(self) -> Callable[..., Any] | None:
        """The function below the decorator; None for a hook without one."""
        return self.fn if self._is_decorated else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add the hook to a job or graph, or call its function in a unit test.

        The function gets the HookContext as the first argument or under its own name, and a hook
        for events also gets their list. A context of None stands for an empty one. Raises
        InvocationError for other arguments.
        """
        if args and isinstance(args[0], Hooked):
            return args[0].with_hooks({self})
        if not self._is_decorated:
            raise InvocationError(
                f"hook {self.name!r} has no decorator, so it can't be called: call its hook_fn."
            )
        context, *events = self._arguments(args, kwargs)
        if context is None:
            context = HookContext(run=ephemeral_run(), step_key="ephemeral", op=None)
        elif not isinstance(context, HookContext):
            raise InvocationError(
                f"hook {self.name!r} decorates a job or a graph, or takes the context of "
                f"build_hook_context(); it got {type(context).__name__}. For one op, call "
                f"op.with_hooks({{{self.name}}}) in the body of a graph."
            )
        missing = sorted(self.required_resource_keys - context.resources._asdict().keys())
        if missing:
            raise DefinitionError(
                f"hook {self.name!r} requires resources that the context lacks: "
                f"{', '.join(missing)}. Give them to build_hook_context(resources={{…}})."
            )
        return self.fn(context.for_hook(self), *events)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return the context and any list of events of a call."""
        expected = _parameters(self.fn)[: 2 if self.trigger is HookTrigger.EVENTS else 1]
        values = {**dict(zip(expected, args, strict=False)), **kwargs}
        if len(args) + len(kwargs) != len(expected) or set(values) != set(expected):
            raise InvocationError(
                f"hook {self.name!r} takes {' and '.join(expected)}; it got {len(args)} "
                f"positional arguments and the keywords {', '.join(kwargs) or 'none'}."
            )
        return [values[name] for name in expected]


def _resource_keys(keys: Iterable[str] | None, where: str) -> frozenset[str]:
    listed = [keys] if isinstance(keys, str) else list(keys or ())
    if isinstance(keys, str) or not all(isinstance(key, str) for key in listed):
        raise DefinitionError(f"{where}: required_resource_keys is a set of strings, got {keys!r}.")
    return frozenset(listed)


def _parameters(fn: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(fn).parameters)


def _check_parameters(fn: Callable[..., Any], expected: Sequence[str]) -> None:
    """Raise DefinitionError unless the first parameters have the names of a hook's."""
    parameters = _parameters(fn)
    for position, name in enumerate(expected):
        given = parameters[position] if position < len(parameters) else None
        if given not in (name, f"_{name}", f"{name}_", "_"):
            got = "it has none" if given is None else f"it is {given!r}"
            raise DefinitionError(
                f"hook {getattr(fn, '__name__', 'function')!r}: parameter {position + 1} must be "
                f"named {name!r} (or _{name}, or _), {got}. Write def …({', '.join(expected)})."
            )


Decorator = Callable[[Callable[..., Any]], HookDefinition]


@overload
def success_hook(fn: Callable[..., Any], /) -> HookDefinition: ...
@overload
def success_hook(
    *, name: str | None = ..., required_resource_keys: Iterable[str] | None = ...
) -> Decorator: ...
def success_hook(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> HookDefinition | Decorator:
    """Make a hook for steps that succeed, of a function of one HookContext."""
    return _hook(fn, name, required_resource_keys, HookTrigger.SUCCESS)


@overload
def failure_hook(name: Callable[..., Any], /) -> HookDefinition: ...
@overload
def failure_hook(
    name: str | None = ..., required_resource_keys: Iterable[str] | None = ...
) -> Decorator: ...
def failure_hook(
    name: Callable[..., Any] | str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> HookDefinition | Decorator:
    """Make a hook for steps that finally fail, of a function of one HookContext."""
    fn, label = (name, None) if callable(name) else (None, name)
    return _hook(fn, label, required_resource_keys, HookTrigger.FAILURE)


@overload
def event_list_hook(hook_fn: Callable[..., Any], /) -> HookDefinition: ...
@overload
def event_list_hook(
    *, name: str | None = ..., required_resource_keys: Iterable[str] | None = ...
) -> Decorator: ...
def event_list_hook(
    hook_fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> HookDefinition | Decorator:
    """Make a hook for every attempt, of a function of a HookContext and a list of Events.

    It runs after an attempt that will be tried again too. It returns a HookExecutionResult.
    """
    return _hook(hook_fn, name, required_resource_keys, HookTrigger.EVENTS)


def _hook(
    fn: Callable[..., Any] | None,
    name: str | None,
    keys: Iterable[str] | None,
    trigger: HookTrigger,
) -> HookDefinition | Decorator:
    def decorate(fn: Callable[..., Any]) -> HookDefinition:
        if not callable(fn):
            raise DefinitionError(f"a hook decorates a function, got {type(fn).__name__}.")
        label = name or str(getattr(fn, "__name__", "hook"))
        expected = ["context", "event_list"] if trigger is HookTrigger.EVENTS else ["context"]
        _check_parameters(fn, expected)
        return HookDefinition(
            name=label,
            hook_fn=fn,
            required_resource_keys=keys,
            decorated_fn=fn,
            trigger=trigger,
        )

    return decorate if fn is None else decorate(fn)


def hook_set(hooks: Iterable[HookDefinition] | None, where: str) -> tuple[HookDefinition, ...]:
    """Return ``hooks`` without duplicates, by name; raises DefinitionError for other objects."""
    if isinstance(hooks, HookDefinition):
        raise DefinitionError(f"{where}: hooks are a set, such as {{{hooks.name}}}, got one hook.")
    unique: dict[int, HookDefinition] = {}
    for hook in hooks or ():
        if not isinstance(hook, HookDefinition):
            raise DefinitionError(
                f"{where}: hooks must be made by @success_hook or @failure_hook, got "
                f"{type(hook).__name__}."
            )
        unique[id(hook)] = hook
    return tuple(sorted(unique.values(), key=lambda hook: hook.name))

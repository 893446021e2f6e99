"""Direct calls of resources, hooks and loggers."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.logger import InitLoggerContext, LoggerDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.direct.contexts import (
    DirectHookContext,
    DirectInitResourceContext,
    build_hook_context,
    build_init_resource_context,
)
from rayexec.direct.direct_config import direct_config
from rayexec.errors import DefinitionError, InvocationError

__all__ = ["call_hook", "call_logger", "call_resource"]


def call_resource(
    resource: ResourceDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Return what the function of a resource returns; for one that yields, a context manager.

    The one argument is a context of ``build_init_resource_context``, or None. Raises
    InvocationError without a needed context, and ConfigError for wrong config.
    """
    parameters = list(inspect.signature(resource.fn).parameters)
    takes_context = bool(parameters)
    what = f"resource {getattr(resource.fn, '__name__', 'function')!r}"
    given = _only_argument(what, parameters[0] if takes_context else None, args, kwargs)
    if given is not None and not isinstance(given, DirectInitResourceContext):
        raise InvocationError(
            f"{what} takes a context of build_init_resource_context(), or None, got "
            f"{type(given).__name__}."
        )
    keys = resource.required_resource_keys
    if takes_context and keys and given is None:
        raise InvocationError(
            f"{what} requires resources ({', '.join(sorted(keys))}): call it with "
            f"build_init_resource_context(resources={{…}})."
        )
    context = build_init_resource_context() if given is None else given
    bound = context.bound_to(resource, direct_config(resource, context.resource_config, what))
    returned = resource.fn(bound) if takes_context else resource.fn()
    return _as_context_manager(returned, what) if inspect.isgenerator(returned) else returned


@contextlib.contextmanager
def _as_context_manager(generator: Iterator[Any], what: str) -> Iterator[Any]:
    for value in generator:
        yield value
        break
    else:
        raise DefinitionError(f"{what} is a generator, and must yield its object once.")
    for _ in generator:
        raise DefinitionError(f"{what} is a generator, and must yield its object once.")


def call_hook(hook: HookDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run the function of a hook with a context of ``build_hook_context``, or with None.

    Raises InvocationError for other arguments, and DefinitionError for a resource that is missing.
    """
    what = f"hook {hook.name!r}"
    parameters = list(inspect.signature(hook.fn).parameters)
    name = parameters[0] if parameters else "context"
    if not args and name not in kwargs:
        raise InvocationError(f"{what} takes a context: call it with build_hook_context().")
    given, *others = args or (kwargs[name],)
    if args and name in kwargs:
        raise InvocationError(f"{what} got its context twice.")
    if given is not None and not isinstance(given, DirectHookContext):
        raise InvocationError(
            f"{what} takes a context of build_hook_context() or None, got {type(given).__name__}."
        )
    context = build_hook_context() if given is None else given
    more = {key: value for key, value in kwargs.items() if key != name}
    if len(others) + len(more) != len(parameters[1:]):
        raise InvocationError(
            f"{what} takes {len(parameters)} arguments, got {1 + len(others) + len(more)}."
        )
    return hook.fn(context.bound_to(hook), *others, **more)


def call_logger(logger: LoggerDefinition, context: InitLoggerContext) -> Any:
    """Run the function of a logger with its config checked; raises ConfigError for wrong config."""
    config = direct_config(logger, context.logger_config, "logger")
    return logger.fn(
        InitLoggerContext(config, logger, context.job_def, context.run_id)
    )


def _only_argument(
    what: str, name: str | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    if len(args) + len(kwargs) > 1:
        raise InvocationError(f"{what} takes one argument, a context, or none.")
    if args:
        return args[0]
    for key, value in kwargs.items():
        if key not in (name, "init_context"):
            raise InvocationError(f"{what} takes no argument {key!r}.")
        return value
    if name is not None:
        raise InvocationError(
            f"{what} takes a context: call it with build_init_resource_context(), or with None."
        )
    return None

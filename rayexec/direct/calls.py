"""Direct calls of resources and loggers."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from rayexec.definitions.loggers.logger import InitLoggerContext, LoggerDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.schema import is_required
from rayexec.direct.built_contexts import (
    DirectInitResourceContext,
    build_init_logger_context,
    build_init_resource_context,
)
from rayexec.direct.direct_config import direct_config
from rayexec.errors import DefinitionError, InvocationError

__all__ = ["call_logger", "call_resource"]


def call_resource(
    resource: ResourceDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Return what the function of a resource returns; for one that yields, a context manager.

    The one argument is a context of ``build_init_resource_context``, or None. Raises
    InvocationError without a needed context, and ConfigError for wrong config.
    """
    what = f"resource {getattr(resource.fn, '__name__', 'function')!r}"
    parameters = list(inspect.signature(resource.fn).parameters)
    takes_context = bool(parameters)
    if not takes_context and (args or kwargs):
        raise InvocationError(f"{what} takes no arguments.")
    given = _context_among(what, parameters[0], args, kwargs) if takes_context else None
    if given is None:
        _check_needs_no_context(resource, what, takes_context)
    elif not isinstance(given, DirectInitResourceContext):
        raise InvocationError(
            f"{what} takes a context of build_init_resource_context(), or None, got "
            f"{type(given).__name__}."
        )
    context = build_init_resource_context() if given is None else given
    config = direct_config(resource, context.given_config, what)
    returned = resource.fn(context.bound_to(resource, config)) if takes_context else resource.fn()
    return _as_context_manager(returned, what) if inspect.isgenerator(returned) else returned


def _check_needs_no_context(resource: ResourceDefinition, what: str, takes_context: bool) -> None:
    keys = sorted(resource.required_resource_keys)
    if takes_context and keys:
        raise InvocationError(
            f"{what} requires resources ({', '.join(keys)}): call it with "
            f"build_init_resource_context(resources={{…}})."
        )
    schema = resource.config_schema
    if resource.preset_config is NO_DEFAULT and schema is not None and is_required(schema):
        raise InvocationError(
            f"{what} needs config: call it with build_init_resource_context(config=…)."
        )


def _context_among(what: str, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the one argument of a call, whose parameter is ``name``."""
    if len(args) + len(kwargs) != 1:
        raise InvocationError(
            f"{what} takes one argument, its context or None; it got {len(args) + len(kwargs)}."
        )
    if kwargs and name not in kwargs:
        raise InvocationError(f"{what} takes its context as {name!r}, got {next(iter(kwargs))!r}.")
    return args[0] if args else kwargs[name]


@contextlib.contextmanager
def _as_context_manager(generator: Iterator[Any], what: str) -> Iterator[Any]:
    for value in generator:
        yield value
        break
    else:
        raise DefinitionError(f"{what} is a generator, and must yield its object once.")
    for _ in generator:
        raise DefinitionError(f"{what} is a generator, and must yield its object once.")


def call_logger(
    logger: LoggerDefinition, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> logging.Logger:
    """Return the logger of a definition, with its config checked.

    The one argument is a context of ``build_init_logger_context``, or None. Raises InvocationError
    for other arguments, and ConfigError for wrong config.
    """
    name = next(iter(inspect.signature(logger.logger_fn).parameters), "context")
    given = _context_among("logger", name, args, kwargs)
    context = build_init_logger_context() if given is None else given
    if not isinstance(context, InitLoggerContext):
        raise InvocationError(
            f"logger takes a context of build_init_logger_context(), or None, got "
            f"{type(context).__name__}."
        )
    config = direct_config(logger, context.logger_config, "logger")
    return logger.logger_fn(InitLoggerContext(config, logger, context.job_def, context.run_id))

"""Loggers of a job: further destinations of log lines, besides the run's own log."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.direct_calls import direct_calls
from rayexec.definitions.ports import NO_DEFAULT

__all__ = ["InitLoggerContext", "LoggerDefinition", "logger"]


@dataclass(frozen=True, slots=True)
class InitLoggerContext:
    """Argument of a logger's function: its config, and the run."""

    logger_config: Any = None
    logger_def: LoggerDefinition | None = None
    job_def: Any = None
    run_id: str | None = None


@dataclass(frozen=True, eq=False)
class LoggerDefinition(ByReference):
    """A function of an InitLoggerContext that returns a ``logging.Logger``.

    A run with its name under ``loggers`` in run config calls it once, in the driver, and passes the
    log lines of all ops to it.
    """

    fn: Callable[[InitLoggerContext], logging.Logger]
    config_schema: Any = None
    description: str | None = None
    preset_config: Any = NO_DEFAULT

    def __call__(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Return the logger for a context of ``build_init_logger_context``, in a unit test."""
        made: logging.Logger = direct_calls().call_logger(self, args, kwargs)
        return made

    def configured(self, config: Any) -> LoggerDefinition:
        """Return a copy with its config fixed to ``config``, or made by it if a ConfigMapping."""
        return replace(self, preset_config=config)


LoggerFunction = Callable[[InitLoggerContext], logging.Logger]


@overload
def logger(fn: LoggerFunction, /) -> LoggerDefinition: ...
@overload
def logger(
    config_schema: Any = ..., description: str | None = ...
) -> Callable[[LoggerFunction], LoggerDefinition]: ...
def logger(
    config_schema: Any = None, description: str | None = None
) -> LoggerDefinition | Callable[[LoggerFunction], LoggerDefinition]:
    """Make a logger for ``@job(logger_defs={…})`` of a function of an InitLoggerContext."""
    # As in Dagster the schema may come without its keyword, so only its type tells the decorated
    # function from a schema.
    if inspect.isfunction(config_schema):
        return LoggerDefinition(config_schema, None, description or inspect.getdoc(config_schema))

    def decorate(fn: LoggerFunction) -> LoggerDefinition:
        return LoggerDefinition(fn, config_schema, description or inspect.getdoc(fn))

    return decorate

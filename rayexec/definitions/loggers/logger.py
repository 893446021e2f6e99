"""Loggers of a job: further destinations of log lines, besides the run's own log."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.config_parameter import checked_schema
from rayexec.definitions.mapping import preset_of
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.direct_calls import direct_calls
from rayexec.errors import DefinitionError

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

    logger_fn: Callable[[InitLoggerContext], logging.Logger]
    config_schema: Any = None
    description: str | None = None
    preset_config: Any = NO_DEFAULT

    def __post_init__(self) -> None:
        name = getattr(self.logger_fn, "__name__", type(self.logger_fn).__name__)
        if not callable(self.logger_fn):
            raise DefinitionError(f"A logger is made of a function, got {name}.")
        checked_schema(self.config_schema, f"logger {name!r}")

    def __call__(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Return the logger for a context of ``build_init_logger_context``, in a unit test."""
        made: logging.Logger = direct_calls().call_logger(self, args, kwargs)
        return made

    def configured(
        self,
        config_or_config_fn: Any,
        config_schema: Any = None,
        description: str | None = None,
    ) -> LoggerDefinition:
        """Return a copy whose config is fixed, or made by a function.

        ``config_schema`` is the schema of the function's own config.
        """
        where = "configured() of a logger"
        preset = preset_of(self.preset_config, config_or_config_fn, config_schema, where)
        return replace(self, preset_config=preset, description=description or self.description)


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

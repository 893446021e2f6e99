"""Loggers that write to the terminal: in colours, or as JSON."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from rayexec.definitions.log_levels import log_level
from rayexec.definitions.loggers.logger import InitLoggerContext, LoggerDefinition, logger
from rayexec.definitions.schemas.declarations import Field

__all__ = [
    "JsonLogFormatter",
    "colored_console_logger",
    "default_loggers",
    "default_system_loggers",
    "json_console_logger",
]

_CONFIG = {
    "log_level": Field(str, "INFO", description="The lowest level that is shown."),
    "name": Field(str, "dagster", description="The name of the logger."),
}
_COLOURS = {"DEBUG": 32, "WARNING": 33, "ERROR": 31, "CRITICAL": 31}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:  # Python 3.10 has no subscript of it
    _StreamHandler = logging.StreamHandler


class _StandardError(_StreamHandler):
    """Writes to the standard error of the moment, which tests replace."""

    def __init__(self, formatter: logging.Formatter) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _ColouredFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s - %(name)s - %(levelname)s - %(message)s", "%Y-%m-%d %H:%M:%S %z"
        )

    def format(self, record: logging.LogRecord) -> str:
        # A line of an op must not move the cursor of a terminal.
        text = _CONTROL.sub(lambda match: repr(match.group())[1:-1], super().format(record))
        colour = _COLOURS.get(record.levelname)
        if colour is None or not sys.stderr.isatty():
            return text
        return f"\x1b[{colour}m{text}\x1b[0m"


class JsonLogFormatter(logging.Formatter):
    """Formats a line as one JSON object, with all that ``logging`` knows of it."""

    def format(self, record: logging.LogRecord) -> str:
        shown = {name: value for name, value in vars(record).items() if name != "dagster_event"}
        return json.dumps(shown, default=str)


def _made(context: InitLoggerContext, formatter: logging.Formatter) -> logging.Logger:
    config = context.logger_config
    made = logging.getLoggerClass()(config["name"], level=log_level(config["log_level"]))
    made.addHandler(_StandardError(formatter))
    return made


@logger(_CONFIG, description="Writes log lines to the terminal, in colours.")
def colored_console_logger(context: InitLoggerContext) -> logging.Logger:
    """Write lines to standard error, in colours if that is a terminal."""
    return _made(context, _ColouredFormatter())


@logger(_CONFIG, description="Writes log lines to the terminal, as JSON.")
def json_console_logger(context: InitLoggerContext) -> logging.Logger:
    """Write each line to standard error as one JSON object."""
    return _made(context, JsonLogFormatter())


def default_loggers() -> Mapping[str, LoggerDefinition]:
    """Return the loggers that run config can name where a job has none of its own."""
    return {"console": colored_console_logger}


def default_system_loggers(
    instance: object = None,
) -> list[tuple[LoggerDefinition, dict[str, str]]]:
    """Return the logger that shows all lines on the terminal, and its config, as a list of pairs.

    ``instance`` has no effect: instances here have no settings of loggers.
    """
    return [(colored_console_logger, {"name": "dagster", "log_level": "DEBUG"})]

"""Levels of log lines, by number or name."""

from __future__ import annotations

import logging

from rayexec.errors import InvariantError

__all__ = ["LOG_LEVELS", "log_level"]

#: The levels of ``logging`` by name, with its other names.
LOG_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
    "FATAL": logging.CRITICAL,
}


def log_level(level: int | str) -> int:
    """Return the number of a level; raises InvariantError for an unknown name."""
    if isinstance(level, int):
        return level
    if level.upper() in LOG_LEVELS:
        return LOG_LEVELS[level.upper()]
    added = logging.getLevelName(level.upper())  # a level of the user's own
    if isinstance(added, int):
        return added
    raise InvariantError(f"{level!r} is no log level; there are {', '.join(LOG_LEVELS)}.")

"""Python loggers of job files whose lines go into the run's log, as those of ``context.log`` do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rayexec.definitions.surroundings import StepLog

__all__ = ["RUNNING", "RunningStep", "get_dagster_logger"]

_BASE = logging.getLogger("dagster")


class RunningStep:
    """Log and context of the step that this process runs, None between steps.

    A step may run jobs of its own, so whoever sets one of them puts back the one before it. The
    context is a function that makes it: few steps look at it.
    """

    __slots__ = ("context", "log")

    def __init__(self) -> None:
        self.log: StepLog | None = None
        self.context: Callable[[], Any] | None = None


#: One for the process: threads that a step starts log into the step too.
RUNNING = RunningStep()


class _IntoStep(logging.Handler):
    """Passes the records of a logger to the log of the running step."""

    def emit(self, record: logging.LogRecord) -> None:
        log = RUNNING.log
        if log is not None:
            error = record.exc_info[1] if record.exc_info else None
            log.log(record.levelno, record.getMessage(), exc_info=error)


def get_dagster_logger(name: str | None = None) -> logging.Logger:
    """Return a logger whose lines go into the log of the running step, from any thread of it.

    It is called ``dagster.builtin``, or ``dagster.builtin.NAME``, and its level is DEBUG. Outside
    of steps it is an ordinary logger.
    """
    logger = _BASE.getChild("builtin")
    return logger.getChild(name) if name else logger


# A logger has a pickle, its name alone: it must lead to this handler in a process too that never
# calls the function above.
_BASE.setLevel(logging.DEBUG)
get_dagster_logger().addHandler(_IntoStep())

"""Where the lines go that ops log: to the loggers that the run config names, else to the logger
``rayexec``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timezone

from rayexec.events import Attempt, LiveLines, LogLine
from rayexec.run.spec import RunSpec

__all__ = ["RunLoggers"]

_console = logging.getLogger("rayexec")


class RunLoggers:
    """The loggers of one run; ``warn`` is told where one of them fails, which fails neither the run
    nor the others.
    """

    def __init__(self, spec: RunSpec, warn: Callable[[str], None]) -> None:
        self._spec = spec
        self._warn = warn
        self._console_level: int = getattr(logging, spec.config.log_level)
        self._loggers: dict[str, logging.Logger] = {}
        self._failed: set[str] = set()

    def make(self) -> None:
        """Call the functions of the users' loggers."""
        for name, context in self._spec.loggers.items():
            assert context.logger_def is not None
            try:
                found = context.logger_def(context)
                if not isinstance(found, logging.Logger):
                    raise TypeError(
                        f"its function must return a logging.Logger, and returned a "
                        f"{type(found).__name__}"
                    )
                self._loggers[name] = found
            except Exception as error:
                self._warn(
                    f"logger {name!r} cannot be made, so it gets no lines: "
                    f"{type(error).__name__}: {error}"
                )

    def pass_on(self, attempt: Attempt | LiveLines) -> None:
        """Hand the lines of an attempt, or those that it has logged so far, to each logger."""
        if not attempt.logs:
            return
        info = self._spec.info
        key = self._spec.plan.steps[attempt.step].key
        for line in attempt.logs:
            if self._spec.config.has_console and line.level >= self._console_level:
                _console.log(
                    line.level, "%s - %s - %s - %s", info.job_name, info.run_id, key, line.message
                )
            for name, logger in self._loggers.items():
                try:
                    if logger.isEnabledFor(line.level):
                        logger.handle(self._record(logger, attempt.step, key, line))
                except Exception as error:
                    if name not in self._failed:
                        self._failed.add(name)
                        self._warn(
                            f"logger {name!r} failed on a line: {type(error).__name__}: {error}"
                        )

    def _record(
        self, logger: logging.Logger, step: int, key: str, line: LogLine
    ) -> logging.LogRecord:
        """Return a line as ``logging`` has it, at the time when the op logged it, with what Dagster
        adds to it.
        """
        info = self._spec.info
        meta = {
            "run_id": info.run_id,
            "job_name": info.job_name,
            "job_tags": dict(info.tags),
            "step_key": key,
            "op_name": self._spec.plan.op_of(step).name,
            "orig_message": line.message,
            "log_timestamp": datetime.fromtimestamp(line.time, timezone.utc)
            .replace(tzinfo=None)
            .isoformat(),
            "dagster_event": None,
        }
        words = f"{info.job_name} - {info.run_id} - {key} - {line.message}"
        record = logger.makeRecord(
            logger.name, line.level, key, 0, words, (), None, extra={"dagster_meta": meta}
        )
        record.created, record.msecs = line.time, line.time % 1 * 1000
        return record

"""Loggers of a run: those of the run config, else the logger ``rayexec``."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone

from rayexec.events import Attempt, LiveLines, LogLine
from rayexec.run.spec import RunSpec

__all__ = ["RunLoggers"]

_console = logging.getLogger("rayexec")


class RunLoggers:
    """Loggers of one run; the failure of one is a warning, and harms no other.

    The methods yield the warnings. A function for them would make a circle of this object and its
    owner, which would keep the job after the run.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._console_level: int = getattr(logging, spec.config.log_level)
        self._loggers: dict[str, logging.Logger] = {}
        self._failed: set[str] = set()

    def make(self) -> Iterator[str]:
        """Make the loggers by the functions of their definitions; yield warnings."""
        for name, context in self._spec.loggers.items():
            assert context.logger_def is not None
            try:
                logger = context.logger_def.logger_fn(context)
                if not isinstance(logger, logging.Logger):
                    raise TypeError(
                        f"its function must return a logging.Logger, and returned a "
                        f"{type(logger).__name__}"
                    )
                self._loggers[name] = logger
            except Exception as error:
                yield (
                    f"logger {name!r} cannot be made, so it gets no lines: "
                    f"{type(error).__name__}: {error}"
                )

    def pass_on(self, attempt: Attempt | LiveLines) -> Iterator[str]:
        """Pass logged lines to each logger; yield warnings."""
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
                        yield f"logger {name!r} failed on a line: {type(error).__name__}: {error}"

    def _record(
        self, logger: logging.Logger, step: int, key: str, line: LogLine
    ) -> logging.LogRecord:
        """Return a line as a record of ``logging``, at its own time, with Dagster's fields."""
        info = self._spec.info
        meta = {
            "run_id": info.run_id,
            "job_name": info.job_name,
            "job_tags": dict(info.tags),
            "step_key": key,
            "op_name": self._spec.plan.op_of(step).name,
            "resource_name": None,
            "resource_fn_name": None,
            "orig_message": line.message,
            "log_message_id": str(uuid.uuid4()),
            "log_timestamp": datetime.fromtimestamp(line.time, timezone.utc)
            .replace(tzinfo=None)
            .isoformat(),
            "dagster_event": None,
            "dagster_event_batch_metadata": None,
        }
        message = f"{info.job_name} - {info.run_id} - {key} - {line.message}"
        record = logger.makeRecord(
            logger.name, line.level, key, 0, message, (), None, extra={"dagster_meta": meta}
        )
        record.created, record.msecs = line.time, line.time % 1 * 1000
        return record

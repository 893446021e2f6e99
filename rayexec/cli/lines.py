"""A run as plain lines, one an event, on standard error."""

from __future__ import annotations

import logging
import sys
import time

from rayexec.cli.watch import CANCELING, Watch
from rayexec.events import Attempt, Event, EventType, ResourceRecord
from rayexec.execute import Record
from rayexec.run.spec import RunSpec

__all__ = ["EventLines", "event_line", "is_shown", "level_of"]

_FAILURES = frozenset(
    {
        EventType.RUN_FAILURE,
        EventType.STEP_FAILURE,
        EventType.HOOK_ERRORED,
        EventType.RESOURCE_INIT_FAILURE,
    }
)


def level_of(event: Event) -> int:
    """Return the level at which an event is shown: a log message's own, ERROR for failures, else DEBUG."""
    if event.event_type is EventType.LOG_MESSAGE:
        level: int = event.event_specific_data["level"]
        return level
    return logging.ERROR if event.event_type in _FAILURES else logging.DEBUG


def is_shown(event: Event, spec: RunSpec) -> bool:
    """Whether the run config has the console show an event: its level, and whether lines of ops go there at all."""
    if event.event_type is EventType.LOG_MESSAGE and event.step_key is not None and not spec.config.has_console:
        return False
    least: int = logging.getLevelName(spec.config.log_level)
    return level_of(event) >= least


def event_line(event: Event, job: str, run_id: str) -> str:
    """Return an event as one line, whatever its message holds."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(event.timestamp))
    kind = event.event_type_value
    if event.event_type is EventType.LOG_MESSAGE:
        kind = logging.getLevelName(level_of(event))
    message = "\\n".join(event.message.splitlines())
    return " - ".join(filter(None, (moment, job, run_id[:8], event.step_key, kind, message)))


class EventLines(Watch):
    """Writes a line for each event to standard error, and passes on what ops print to the streams they meant."""

    def recorded(self, record: Record) -> None:
        """Write the lines of one record at once."""
        spec, log = self.spec, self.log
        if spec is None or log is None:
            return
        sys.stdout.flush()  # what an op of this process printed stands before the lines on it
        if isinstance(record, Attempt | ResourceRecord) and (record.stdout or record.stderr):
            sys.stderr.write(record.stderr)
            sys.stdout.write(record.stdout)
            sys.stdout.flush()
        info = spec.info
        lines = [
            f"{event_line(event, info.job_name, info.run_id)}\n"
            for event in log.expand(record)
            if is_shown(event, spec)
        ]
        if isinstance(record, Event) and record.event_type is EventType.RUN_CANCELING:
            lines.append(f"{CANCELING}\n")
        sys.stderr.write("".join(lines))
        sys.stderr.flush()

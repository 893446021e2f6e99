"""Events of a run as plain lines on standard error."""

from __future__ import annotations

import logging
import sys
import time

from rayexec.cli.printable import printable_line
from rayexec.cli.render.watch import Watch, canceling_line
from rayexec.cli.signals import EndingSignals
from rayexec.events import (
    Attempt,
    DeliveredLines,
    Event,
    EventType,
    LiveLines,
    ResourceRecord,
    is_live_output,
    prefixed,
    with_note,
)
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
    """Return the level of an event: a log message has its own, a failure ERROR, others DEBUG."""
    if event.event_type is EventType.LOG_MESSAGE:
        level: int = event.event_specific_data["level"]
        return level
    return logging.ERROR if event.event_type in _FAILURES else logging.DEBUG


def is_shown(event: Event, spec: RunSpec) -> bool:
    """Whether the run config lets the console show an event."""
    if (
        event.event_type is EventType.LOG_MESSAGE
        and event.step_key is not None
        and not spec.config.has_console
    ):
        return False
    lowest: int = logging.getLevelName(spec.config.log_level)
    return level_of(event) >= lowest


def event_line(event: Event, job: str, run_id: str) -> str:
    """Return an event as one line; control characters are escaped."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(event.timestamp))
    kind = event.event_type.name
    if event.event_type is EventType.LOG_MESSAGE:
        kind = logging.getLevelName(level_of(event))
    message = "\\n".join(event.message.splitlines())
    line = " - ".join(filter(None, (moment, job, run_id[:8], event.step_key, kind, message)))
    return printable_line(line)


class EventLines(Watch):
    """Writes a line for each event to standard error, and the output of ops to their streams.

    Steps that print while they run do so at the same time, so their lines begin with their keys.
    """

    def __init__(self, signals: EndingSignals) -> None:
        super().__init__(signals)
        self._delivered = DeliveredLines()

    def lines_received(self, lines: LiveLines) -> None:
        """Write lines that a running step logged and printed."""
        if self.spec is None:
            return
        self._delivered.add(lines)
        key = self.spec.plan.steps[lines.step].key
        self._write(
            lines, prefixed(with_note(lines.stdout), key), prefixed(with_note(lines.stderr), key)
        )

    def recorded(self, record: Record) -> None:
        """Write the lines of one record at once."""
        stdout = stderr = ""
        if isinstance(record, Attempt):
            rest = self._delivered.remainder_of(record)
            stdout, stderr = rest.stdout, rest.stderr
            if rest is not record and self.spec is not None:
                key = self.spec.plan.steps[record.step].key
                stdout, stderr = prefixed(stdout, key), prefixed(stderr, key)
            record = record._replace(logs=rest.logs)
        elif isinstance(record, ResourceRecord):
            stdout, stderr = record.stdout, record.stderr
        self._write(record, stdout, stderr)

    def _write(self, record: Record | LiveLines, stdout: str, stderr: str) -> None:
        spec, log = self.spec, self.log
        if spec is None or log is None:
            return
        sys.stdout.flush()  # an op's output comes before the lines about it
        if stdout or stderr:
            sys.stderr.write(stderr)
            sys.stdout.write(stdout)
            sys.stdout.flush()
        info = spec.info
        lines = [
            f"{event_line(event, info.job_name, info.run_id)}\n"
            for event in log.expand(record)
            if is_shown(event, spec) and not is_live_output(event)  # its text is written above
        ]
        if isinstance(record, Event) and record.event_type is EventType.RUN_CANCELING:
            lines.append(f"{canceling_line(record)}\n")
        sys.stderr.write("".join(lines))
        sys.stderr.flush()

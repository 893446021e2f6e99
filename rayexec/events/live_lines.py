"""Lines of steps that still run, and the remainder of them at the end of the attempt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rayexec.events.attempt import Attempt, LogLine
from rayexec.events.event import Event
from rayexec.events.event_type import EventType

__all__ = [
    "DeliveredLines",
    "LiveLines",
    "StreamPart",
    "expand_live",
    "is_live_output",
    "prefixed",
    "with_note",
]


class StreamPart(NamedTuple):
    """Whole lines of one stream of an attempt."""

    text: str = ""
    #: Position of the first character in the stream, at most the length that an attempt stores.
    start: int = 0
    #: Position behind the last character, at most that length too.
    end: int = 0
    #: Characters before the text that were left out.
    left_out: int = 0


class LiveLines(NamedTuple):
    """New lines of a running attempt; the attempt's own row will repeat them."""

    step: int
    attempt_number: int
    pid: int
    #: Seconds since 1970.
    time: float
    logs: tuple[LogLine, ...] = ()
    #: Position of the first of ``logs`` among all that the attempt logs.
    first: int = 0
    stdout: StreamPart = StreamPart()
    stderr: StreamPart = StreamPart()


class _Delivery:
    """Delivery of one sequence: its end so far, and the gaps before it."""

    __slots__ = ("end", "gaps")

    def __init__(self) -> None:
        self.end = 0
        self.gaps: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        if start > self.end:
            self.gaps.append((self.end, start))
        self.end = max(self.end, end)

    def rest(self, text: str) -> str:
        return "".join([*(text[start:end] for start, end in self.gaps), text[self.end :]])

    def rest_of_lines(self, lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
        if len(lines) < self.end:  # The worker died, and left no other lines than these.
            return ()
        return (
            tuple([line for start, end in self.gaps for line in lines[start:end]])
            + lines[self.end :]
        )


class _DeliveredAttempt(NamedTuple):
    attempt_number: int
    pid: int
    logs: _Delivery
    stdout: _Delivery
    stderr: _Delivery


class DeliveredLines:
    """Lines delivered before the ends of their attempts; nobody gets them a second time."""

    def __init__(self) -> None:
        self._attempts: dict[int, _DeliveredAttempt] = {}  # the latest of each step

    def add(self, live: LiveLines) -> None:
        """Note that ``live`` was delivered."""
        delivered = self._attempts.get(live.step)
        if (
            delivered is None
            or delivered.attempt_number != live.attempt_number
            or delivered.pid != live.pid
        ):
            delivered = _DeliveredAttempt(
                live.attempt_number, live.pid, _Delivery(), _Delivery(), _Delivery()
            )
            self._attempts[live.step] = delivered
        delivered.logs.add(live.first, live.first + len(live.logs))
        delivered.stdout.add(live.stdout.start, live.stdout.end)
        delivered.stderr.add(live.stderr.start, live.stderr.end)

    def remainder_of(self, attempt: Attempt) -> Attempt:
        """Return an attempt without its delivered lines; the same object where there are none."""
        if not self._attempts:
            return attempt
        delivered = self._attempts.pop(attempt.step, None)
        # The attempt of a dead worker has no process. Lines of another process are of a call that
        # left no attempt.
        if (
            delivered is None
            or delivered.attempt_number != attempt.attempt_number
            or attempt.pid not in (0, delivered.pid)
        ):
            return attempt
        return attempt._replace(
            logs=delivered.logs.rest_of_lines(attempt.logs),
            stdout=delivered.stdout.rest(attempt.stdout),
            stderr=delivered.stderr.rest(attempt.stderr),
        )


def expand_live(live: LiveLines, key: str, job_name: str = "") -> Iterator[Event]:
    """Yield the events of new lines; ``key`` is the key of their step."""
    for line in live.logs:
        level = {"level": line.level}
        yield Event(EventType.LOG_MESSAGE, line.message, line.time, key, level, job_name, live.pid)
    streams = {"stdout": live.stdout, "stderr": live.stderr}
    if not any(each.text for each in streams.values()):
        return
    captured = {name: with_note(each) for name, each in streams.items()}
    message = f'Captured the output of step "{key}" while it runs.'
    data = captured | {"is_live": True}
    yield Event(EventType.LOGS_CAPTURED, message, live.time, key, data, job_name, live.pid)


def is_live_output(event: Event) -> bool:
    """Whether an event has output of a running step."""
    return event.event_type is EventType.LOGS_CAPTURED and "is_live" in event.event_specific_data


def with_note(part: StreamPart) -> str:
    """Return the text of a part, below a note on the characters left out before it."""
    if not part.left_out:
        return part.text
    return f"rayexec: {part.left_out:,} characters are left out here\n{part.text}"


def prefixed(text: str, key: str) -> str:
    """Return text with a step's key before each line."""
    # Only at newlines: a progress bar writes its line again after a carriage return.
    *lines, last = text.split("\n")
    return "".join(f"{key} | {line}\n" for line in lines) + (f"{key} | {last}" if last else "")

"""What a step logs and prints while it still runs, and what is left to say of that once its attempt
is over.
"""

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
    """Whole lines of one stream, and their place among all that the attempt will have: characters
    ``start`` to ``end``.

    Beyond what an attempt keeps of a stream, ``start`` and ``end`` are where it stops. ``left_out``
    is how many characters before the first line were not told.
    """

    text: str = ""
    start: int = 0
    end: int = 0
    left_out: int = 0


class LiveLines(NamedTuple):
    """What an attempt that goes on has logged and printed since it was last told; ``time`` is
    seconds since 1970.

    ``logs`` are its lines from number ``first`` on. All of it comes again with the attempt, so it
    stands for it only as long as there is none.
    """

    step: int
    attempt_number: int
    pid: int
    time: float
    logs: tuple[LogLine, ...] = ()
    first: int = 0
    stdout: StreamPart = StreamPart()
    stderr: StreamPart = StreamPart()


class _Reach:
    """How far a sequence was told, and which parts before that were not."""

    __slots__ = ("end", "gaps")

    def __init__(self) -> None:
        self.end = 0
        self.gaps: list[tuple[int, int]] = []

    def take(self, start: int, end: int) -> None:
        if start > self.end:
            self.gaps.append((self.end, start))
        self.end = max(self.end, end)

    def rest(self, text: str) -> str:
        return "".join([*(text[start:end] for start, end in self.gaps), text[self.end :]])

    def rest_of_lines(self, lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
        if len(lines) < self.end:  # a worker that died: these are what was told of it
            return ()
        return (
            tuple([line for start, end in self.gaps for line in lines[start:end]])
            + lines[self.end :]
        )


class DeliveredLines:
    """What was told of attempts while they ran, so that none of it is told again at their ends."""

    def __init__(self) -> None:
        # By step: number and process of its latest attempt, and how far that was told: logs,
        # stdout, stderr.
        self._reached: dict[int, tuple[tuple[int, int], tuple[_Reach, _Reach, _Reach]]] = {}

    def add(self, live: LiveLines) -> None:
        """Remember that ``live`` was told."""
        key = live.attempt_number, live.pid
        if live.step not in self._reached or self._reached[live.step][0] != key:
            self._reached[live.step] = key, (_Reach(), _Reach(), _Reach())
        logs, stdout, stderr = self._reached[live.step][1]
        logs.take(live.first, live.first + len(live.logs))
        stdout.take(live.stdout.start, live.stdout.end)
        stderr.take(live.stderr.start, live.stderr.end)

    def remainder_of(self, attempt: Attempt) -> Attempt:
        """Return an attempt without what was told of it; the very same where that is nothing."""
        if not self._reached:
            return attempt
        key, reached = self._reached.pop(attempt.step, ((-1, -1), None))
        # What a dead worker left has no process, and what was told of a try that left nothing is of
        # another.
        if reached is None or key[0] != attempt.attempt_number or attempt.pid not in (0, key[1]):
            return attempt
        logs, stdout, stderr = reached
        return attempt._replace(
            logs=logs.rest_of_lines(attempt.logs),
            stdout=stdout.rest(attempt.stdout),
            stderr=stderr.rest(attempt.stderr),
        )


def expand_live(live: LiveLines, key: str) -> Iterator[Event]:
    """Yield events as those of an attempt, of what the step with ``key`` has logged and printed so
    far.
    """
    for line in live.logs:
        yield Event(EventType.LOG_MESSAGE, line.message, line.time, key, {"level": line.level})
    streams = {"stdout": live.stdout, "stderr": live.stderr}
    if not any(each.text for each in streams.values()):
        return
    captured = {name: with_note(each) for name, each in streams.items()}
    words = f'Captured the output of step "{key}" while it goes on.'
    yield Event(EventType.LOGS_CAPTURED, words, live.time, key, captured | {"is_live": True})


def is_live_output(event: Event) -> bool:
    """Whether an event is about what a step printed that goes on."""
    return event.event_type is EventType.LOGS_CAPTURED and "is_live" in event.event_specific_data


def with_note(stretch: StreamPart) -> str:
    """Return the text of a stretch below a line that says how much before it was left out, if any
    was.
    """
    if not stretch.left_out:
        return stretch.text
    return f"rayexec: {stretch.left_out:,} characters are left out here\n{stretch.text}"


def prefixed(text: str, key: str) -> str:
    """Return text with the key of the step that printed it before each line."""
    *lines, last = text.split(
        "\n"
    )  # and no other ends of lines: a progress bar returns the carriage
    return "".join(f"{key} | {line}\n" for line in lines) + (f"{key} | {last}" if last else "")

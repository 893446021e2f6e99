"""Telling a driver what a long step logs and prints while it runs."""

from __future__ import annotations

import codecs
import contextlib
import os
import threading
import time

from rayexec.definitions.contexts import StepLog
from rayexec.engine.ray.protocol.capture import KEPT, capture_files
from rayexec.engine.ray.protocol.overrun import Watched
from rayexec.events import LiveLines, LogLine, StreamPart

__all__ = ["LONG", "LiveStep", "StreamTail", "watch_live"]

LONG = 2.0  # seconds for which a step has run before its lines are told
_PERIOD = 0.5  # seconds between two messages
_PATIENCE = 10.0  # seconds without a batch after which the thread sleeps until there is one
_MOST = 20 * 1024  # bytes of each stream, and of log lines, in a message: together below 64 KiB
_CHATTY = 1024 * 1024  # bytes told of a step after which its messages are an eighth of that
_LINE_COST = 64  # bytes that a log line takes beside its words


class StreamTail:
    """What comes to be in a file that a step prints into, as text: whole lines, decoded as the
    attempt's own will be.

    The file need not be there yet, or any more.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""  # the beginning of a line
        self._place = 0  # of that in all characters so far
        self._kept: int | None = (
            None  # how many characters an attempt keeps, once there are that many
        )

    def news(self, most: int) -> StreamPart:
        """Return what is new, of more than ``most`` bytes the last lines; of nothing, nothing."""
        text, left_out = self._read(most)
        whole, newline, self._held = text.rpartition("\n")
        shown = whole + newline
        if len(self._held) > most:  # a line without an end
            shown, self._held = text, ""
        told = _last_lines(shown, most)
        left_out += len(shown) - len(told)
        start = self._place + left_out
        self._place = start + len(told)
        if not told:
            return StreamPart()
        end = self._place
        if self._kept is not None:
            start, end = min(start, self._kept), min(end, self._kept)
        return StreamPart(told, start, end, left_out)

    def _read(self, most: int) -> tuple[str, int]:
        """Return the text behind ``_place``, and how much of it is not even read, since more is to
        be told.
        """
        text = self._held
        size = self._size()
        if self._offset < min(size, KEPT):
            data = self._pread(min(size, KEPT) - self._offset)
            text += self._decoder.decode(data, final=self._offset >= KEPT)
            if self._offset >= KEPT:
                self._kept = self._place + len(text)
                self._decoder.reset()
        skipped = 0
        if self._kept is not None and size > self._offset:
            far = size - self._offset - 2 * most
            if far > 0:
                skipped = len(text) + far
                text = ""
                self._offset += far
                self._decoder.reset()
            text += self._decoder.decode(self._pread(size - self._offset))
        return text, skipped

    def _size(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)
        return os.fstat(self._file).st_size

    def _pread(self, count: int) -> bytes:
        assert self._file is not None
        data = os.pread(self._file, count, self._offset)
        self._offset += len(data)
        return data

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _last_lines(text: str, most: int) -> str:
    """Return the last lines of a text that fit into ``most`` bytes; of one longer line, its end."""
    data = text.encode()
    if len(data) <= most:
        return text
    kept = data[-most:].decode(errors="ignore")
    _, newline, below = kept.partition("\n")
    return below if newline and below else kept


class LiveStep:
    """What is to be told of one call; ``path`` is its batch's journal."""

    def __init__(self, path: str, work: Watched) -> None:
        self.position = work.current
        self._work, self._since = work, work.since
        self._tails = [StreamTail(each) for each in capture_files(path)]
        self._lines = 0  # that were told, or left out
        self._told = 0  # bytes, about

    def news(self, log: StepLog | None) -> LiveLines | None:
        """Return what is new, None for nothing."""
        most = _MOST if self._told < _CHATTY else _MOST // 8
        logs = self._news_of(log, most) if log is not None else ()
        try:
            stdout, stderr = [each.news(most) for each in self._tails]
        except OSError:  # the batch is over, or has not begun
            stdout = stderr = StreamPart()
        if not (logs or stdout.text or stderr.text):
            return None
        self._told += sum(
            len(each) for each in (stdout.text, stderr.text, *(line.message for line in logs))
        )
        first = self._lines - len(logs)
        return LiveLines(self.position, 0, os.getpid(), time.time(), logs, first, stdout, stderr)

    def _news_of(self, log: StepLog, most: int) -> tuple[LogLine, ...]:
        """Return the last of the new lines that fit; what is longer than all that comes with the
        attempt.
        """
        count = len(log.lines)
        start = count
        while start > self._lines:
            line = log.lines[start - 1]
            most -= _LINE_COST + len(line.message.encode(errors="surrogatepass"))
            if most < 0:
                break
            start -= 1
        self._lines = count
        return tuple(log.lines[start:count])

    def is_still(self, work: Watched | None) -> bool:
        """Whether it is a call of ``work`` and still runs."""
        mine = self._work
        return (
            work is mine
            and not mine.is_over
            and (mine.current, mine.since) == (self.position, self._since)
        )

    def close(self) -> None:
        """Let go of the files."""
        for each in self._tails:
            each.close()


class _LiveWatch:
    """The thread of a worker process that looks every now and then how long the running step has
    run.

    While batches come, it is not woken for them.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._work: tuple[Watched, str] | None = None
        self._step: LiveStep | None = None
        threading.Thread(target=self._run, name="rayexec-live", daemon=True).start()

    def look_at(self, work: Watched, path: str) -> None:
        with self._wake:
            self._work = work, path
            self._wake.notify()

    def _run(self) -> None:
        quiet = 0.0
        while True:
            time.sleep(_PERIOD)
            with self._wake:
                if self._work is not None and self._work[0].is_over:
                    self._work = None
                if self._work is None:
                    quiet += _PERIOD
                    if quiet >= _PATIENCE:
                        self._wake.wait_for(lambda: self._work is not None)
                found = self._work
            if found is not None:
                quiet = 0.0
            # Whatever it is, a step must not fail for want of live lines, nor later ones go
            # without.
            with contextlib.suppress(Exception):
                self._look(*(found or (None, "")))

    def _look(self, work: Watched | None, path: str) -> None:
        step = self._step
        if step is not None and not step.is_still(work):
            step.close()
            step = self._step = None
        if work is None or time.monotonic() - work.since < LONG:
            return
        if step is None:
            step = self._step = LiveStep(path, work)
        known = work.log
        lines = step.news(known[1] if known is not None and known[0] == step.position else None)
        if lines is not None and step.is_still(work):  # else what was read may be the next call's
            work.send_live(lines)


_watch: _LiveWatch | None = None


def watch_live(work: Watched, path: str) -> None:
    """Have the driver told of what a call of ``work`` logs and prints once it has run for 2 s."""
    global _watch
    if _watch is None:
        _watch = _LiveWatch()
    _watch.look_at(work, path)

"""Live lines of a long step: its log and its output, reported while it runs."""

from __future__ import annotations

import codecs
import contextlib
import os
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from rayexec.definitions.surroundings import StepLog
from rayexec.engine.ray.protocol.batch_files import CAPTURE_LIMIT_BYTES, captured_files
from rayexec.engine.ray.worker.capture import ENDS_KEPT_BYTES, Capture
from rayexec.engine.ray.worker.running_batch import RunningBatch
from rayexec.events import LiveLines, LogLine, StreamPart

__all__ = ["LIVE_AFTER_S", "LiveStep", "StreamTail", "watch_live"]

LIVE_AFTER_S = 2.0  # of a step's run
_PERIOD_S = 0.5  # between two messages
_FREE_PERIOD_S = 0.1  # between two looks at the length of the captured files
_FLOOD_PERIOD_S = 0.02  # the same, while a step prints much
_IDLE_AFTER_S = 10.0  # without a batch; the thread sleeps then until there is one
_MOST_BYTES = 20 * 1024  # of each stream, and of log lines, in a message: together below 64 KiB
_CHATTY_BYTES = 1024 * 1024  # of a step's messages; later ones are an eighth as long
_LINE_COST_BYTES = 64  # of a log line, beside its text


class StreamTail:
    """New text of a file that a step prints into: whole lines, decoded as in its attempt.

    The file need not exist yet, or any more. The step's text begins at ``start``, in bytes.
    """

    def __init__(self, path: str, start: int = 0) -> None:
        self._path = path
        self._file: int | None = None
        self._offset = start
        self._limit_at = start + CAPTURE_LIMIT_BYTES
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._line_start = ""  # of a line without an end so far
        self._start = 0  # index of that line among all characters
        self._limit: int | None = None  # characters that an attempt keeps, once there are more

    def news(self, most: int) -> StreamPart:
        """Return the new text; of more than ``most`` bytes, its last lines."""
        text, left_out = self._read(most)
        whole, newline, self._line_start = text.rpartition("\n")
        shown = whole + newline
        if len(self._line_start) > most:  # a line without an end
            shown, self._line_start = text, ""
        last = _last_lines(shown, most)
        left_out += len(shown) - len(last)
        start = self._start + left_out
        self._start = start + len(last)
        if not last:
            return StreamPart()
        end = self._start
        if self._limit is not None:
            start, end = min(start, self._limit), min(end, self._limit)
        return StreamPart(last, start, end, left_out)

    def _read(self, most: int) -> tuple[str, int]:
        """Return the text from ``_start`` on, and the count of bytes skipped without reading."""
        text = self._line_start
        size = self._size()
        if self._offset < min(size, self._limit_at):
            data = self._pread(min(size, self._limit_at) - self._offset)
            text += self._decoder.decode(data, final=self._offset >= self._limit_at)
            if self._offset >= self._limit_at:
                self._limit = self._start + len(text)
                self._decoder.reset()
        skipped = 0
        while self._limit is not None and size > self._offset:
            far = size - self._offset - 2 * most
            if far > 0:
                skipped += len(text) + far
                text = ""
                self._offset += far
                self._decoder.reset()
            start = self._offset
            text += self._decoder.decode(self._pread(size - self._offset))
            size = self._size()
            if start >= size - ENDS_KEPT_BYTES:
                break
            # The step printed on, so that what was read may have been freed before.
            skipped += len(text.encode())
            text = ""
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
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _last_lines(text: str, most: int) -> str:
    """Return the last lines of a text within ``most`` bytes; of one longer line, its end."""
    data = text.encode()
    if len(data) <= most:
        return text
    end = data[-most:].decode(errors="ignore")
    _, newline, below = end.partition("\n")
    return below if newline and below else end


class LiveStep:
    """Live lines of the current call of a batch with its captured files at ``path``.

    The call's prints begin at ``starts`` there.
    """

    def __init__(self, path: str, batch: RunningBatch, starts: Sequence[int] = (0, 0)) -> None:
        self.position = batch.current
        self._batch, self._since = batch, batch.since
        self._tails = [
            StreamTail(file, start)
            for file, start in zip(captured_files(path), starts, strict=True)
        ]
        self._line_count = 0  # reported, or left out
        self._sent_bytes = 0  # about

    def news(self, log: StepLog | None) -> LiveLines | None:
        """Return new lines, None without any."""
        most = _MOST_BYTES if self._sent_bytes < _CHATTY_BYTES else _MOST_BYTES // 8
        logs = self._news_of(log, most) if log is not None else ()
        try:
            stdout, stderr = [tail.news(most) for tail in self._tails]
        except OSError:  # the batch is over, or has not begun yet
            stdout = stderr = StreamPart()
        if not (logs or stdout.text or stderr.text):
            return None
        texts = (stdout.text, stderr.text, *(line.message for line in logs))
        self._sent_bytes += sum(map(len, texts))
        first = self._line_count - len(logs)
        return LiveLines(self.position, 0, os.getpid(), time.time(), logs, first, stdout, stderr)

    def _news_of(self, log: StepLog, most: int) -> tuple[LogLine, ...]:
        """Return the last new lines within ``most`` bytes; longer ones come with the attempt."""
        count = len(log.lines)
        start = count
        while start > self._line_count:
            line = log.lines[start - 1]
            most -= _LINE_COST_BYTES + len(line.message.encode(errors="surrogatepass"))
            if most < 0:
                break
            start -= 1
        self._line_count = count
        return tuple(log.lines[start:count])

    def is_running(self, batch: RunningBatch | None) -> bool:
        """Tell whether ``batch`` is still at this call."""
        mine = self._batch
        return (
            batch is mine
            and not mine.is_over
            and (mine.current, mine.since) == (self.position, self._since)
        )

    def close(self) -> None:
        """Close the files."""
        for tail in self._tails:
            tail.close()


class _Watched(NamedTuple):
    """A batch, the path of its captured files, and the capture."""

    batch: RunningBatch
    path: str
    capture: Capture


class _LiveWatch:
    """Thread of a worker process that looks every now and then at the running step.

    Batches do not wake it while they come.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._work: _Watched | None = None
        self._step: LiveStep | None = None
        self._looked = 0.0
        threading.Thread(target=self._run, name="rayexec-live", daemon=True).start()

    def look_at(self, work: _Watched) -> None:
        with self._wake:
            self._work = work
            self._wake.notify()

    def _run(self) -> None:
        quiet, period = 0.0, _FREE_PERIOD_S
        while True:
            time.sleep(period)
            with self._wake:
                if self._work is not None and self._work.batch.is_over:
                    self._work = None
                if self._work is None:
                    quiet += period
                    if quiet >= _IDLE_AFTER_S:
                        self._wake.wait_for(lambda: self._work is not None)
                work = self._work
            if work is not None:
                quiet = 0.0
            # Whatever happens here, it must not fail a step, nor stop later live lines.
            with contextlib.suppress(Exception):
                is_flood = work is not None and work.capture.free()
                period = _FLOOD_PERIOD_S if is_flood else _FREE_PERIOD_S
                now = time.monotonic()
                if now - self._looked >= _PERIOD_S:
                    self._looked = now
                    self._look(work)

    def _look(self, work: _Watched | None) -> None:
        step, batch = self._step, None if work is None else work.batch
        if step is not None and not step.is_running(batch):
            step.close()
            step = self._step = None
        if work is None or batch is None or time.monotonic() - batch.since < LIVE_AFTER_S:
            return
        if step is None:
            step = self._step = LiveStep(work.path, batch, work.capture.starts)
        log = batch.log
        lines = step.news(log[1] if log is not None and log[0] == step.position else None)
        if lines is not None and step.is_running(batch):  # else they may be the next call's
            batch.send_lines(lines)


_watch: _LiveWatch | None = None


def watch_live(batch: RunningBatch, path: str, capture: Capture) -> None:
    """Report lines of a batch's calls, each after its first 2 s; bound what they print.

    The captured files are at ``path``.
    """
    global _watch
    if _watch is None:
        _watch = _LiveWatch()
    _watch.look_at(_Watched(batch, path, capture))

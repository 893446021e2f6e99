"""Capture of standard output and error, to print them above a live view."""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rayexec.cli.printable import printable_output
from rayexec.cli.signals import interrupts_held
from rayexec.cli.streams import tolerant_text

__all__ = ["StreamCapture", "WholeLineConsole", "redrawn"]

_CHUNK_BYTES = 64 * 1024


class WholeLineConsole(Console):
    """A console whose lines neither an interrupt nor another thread can break.

    rich forgets a line after it has written it. An interrupt between the two would print the line
    again with the next one. And rich asks how high a live view is before it writes what goes above
    it. A thread that draws a lower view between the two would have the line above erased; so
    ``turn`` is held by each print, and by whoever draws the view.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.turn = threading.RLock()

    def print(self, *objects: Any, **options: Any) -> None:
        """Print the objects as rich does; an interrupt waits until they are printed."""
        with interrupts_held(), self.turn:
            super().print(*objects, **options)


class StreamCapture:
    """Prints standard error, and standard output of the same terminal, above a live view.

    ``console`` is the terminal itself. The capture is by file descriptor, so that it has the output
    of C code and of child processes too. Whatever is left at the end of the ``with`` block is
    printed before that ends.
    """

    def __init__(self) -> None:
        self._terminal = os.dup(2)
        self.console = WholeLineConsole(file=tolerant_text(self._terminal, sys.stderr))
        self._captured = [fd for fd in (1, 2) if fd == 2 or _is_same_terminal(fd, 2)]
        self._originals: list[int] = []
        self._pipe = (-1, -1)
        self._wake = (-1, -1)
        self._thread = threading.Thread(target=self._pump, name="rayexec-capture", daemon=True)
        self.fit()

    def __enter__(self) -> StreamCapture:
        _flush()
        self._pipe, self._wake = os.pipe(), os.pipe()
        os.set_blocking(self._pipe[0], False)
        for fd in self._captured:
            self._originals.append(os.dup(fd))
            os.dup2(self._pipe[1], fd)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _flush()
        for fd, original in zip(self._captured, self._originals, strict=True):
            os.dup2(original, fd)
            os.close(original)
        # The pipe may never close: a process that an op left behind may hold its other end.
        os.write(self._wake[1], b".")
        self._thread.join()
        for fd in (*self._pipe, *self._wake):
            os.close(fd)

    def fit(self) -> None:
        """Adopt the size of the terminal; rich would ask the streams, which are pipes meanwhile."""
        with contextlib.suppress(OSError):
            self.console.size = os.get_terminal_size(self._terminal)

    def show(self, text: str, stream: TextIO, fd: int) -> None:
        """Print text of a worker's ``stream``, above the view if that is captured."""
        if not text:
            return
        if fd in self._captured:
            self._print(text)
        else:
            stream.write(text)
            stream.flush()

    def _print(self, text: str) -> None:
        # Codes that would move the cursor, or do more, become visible; colors stay.
        with contextlib.suppress(OSError):  # the terminal may be gone
            self.console.print(
                Text.from_ansi(printable_output(text.removesuffix("\n"))),
                soft_wrap=True,
                highlight=False,
            )

    def _pump(self) -> None:
        """Print whole lines from the pipe until the end of the block, then the rest."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe[0], selectors.EVENT_READ)
            selector.register(self._wake[0], selectors.EVENT_READ)
            is_done = False
            while not is_done:
                is_done = any(key.fd == self._wake[0] for key, _ in selector.select())
                while data := self._read():
                    lines, newline, rest = (rest + data).rpartition(b"\n")
                    if newline:
                        self._print(lines.decode("utf-8", errors="replace"))
        if rest:
            self._print(rest.decode("utf-8", errors="replace"))

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe[0], _CHUNK_BYTES)
        except BlockingIOError:
            return b""


@contextmanager
def redrawn(
    live: Live, turn: AbstractContextManager[object], times_per_second: float
) -> Iterator[None]:
    """Draw a live view again and again during the block, in a thread that waits for its turn."""
    is_over = threading.Event()

    def redraw() -> None:
        while not is_over.wait(1 / times_per_second):
            with turn:
                live.refresh()

    thread = threading.Thread(target=redraw, name="rayexec-redraw", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _is_same_terminal(one: int, other: int) -> bool:
    try:
        return os.isatty(one) and os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an op may have replaced or closed them
            stream.flush()

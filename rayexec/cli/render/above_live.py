"""Printing above a live view: what this process writes to the terminal must not run into what is
redrawn there.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.text import Text

from rayexec.cli.streams import tolerant_text

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Above"]

_CHUNK = 64 * 1024


class Above:
    """Takes standard error, and standard output where it is the same terminal, and prints them
    above a live view.

    ``console`` is the terminal itself. The streams are taken at their file descriptors, so that C
    code and child processes of ops are caught as well. What is left when the ``with`` block ends is
    printed before it does.
    """

    def __init__(self) -> None:
        self._terminal = os.dup(2)
        self.console = Console(file=tolerant_text(self._terminal, sys.stderr))
        self._taken = [fd for fd in (1, 2) if fd == 2 or _is_same_terminal(fd, 2)]
        self._saved: list[int] = []
        self._pipe = (-1, -1)
        self._wake = (-1, -1)
        self._thread = threading.Thread(target=self._pump, name="rayexec-above", daemon=True)
        self.fit()

    def __enter__(self) -> Above:
        _flush()
        self._pipe, self._wake = os.pipe(), os.pipe()
        os.set_blocking(self._pipe[0], False)
        for fd in self._taken:
            self._saved.append(os.dup(fd))
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
        for fd, saved in zip(self._taken, self._saved, strict=True):
            os.dup2(saved, fd)
            os.close(saved)
        # Not by closing the pipe: a process that an op left behind may hold its other end for ever.
        os.write(self._wake[1], b".")
        self._thread.join()
        for fd in (*self._pipe, *self._wake):
            os.close(fd)

    def fit(self) -> None:
        """Take the terminal's size; rich would ask the streams, which are pipes meanwhile."""
        with contextlib.suppress(OSError):
            self.console.size = os.get_terminal_size(self._terminal)

    def show(self, text: str, stream: TextIO, fd: int) -> None:
        """Print what was written to ``stream`` elsewhere, above the view where that stream is
        taken.
        """
        if not text:
            return
        if fd in self._taken:
            self._print(text)
        else:
            stream.write(text)
            stream.flush()

    def _print(self, text: str) -> None:
        # Text.from_ansi keeps colours and drops what would move the cursor.
        with contextlib.suppress(OSError):  # the terminal may be gone
            self.console.print(
                Text.from_ansi(text.removesuffix("\n")), soft_wrap=True, highlight=False
            )

    def _pump(self) -> None:
        """Print whole lines from the pipe until woken, then what is left."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe[0], selectors.EVENT_READ)
            selector.register(self._wake[0], selectors.EVENT_READ)
            done = False
            while not done:
                done = any(key.fd == self._wake[0] for key, _ in selector.select())
                while data := self._read():
                    lines, newline, rest = (rest + data).rpartition(b"\n")
                    if newline:
                        self._print(lines.decode("utf-8", errors="replace"))
        if rest:
            self._print(rest.decode("utf-8", errors="replace"))

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe[0], _CHUNK)
        except BlockingIOError:
            return b""


def _is_same_terminal(one: int, other: int) -> bool:
    try:
        return os.isatty(one) and os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an op may have replaced or closed them
            stream.flush()

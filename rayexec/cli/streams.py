"""Standard output and error of a command, also with pipes that close early."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from rayexec.cli.printable import printable_json, printable_text
from rayexec.strict_json import json_text

__all__ = [
    "descriptor_of",
    "reader_left",
    "results_on_stdout",
    "say",
    "survive_closed_pipes",
    "tolerant_text",
    "write_json",
]


class _Tolerant(io.FileIO):
    """A descriptor that drops writes once its reader has left or its terminal has closed."""

    def __init__(self, descriptor: int, *, owned: bool) -> None:
        super().__init__(descriptor, "w", closefd=owned)
        self._gone = (errno.EPIPE, errno.EIO) if self.isatty() else (errno.EPIPE,)

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in self._gone:
                raise
            return len(data)


def tolerant_text(descriptor: int, like: TextIO, *, owned: bool = False) -> io.TextIOWrapper:
    """Return a stream such as ``like`` on a descriptor with a reader that may leave."""
    raw = _Tolerant(descriptor, owned=owned)
    # As python -u does, which leaves this layer out too.
    unbuffered = getattr(like, "write_through", False)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=getattr(like, "line_buffering", False),
        write_through=unbuffered,
    )


def survive_closed_pipes() -> None:
    """Let ``sys.stdout`` and ``sys.stderr`` outlive their readers, as in ``… | head -1``.

    The run outlives them too, with ops that print.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        descriptor = descriptor_of(stream)
        if descriptor is not None:
            stream.flush()
            setattr(sys, name, tolerant_text(descriptor, stream))


def descriptor_of(stream: Any) -> int | None:
    """Return the file descriptor of a stream, or None without one, as in tests."""
    try:
        descriptor: int = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor


def reader_left(stream: Any) -> bool:
    """Whether the reader of a stream has left, as ``head -1`` does after its line."""
    descriptor = descriptor_of(stream)
    if descriptor is None:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))


@contextlib.contextmanager
def results_on_stdout() -> Iterator[TextIO]:
    """Yield the standard output for a command's result alone.

    All other output goes to standard error: of the job's file at its import, of ops, and of their
    child processes. A character outside the encoding, such as half a surrogate pair, becomes an
    escape.
    """
    sys.stdout.flush()
    if descriptor_of(sys.stdout) != 1 or descriptor_of(sys.stderr) != 2:
        stdout = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield stdout
        return
    saved_stdout = os.dup(1)
    os.dup2(2, 1)
    results = tolerant_text(saved_stdout, sys.stdout, owned=True)
    results.reconfigure(errors="backslashreplace")
    try:
        yield results
    finally:
        results.flush()
        sys.stdout.flush()
        os.dup2(saved_stdout, 1)
        results.close()


def write_json(results: TextIO, document: Any) -> None:
    """Print a JSON document."""
    text = json_text(document, indent=2, ensure_ascii=False, default=str)
    results.write(f"{printable_json(text)}\n")


def say(line: str) -> None:
    """Print a line on standard error; it may quote what a record says."""
    sys.stderr.write(f"{printable_text(line)}\n")
    sys.stderr.flush()

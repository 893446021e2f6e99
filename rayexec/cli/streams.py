"""Standard output and error of a command: pipes that close early, and output that must stay pure."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, TextIO

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
    """A descriptor whose reader may leave, or whose terminal may close: what is written after that
    goes nowhere.
    """

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
    """Return a stream such as ``like`` on a descriptor whose other side may go away."""
    raw = _Tolerant(descriptor, owned=owned)
    unbuffered = getattr(
        like, "write_through", False
    )  # as by python -u, which leaves this layer out as well
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=getattr(like, "line_buffering", False),
        write_through=unbuffered,
    )


def survive_closed_pipes() -> None:
    """Let ``sys.stdout`` and ``sys.stderr`` go on where their reader or terminal is gone, as in ``…
    | head -1``.

    The run goes on too, ops that print included; it is not the reader's to end.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        descriptor = descriptor_of(stream)
        if descriptor is not None:
            stream.flush()
            setattr(sys, name, tolerant_text(descriptor, stream))


def descriptor_of(stream: Any) -> int | None:
    """Return the file descriptor below a stream, or None where it has none, as in tests."""
    try:
        descriptor: int = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor


def reader_left(stream: Any) -> bool:
    """Whether nobody will read what is written to a stream, as once ``head -1`` has its line."""
    descriptor = descriptor_of(stream)
    if descriptor is None:
        return False
    asked = select.poll()
    asked.register(descriptor, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in asked.poll(0))


@contextlib.contextmanager
def results_on_stdout() -> Iterator[TextIO]:
    """Yield the standard output for a command's result alone.

    Whatever else is printed meanwhile, by the job's file as it is imported, by ops, by the
    processes they start, goes to standard error. What the encoding has no word for, such as half a
    surrogate pair in a message, is written as an escape.
    """
    sys.stdout.flush()
    if descriptor_of(sys.stdout) != 1 or descriptor_of(sys.stderr) != 2:
        stdout = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield stdout
        return
    kept = os.dup(1)
    os.dup2(2, 1)
    results = tolerant_text(kept, sys.stdout, owned=True)
    results.reconfigure(errors="backslashreplace")
    try:
        yield results
    finally:
        results.flush()
        sys.stdout.flush()
        os.dup2(kept, 1)
        results.close()


def write_json(results: TextIO, document: Any) -> None:
    """Print a JSON document."""
    results.write(f"{json.dumps(document, indent=2, ensure_ascii=False, default=str)}\n")


def say(line: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()

"""What steps print, caught at the file descriptors, so that C code and child processes are heard too."""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType

__all__ = ["Capture", "read_capture"]

_LIMIT = 1024 * 1024  # bytes that are kept of what one step prints on one stream
_STREAMS = ((1, "stdout"), (2, "stderr"))


class Capture:
    """Redirects descriptors 1 and 2 to files beside ``path`` while the ``with`` block lasts.

    ``take`` returns what was printed since the last call, and empties the files; so what a worker that dies leaves in
    them was printed by the step that it died in. Asking costs one system call a stream, so that a step that prints
    nothing pays next to nothing.
    """

    def __init__(self, path: str) -> None:
        self._paths = [_file_of(path, name) for _, name in _STREAMS]
        self._files: list[int] = []
        self._saved: list[int] = []

    def __enter__(self) -> Capture:
        _flush()
        for (descriptor, _), path in zip(_STREAMS, self._paths, strict=True):
            # Appending, so that a child that still writes after ``take`` writes where the file now ends.
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
            self._files.append(file)
            try:
                self._saved.append(os.dup(descriptor))
            except OSError:  # an op before closed it
                self._saved.append(os.open(os.devnull, os.O_WRONLY))
            os.dup2(file, descriptor)
        self._mend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _flush()
        for (descriptor, _), saved, file, path in zip(_STREAMS, self._saved, self._files, self._paths, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(path)

    def take(self) -> tuple[str, str]:
        """Return what was printed on standard output and standard error since the last call."""
        self._mend()
        _flush()
        stdout, left_out = _read(self._files[0])
        stderr, left_out_too = _read(self._files[1])
        for name, bytes_left in (("stdout", left_out), ("stderr", left_out_too)):
            if bytes_left:
                stderr += f"\nrayexec: {bytes_left:,} bytes that the step printed on {name} were left out\n"
        return stdout, stderr

    def _mend(self) -> None:
        """Open the streams again that an op closed, for the sake of the steps after it."""
        for (descriptor, name), file in zip(_STREAMS, self._files, strict=True):
            stream = getattr(sys, name)
            if stream is None or getattr(stream, "closed", False):
                os.dup2(file, descriptor)
                setattr(sys, name, os.fdopen(descriptor, "w", buffering=1, closefd=False, errors="backslashreplace"))


def read_capture(path: str) -> tuple[str, str]:
    """Return what a worker that died left of a step's output, and remove the files; empty where there are none."""
    texts = []
    for _, name in _STREAMS:
        try:
            with open(_file_of(path, name), "rb") as file:
                texts.append(_text(file.read(_LIMIT)))
            os.unlink(_file_of(path, name))
        except OSError:
            texts.append("")
    return texts[0], texts[1]


def _file_of(path: str, name: str) -> str:
    return f"{path}.{name}"


def _read(file: int) -> tuple[str, int]:
    """Return the text in a file, and how many bytes of it were too many; the file is empty afterwards."""
    size = os.fstat(file).st_size
    if size == 0:
        return "", 0
    data = os.pread(file, _LIMIT, 0)
    os.ftruncate(file, 0)
    return _text(data), size - len(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an op may have replaced them by anything
            stream.flush()

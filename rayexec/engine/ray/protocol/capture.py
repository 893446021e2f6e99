"""What steps print, caught at the file descriptors, so that C code and child processes are heard
too.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from types import TracebackType
from typing import Any, BinaryIO

__all__ = ["KEPT", "Capture", "capture_files", "read_capture"]

KEPT = 1024 * 1024  # bytes that are kept of what one step prints on one stream
_LAST = (
    64 * 1024
)  # bytes of the rest that are kept where a worker died, the last ones: they may tell of what
_STREAMS = ((1, "stdout"), (2, "stderr"))


class Capture:
    """Redirects descriptors 1 and 2 to files beside ``path`` while the ``with`` block lasts.

    ``take`` returns what was printed since the last call, and empties the files; so what a worker
    that dies leaves in them was printed by the step that it died in. Asking costs the cheapest of
    system calls for each stream, so that a step that prints nothing pays next to nothing; for that,
    ``sys.stdout`` and ``sys.stderr`` are unbuffered meanwhile.
    """

    def __init__(self, path: str) -> None:
        self._paths = [_file_of(path, name) for _, name in _STREAMS]
        self._files: list[int] = []
        self._saved: list[int] = []
        self._before: tuple[Any, Any] = (sys.stdout, sys.stderr)
        self._streams: tuple[Any, Any] = self._before
        self._originals: tuple[Any, Any] = (None, None)

    def __enter__(self) -> Capture:
        _flush()
        for (descriptor, _), path in zip(_STREAMS, self._paths, strict=True):
            # Appending, so that a child that still writes after ``take`` writes where the file now
            # ends.
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
            self._files.append(file)
            try:
                self._saved.append(os.dup(descriptor))
            except OSError:  # an op before closed it
                self._saved.append(os.open(os.devnull, os.O_WRONLY))
            os.dup2(file, descriptor)
        ours: tuple[Any, Any] = _unbuffered(1), _unbuffered(2)
        self._streams = ours
        sys.stdout, sys.stderr = ours
        self._originals = sys.__stdout__, sys.__stderr__
        _set_originals(ours)  # some write to these, whose buffers would keep it
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _flush()
        _set_originals(self._originals)
        for (_, name), ours, before in zip(_STREAMS, self._streams, self._before, strict=True):
            if getattr(sys, name) is ours:  # else an op put something of its own there, to stay
                setattr(sys, name, before)
        for (descriptor, _), saved, file, path in zip(
            _STREAMS, self._saved, self._files, self._paths, strict=True
        ):
            os.dup2(saved, descriptor)
            os.close(saved)
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(path)

    def take(self) -> tuple[str, str]:
        """Return what was printed on standard output and standard error since the last call."""
        ours, ours_too = self._streams
        is_whole = (
            not (ours.is_gone or ours_too.is_gone) and sys.stdout is ours and sys.stderr is ours_too
        )
        if not is_whole:
            self._mend()
            _flush()
        out, err = self._files
        if not (
            os.lseek(out, 0, os.SEEK_END) or os.lseek(err, 0, os.SEEK_END)
        ):  # a third of the price of fstat
            return "", ""
        stdout, left_out = _read(out)
        stderr, left_out_too = _read(err)
        for name, bytes_left in (("stdout", left_out), ("stderr", left_out_too)):
            if bytes_left:
                stderr += f"\nrayexec: {bytes_left:,} bytes that the step printed on {name} were left out\n"
        return stdout, stderr

    def _mend(self) -> None:
        """Open the streams again that an op closed, for the sake of the steps after it."""
        ours = dict(zip(("stdout", "stderr"), self._streams, strict=True))
        for (descriptor, name), file in zip(_STREAMS, self._files, strict=True):
            stream = getattr(sys, name)
            if _is_closed(stream):
                os.dup2(file, descriptor)
                ours[name] = _unbuffered(descriptor)
                setattr(sys, name, ours[name])
        self._streams = ours["stdout"], ours["stderr"]


def read_capture(path: str) -> tuple[str, str]:
    """Return what a worker that died left of a step's output, and remove the files; empty where
    there are none.
    """
    texts = []
    for _, name in _STREAMS:
        try:
            with open(_file_of(path, name), "rb") as file:
                texts.append(_both_ends(file))
            os.unlink(_file_of(path, name))
        except OSError:
            texts.append("")
    return texts[0], texts[1]


def capture_files(path: str) -> tuple[str, str]:
    """Return the files that hold what the running step prints on standard output and standard
    error.
    """
    return _file_of(path, "stdout"), _file_of(path, "stderr")


def _both_ends(file: BinaryIO) -> str:
    size = os.fstat(file.fileno()).st_size
    first = _text(file.read(KEPT))
    left = size - KEPT
    if left <= 0:
        return first
    file.seek(max(KEPT, size - _LAST))
    note = (
        f"{left - _LAST:,} bytes that the step printed were left out here\n" if left > _LAST else ""
    )
    return f"{first}\nrayexec: {note}{_text(file.read())}" if note else first + _text(file.read())


def _file_of(path: str, name: str) -> str:
    return f"{path}.{name}"


def _read(file: int) -> tuple[str, int]:
    """Return the text in a file, and how many bytes of it were too many; the file is empty
    afterwards.
    """
    size = os.fstat(file).st_size
    if size == 0:
        return "", 0
    data = os.pread(file, KEPT, 0)
    os.ftruncate(file, 0)
    return _text(data), size - len(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


class _Stream(io.TextIOWrapper):
    """Standard output or error without a buffer, which remembers whether an op closed it or took it
    to pieces.
    """

    is_gone = False  # quicker to ask than ``closed``, which is asked after each step

    def close(self) -> None:
        """Close it, and remember."""
        self.is_gone = True
        super().close()

    def detach(self) -> Any:
        """Take it to pieces, and remember."""
        self.is_gone = True
        return super().detach()


def _set_originals(streams: tuple[Any, Any]) -> None:
    for name, stream in zip(("__stdout__", "__stderr__"), streams, strict=True):
        setattr(sys, name, stream)


def _is_closed(stream: Any) -> bool:
    try:
        return stream is None or bool(getattr(stream, "closed", False))
    except ValueError:  # detached from what it wrote to
        return True


def _unbuffered(descriptor: int) -> _Stream:
    raw = os.fdopen(descriptor, "wb", buffering=0, closefd=False)
    return _Stream(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an op may have replaced them by anything
            stream.flush()

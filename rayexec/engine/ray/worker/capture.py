"""Capture of a step's output at the file descriptors, with C code and child processes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from types import TracebackType
from typing import Any

from rayexec.engine.ray.protocol.batch_files import CAPTURE_LIMIT_BYTES, captured_files

__all__ = ["Capture"]

_STREAMS = ((1, "stdout"), (2, "stderr"))


class Capture:
    """Redirects descriptors 1 and 2 to files beside a batch's journal, in a ``with`` block.

    ``drain`` empties the files after each step, so that a dead worker's files hold the output of
    its last step. A step that prints nothing costs one cheap system call for each stream:
    ``sys.stdout`` and ``sys.stderr`` have no buffers meanwhile, and need no flush.
    """

    def __init__(self, path: str) -> None:
        self._paths = captured_files(path)
        self._files: list[int] = []
        self._saved: list[int] = []
        self._before: tuple[Any, Any] = (sys.stdout, sys.stderr)
        self._streams: tuple[Any, Any] = self._before
        self._originals: tuple[Any, Any] = (None, None)

    def __enter__(self) -> Capture:
        _flush()
        for (descriptor, _), path in zip(_STREAMS, self._paths, strict=True):
            # A child may write on after ``drain``: appending puts that at the new end of the file.
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
            self._files.append(file)
            try:
                self._saved.append(os.dup(descriptor))
            except OSError:  # an earlier op closed it
                self._saved.append(os.open(os.devnull, os.O_WRONLY))
            os.dup2(file, descriptor)
        ours: tuple[Any, Any] = _unbuffered(1), _unbuffered(2)
        self._streams = ours
        sys.stdout, sys.stderr = ours
        self._originals = sys.__stdout__, sys.__stderr__
        _set_originals(ours)  # code that writes to these would fill their buffers
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
            if getattr(sys, name) is ours:  # else an op put a stream of its own there, to stay
                setattr(sys, name, before)
        for (descriptor, _), saved, file, path in zip(
            _STREAMS, self._saved, self._files, self._paths, strict=True
        ):
            os.dup2(saved, descriptor)
            os.close(saved)
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(path)

    def drain(self) -> tuple[str, str]:
        """Return standard output and standard error since the last call."""
        ours, ours_too = self._streams
        is_whole = (
            not (ours.is_gone or ours_too.is_gone) and sys.stdout is ours and sys.stderr is ours_too
        )
        if not is_whole:
            self._mend()
            _flush()
        out, err = self._files
        # A third of the price of fstat.
        if not (os.lseek(out, 0, os.SEEK_END) or os.lseek(err, 0, os.SEEK_END)):
            return "", ""
        stdout, left_out = _read(out)
        stderr, left_out_too = _read(err)
        for name, bytes_left in (("stdout", left_out), ("stderr", left_out_too)):
            if bytes_left:
                stderr += (
                    f"\nrayexec: {bytes_left:,} bytes that the step printed on {name} were left "
                    "out\n"
                )
        return stdout, stderr

    def _mend(self) -> None:
        """Reopen streams that an op closed, for the steps after it."""
        ours = dict(zip(("stdout", "stderr"), self._streams, strict=True))
        for (descriptor, name), file in zip(_STREAMS, self._files, strict=True):
            stream = getattr(sys, name)
            if _is_closed(stream):
                os.dup2(file, descriptor)
                ours[name] = _unbuffered(descriptor)
                setattr(sys, name, ours[name])
        self._streams = ours["stdout"], ours["stderr"]


def _read(file: int) -> tuple[str, int]:
    """Empty a file; return its text, and the count of bytes over the limit."""
    size = os.fstat(file).st_size
    if size == 0:
        return "", 0
    data = os.pread(file, CAPTURE_LIMIT_BYTES, 0)
    os.ftruncate(file, 0)
    return data.decode("utf-8", errors="backslashreplace"), size - len(data)


class _Stream(io.TextIOWrapper):
    """Standard output or error without a buffer; remembers that an op closed or detached it."""

    is_gone = False  # quicker than ``closed``, after each step

    def close(self) -> None:
        """Close the stream."""
        self.is_gone = True
        super().close()

    def detach(self) -> Any:
        """Detach the stream from its descriptor."""
        self.is_gone = True
        return super().detach()


def _set_originals(streams: tuple[Any, Any]) -> None:
    for name, stream in zip(("__stdout__", "__stderr__"), streams, strict=True):
        setattr(sys, name, stream)


def _is_closed(stream: Any) -> bool:
    try:
        return stream is None or bool(getattr(stream, "closed", False))
    except ValueError:  # detached from its descriptor
        return True


def _unbuffered(descriptor: int) -> _Stream:
    raw = os.fdopen(descriptor, "wb", buffering=0, closefd=False)
    return _Stream(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an op may have put anything there
            stream.flush()

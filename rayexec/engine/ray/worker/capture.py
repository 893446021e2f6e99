"""Capture of a step's output at the file descriptors, with C code and child processes.

What comes through ``sys.stdout`` is counted as it comes, and a thread looks after what comes from
C code and child processes. Of a step's output on a stream, the first MiB and the end stay; the file
system frees the middle, while the length of the file counts it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rayexec.engine.ray.protocol.batch_files import (
    CAPTURE_LIMIT_BYTES,
    captured_files,
    new_file,
)
from rayexec.steps.forked_child import ForkGuard

__all__ = ["ENDS_KEPT_BYTES", "Capture"]

ENDS_KEPT_BYTES = 128 * 1024  # of a long output: more than any reader of the end wants
_CHUNK_BYTES = 128 * 1024  # printed between two looks at the length of a file
_LONG_FILE_BYTES = 64 * 1024  # emptied after a step; shorter ones go on, which is cheaper
_STREAMS = ((1, "stdout"), (2, "stderr"))
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_lseek, _END = os.lseek, os.SEEK_END  # after each step


class Capture:
    """Redirects descriptors 1 and 2 to files of a batch, in a ``with`` block.

    ``starts`` are the lengths of the files at the start of the running step, whose output is the
    rest of them; ``note_starts`` gets each change of them. A step that prints nothing costs one
    cheap system call for each stream: ``sys.stdout`` and ``sys.stderr`` have no buffers meanwhile,
    and need no flush.
    """

    def __init__(self, path: str) -> None:
        self._paths = captured_files(path)
        self.starts = (0, 0)
        self.note_starts: Callable[[int, int], None] | None = None
        self._freed = [0, 0]  # ends of what is freed
        self._lost = [0, 0]  # bytes that found no room
        self._has_lost = False
        self._guard = ForkGuard()
        # Held while a file is cut: its descriptor must not become another file's meanwhile.
        self._lock = threading.RLock()
        self._files: list[int] = []
        self._saved: list[int] = []
        self._before: tuple[Any, Any] = (sys.stdout, sys.stderr)
        self._streams: tuple[Any, Any] = self._before
        self._originals: tuple[Any, Any] = (None, None)

    def __enter__(self) -> Capture:
        _flush()
        for (descriptor, _), path in zip(_STREAMS, self._paths, strict=True):
            # A child may write on after ``drain``: appending puts that at the new end of the file.
            file = new_file(path, os.O_RDWR | os.O_APPEND)
            self._files.append(file)
            try:
                self._saved.append(os.dup(descriptor))
            except OSError:  # an earlier op closed it
                self._saved.append(os.open(os.devnull, os.O_WRONLY))
            os.dup2(file, descriptor)
        ours: tuple[Any, Any] = self._unbuffered(0), self._unbuffered(1)
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
        with self._lock:
            files, self._files = self._files, []
        for (descriptor, _), saved, file, path in zip(
            _STREAMS, self._saved, files, self._paths, strict=True
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
        self._guard.end_child()
        out, err = self._files
        # A third of the price of fstat.
        ends = _lseek(out, 0, _END), _lseek(err, 0, _END)
        if ends == self.starts and not self._has_lost:
            return "", ""
        stdout, left_out = self._read(0, ends[0])
        stderr, left_out_too = self._read(1, ends[1])
        for name, bytes_left in (("stdout", left_out), ("stderr", left_out_too)):
            if bytes_left:
                stderr += (
                    f"\nrayexec: {bytes_left:,} bytes that the step printed on {name} were left "
                    "out\n"
                )
        self._begin_at(*ends)
        return stdout, stderr

    def _read(self, index: int, end: int) -> tuple[str, int]:
        """Return the text of the step, and the count of bytes over the limit."""
        start = self.starts[index]
        size = max(0, end - start)  # an op may have emptied its own standard output
        data = os.pread(self._files[index], min(size, CAPTURE_LIMIT_BYTES), start)
        left_out = size - len(data) + self._lost[index]
        return data.decode("utf-8", errors="backslashreplace"), left_out

    def _begin_at(self, out_end: int, err_end: int) -> None:
        """Begin a step behind what is in the files; empty long ones."""
        ends = [out_end, err_end]
        with self._lock:
            self._lost, self._has_lost = [0, 0], False
            self._freed = [0, 0]
            for index, end in enumerate(ends):
                if end >= _LONG_FILE_BYTES:
                    os.ftruncate(self._files[index], 0)
                    ends[index] = 0
            self.starts = (ends[0], ends[1])
        if self.note_starts is not None:
            self.note_starts(*self.starts)

    def free(self) -> bool:
        """Free the middle of long outputs of the running step; tell whether there was any.

        Another thread may do so at any time.
        """
        return any([self._free(0), self._free(1)])

    def _free(self, index: int) -> bool:
        # Whoever else has the lock does the same; and a forked child may find it held for ever.
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if index >= len(self._files):  # the batch is over
                return False
            end = os.fstat(self._files[index]).st_size - ENDS_KEPT_BYTES
            start = max(self.starts[index] + CAPTURE_LIMIT_BYTES, self._freed[index])
            if end - start < _CHUNK_BYTES:
                return False
            self._freed[index] = end
            return _punch(self._files[index], start, end)
        finally:
            self._lock.release()

    def _mend(self) -> None:
        """Reopen streams that an op closed, for the steps after it."""
        ours = dict(zip(("stdout", "stderr"), self._streams, strict=True))
        for (descriptor, name), file in zip(_STREAMS, self._files, strict=True):
            stream = getattr(sys, name)
            if _is_closed(stream):
                os.dup2(file, descriptor)
                ours[name] = self._unbuffered(descriptor - 1)
                setattr(sys, name, ours[name])
        self._streams = ours["stdout"], ours["stderr"]

    def _unbuffered(self, index: int) -> _Stream:
        def written() -> None:
            self._free(index)

        def lost(size: int) -> None:
            self._lost[index] += size
            self._has_lost = True

        raw = _Printed(_STREAMS[index][0], written, lost)
        return _Stream(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


class _Printed(io.FileIO):
    """Writes to a descriptor, calls ``written`` every now and then, and drops without room."""

    def __init__(
        self, descriptor: int, written: Callable[[], None], lost: Callable[[int], None]
    ) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._written, self._lost = written, lost
        self._size = 0  # since the last call of ``written``

    def write(self, data: Any, /) -> int:
        """Write all of ``data``; a disk without room must not fail a step that prints."""
        rest = memoryview(data).cast("B")
        whole = len(rest)
        while len(rest):
            try:
                count = super().write(rest[:_CHUNK_BYTES])
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._lost(len(rest))
                break
            rest = rest[count or 0 :]
            self._size += count or 0
            if self._size >= _CHUNK_BYTES:
                self._size = 0
                self._written()
        return whole


def _find_fallocate() -> Any:
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return function


_FALLOCATE = _find_fallocate()
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


def _punch(file: int, start: int, end: int) -> bool:
    """Free a part of a file, whose length stays; False where the system cannot."""
    if _FALLOCATE is None or ctypes.sizeof(ctypes.c_void_p) < 8:
        return False
    return not _FALLOCATE(file, _KEEP_SIZE | _PUNCH_HOLE, start, end - start)


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


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an op may have put anything there
            stream.flush()

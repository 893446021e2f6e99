"""What ends a worker process whose step goes on after its timeout, and what that leaves of where it
hung.

The timer is faulthandler's: a thread in C that needs no interpreter lock, so that it ends a step
which holds that lock, or never comes back to Python, as well. It writes where each thread is into a
file beside the batch's journal.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import traceback
from types import TracebackType
from typing import NamedTuple

from rayexec.errors import StepTimeoutError
from rayexec.events import ErrorInfo
from rayexec.steps.timeouts import over_time

__all__ = ["ProcessBackstop", "frames_of_step", "hung_step", "read_hung", "take_note"]

_LIMIT = 256 * 1024  # bytes that are read of a note
_CALLERS = (  # of ops, in rayexec
    os.path.join("steps", "attempt.py"),
    os.path.join("engine", "ray", "worker", "batch_runner.py"),
)
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)$')


class ProcessBackstop:
    """Ends the process unless it is disarmed in time; a context manager around a batch with its
    journal at ``path``.
    """

    def __init__(self, path: str) -> None:
        self._path = _file_of(path)
        self._file: int | None = None

    def __enter__(self) -> ProcessBackstop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def arm(self, seconds: float) -> None:
        """End the process in ``seconds``, and leave where it hung."""
        if self._file is None:
            self._file = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600
            )
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def disarm(self) -> None:
        """Let the process live."""
        faulthandler.cancel_dump_traceback_later()


def _file_of(path: str) -> str:
    return f"{path}.hung"


def read_hung(path: str) -> str:
    """Return where the threads of a process were that its backstop ended, and remove the file;
    empty if none did.
    """
    return take_note(_file_of(path))


def take_note(path: str) -> str:
    """Return the text that a process left in a file before it ended, and remove the file; empty if
    there is none.
    """
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            text = file.read(_LIMIT)
        os.unlink(path)
    except OSError:
        return ""
    return text


class _Frame(NamedTuple):
    file: str
    line: int
    name: str


def hung_step(key: str, seconds: float, where: str) -> tuple[StepTimeoutError, ErrorInfo]:
    """Return what befell a step over its timeout of ``seconds``, as an exception and in words;
    ``where`` it hung.
    """
    frames = frames_of_step(where)
    words = over_time(f"step {key!r}", seconds)
    if frames:
        file, line, name = frames[-1]
        words += f", in {name} ({file}, line {line})"
    words += "; it could not be interrupted there, so its worker process was ended"
    error = StepTimeoutError(words)
    lines = traceback.StackSummary.from_list(
        [(*frame, None) for frame in frames]
    ).format()  # looks the source up
    head = ["Traceback (most recent call last):\n", *lines] if frames else []
    return error, ErrorInfo(
        "StepTimeoutError", words, "".join([*head, f"StepTimeoutError: {words}\n"])
    )


def frames_of_step(where: str) -> list[_Frame]:
    """Return the frames of the op, the innermost last: those of the thread that ran the step,
    inside of rayexec's.

    ``where`` is what faulthandler wrote.
    """
    threads: list[list[_Frame]] = []
    for line in where.splitlines():
        if "(most recent call first):" in line:
            threads.append([])
        elif threads and (found := _FRAME.match(line)):
            number = int(found["line"]) if found["line"].isdigit() else 0
            threads[-1].append(_Frame(found["file"], number, found["name"]))
    for frames in threads:
        for place, frame in enumerate(frames):
            caller = next(
                (each for each in _CALLERS if frame.file.endswith(os.path.join("rayexec", each))),
                None,
            )
            if caller is not None:
                package = frame.file[
                    : -len(caller)
                ]  # the worker may have it elsewhere than the driver
                inside = frames[:place][::-1]
                return [each for each in inside if not each.file.startswith(package)] or inside
    return (
        threads[-1][::-1] if threads else []
    )  # so deep that rayexec's are not told: the main thread's

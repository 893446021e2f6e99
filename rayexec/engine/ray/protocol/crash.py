"""What ended a worker process in the middle of a step, as far as the process itself left word of
it.

Ray tells of a dead worker that its connection broke, whatever it died of. But its workers have
faulthandler and Ray's own handler of fatal signals write to standard error, which is caught while a
batch runs: the signal's name and where Python was stand at the end of what the step printed. A step
that calls ``os._exit`` leaves a note.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import signal
import traceback
from types import TracebackType
from typing import NoReturn

from rayexec.engine.ray.protocol.watchdog import frames_of_step, take_note
from rayexec.errors import WorkerCrashedError
from rayexec.events import ErrorInfo

__all__ = ["ExitNoted", "crashed_step", "read_exit"]

_SIGNAL = re.compile(r"\*\*\* (SIG[A-Z0-9]+) received at ")
_FATAL = re.compile(r"^Fatal Python error: ", re.MULTILINE)


class ExitNoted:
    """Has ``os._exit`` leave a note beside ``path`` while the ``with`` block lasts; not in forked
    children.

    Nothing else would tell such an end from a kill: no handler runs, and Ray does not say the
    status.
    """

    def __init__(self, path: str) -> None:
        self._path = _file_of(path)
        self._pid = os.getpid()
        self._exit = os._exit

    def __enter__(self) -> ExitNoted:
        self._exit, os._exit = os._exit, self._noted
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if os._exit == self._noted:  # else an op put something of its own there
            os._exit = self._exit

    def _noted(self, status: int) -> NoReturn:
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError), open(self._path, "w") as file:
                file.write(f"{status}\n")
                file.flush()
                faulthandler.dump_traceback(file, all_threads=False)
        self._exit(status)


def _file_of(path: str) -> str:
    return f"{path}.exit"


def read_exit(path: str) -> str:
    """Return the note that a process left which ended itself, and remove the file; empty if none
    did.
    """
    return take_note(_file_of(path))


def crashed_step(
    key: str, *, exited: str, stderr: str
) -> tuple[WorkerCrashedError, ErrorInfo] | None:
    """Return what befell a step whose process died, as an exception and in words; None where it
    left no word of it.

    ``exited`` is the note of an ``os._exit``, ``stderr`` what the step printed, and the handlers of
    fatal signals.
    """
    signals = list(_SIGNAL.finditer(stderr))
    if exited:
        status, _, where = exited.partition("\n")
        words = f"step {key!r}: the worker process died while it ran the step: it was ended by os._exit({status})"
    elif signals:
        name = signals[-1][1]
        what = (
            signal.strsignal(signal.Signals[name]) if name in signal.Signals.__members__ else None
        )
        died_of = f"{name} ({what.lower()})" if what else name
        words = f"step {key!r}: the worker process died of {died_of} while it ran the step"
        where = stderr[[0, *(each.start() for each in _FATAL.finditer(stderr))][-1] :]
    else:
        return None
    frames = frames_of_step(where)
    if frames:
        file, line, name = frames[-1]
        words += f", in {name} ({file}, line {line})"
    error = WorkerCrashedError(words)
    lines = traceback.StackSummary.from_list(
        [(*frame, None) for frame in frames]
    ).format()  # looks the source up
    head = ["Traceback (most recent call last):\n", *lines] if frames else []
    return error, ErrorInfo(
        "WorkerCrashedError", words, "".join([*head, f"WorkerCrashedError: {words}\n"])
    )

"""Stack dumps of processes that ended in a step, as errors of the step.

Ray says of a dead worker that its connection broke, whatever the reason. But a process that hangs,
dies of a signal or calls ``os._exit`` leaves its stacks, as faulthandler writes them.
"""

from __future__ import annotations

import os
import re
import signal
import traceback
from typing import NamedTuple

from rayexec.engine.ray.tasks import OP_CALLERS
from rayexec.errors import StepTimeoutError, WorkerCrashedError
from rayexec.events import ErrorInfo
from rayexec.steps.timeouts import over_time

__all__ = ["StackFrame", "crashed_step", "frames_of_step", "hung_step"]

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)$')
_SIGNAL = re.compile(r"\*\*\* (SIG[A-Z0-9]+) received at ")
_FATAL = re.compile(r"^Fatal Python error: ", re.MULTILINE)


class StackFrame(NamedTuple):
    """A frame of a stack dump."""

    file: str
    line: int
    name: str


def hung_step(key: str, seconds: float, dump: str) -> tuple[StepTimeoutError, ErrorInfo]:
    """Return the error of a step over its timeout of ``seconds``, from the stacks of its end."""
    frames = frames_of_step(dump)
    message = f"{over_time(f'step {key!r}', seconds)}{_position(frames)}"
    message += "; it could not be interrupted there, so its worker process was ended"
    return StepTimeoutError(message), _error_info("StepTimeoutError", message, frames)


def crashed_step(
    key: str, *, exited: str, stderr: str
) -> tuple[WorkerCrashedError, ErrorInfo] | None:
    """Return the error of a step whose process died; None where it left no stacks.

    ``exited`` is the note of an ``os._exit``. ``stderr`` is the step's standard error: Ray's
    handler of fatal signals and faulthandler write there as well.
    """
    signals = list(_SIGNAL.finditer(stderr))
    if exited:
        status, _, dump = exited.partition("\n")
        reason = f"died while it ran the step: it was ended by os._exit({status})"
    elif signals:
        name = signals[-1][1]
        is_named = name in signal.Signals.__members__
        description = signal.strsignal(signal.Signals[name]) if is_named else None
        died_of = f"{name} ({description.lower()})" if description else name
        reason = f"died of {died_of} while it ran the step"
        dump = stderr[[0, *(match.start() for match in _FATAL.finditer(stderr))][-1] :]
    else:
        return None
    frames = frames_of_step(dump)
    message = f"step {key!r}: the worker process {reason}{_position(frames)}"
    return WorkerCrashedError(message), _error_info("WorkerCrashedError", message, frames)


def _position(frames: list[StackFrame]) -> str:
    if not frames:
        return ""
    file, line, name = frames[-1]
    return f", in {name} ({file}, line {line})"


def _error_info(kind: str, message: str, frames: list[StackFrame]) -> ErrorInfo:
    lines: list[str] = []
    if frames:
        summary = traceback.StackSummary.from_list([(*frame, None) for frame in frames])
        # ``format`` looks up the source.
        lines = ["Traceback (most recent call last):\n", *summary.format()]
    return ErrorInfo(kind, message, "".join([*lines, f"{kind}: {message}\n"]))


def frames_of_step(dump: str) -> list[StackFrame]:
    """Return the op's own frames, the innermost last: the thread of the step, without rayexec.

    Of a stack too deep to show rayexec's frames, returns those of the main thread.
    """
    threads: list[list[StackFrame]] = []
    for line in dump.splitlines():
        if "(most recent call first):" in line:
            threads.append([])
        elif threads and (match := _FRAME.match(line)):
            line_number = int(match["line"]) if match["line"].isdigit() else 0
            threads[-1].append(StackFrame(match["file"], line_number, match["name"]))
    callers = tuple(_file_of(module) for module in OP_CALLERS)
    for frames in threads:
        for depth, frame in enumerate(frames):
            caller = next((file for file in callers if frame.file.endswith(file)), None)
            if caller is not None:
                # The worker may have the package in another directory than the driver.
                package = frame.file[: -len(caller)] + os.path.join("rayexec", "")
                inside = frames[:depth][::-1]
                return [frame for frame in inside if not frame.file.startswith(package)] or inside
    return threads[-1][::-1] if threads else []


def _file_of(module: str) -> str:
    """Return the end of a module's path, from the package on."""
    return f"{module.replace('.', os.sep)}.py"

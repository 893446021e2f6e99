"""Body of a spare driver: preparation, and the wait for a command."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from rayexec.cluster import connect
from rayexec.cluster.ahead import begin_ahead
from rayexec.private_directory import open_private

__all__ = ["await_command"]

_READY = b"ready\n"


def await_command(address: str) -> bool:
    """Prepare this process for runs on the Ray at ``address``, and take over the command of one.

    False comes back if nobody needs this process any more.
    """
    # As under nohup: the driver of a run outlives the terminal.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    answers = os.dup(1)
    os.dup2(2, 1)  # lines of libraries are no answers
    connect(address)
    _run_a_step(address)
    begin_ahead()
    os.write(answers, _READY)
    os.close(answers)
    line = _line()
    if line is None:
        return False
    _become(json.loads(line))
    return True


def _run_a_step(address: str) -> None:
    """Make a run of one step, so that all code of runs is loaded here and in a worker."""
    from rayexec.launch.warm_job import warm

    warm.execute(store=False, address=address, raise_on_error=False)


def _line() -> bytes | None:
    parts: list[bytes] = []
    while part := os.read(0, 1 << 16):
        parts.append(part)
        if part.endswith(b"\n"):
            return b"".join(parts)
    return None


def _become(command: dict[str, Any]) -> None:
    """Have this process be as one that was started with a command."""
    log = open_private(command["log"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["directory"])
    sys.argv = ["rayexec", *command["arguments"]]

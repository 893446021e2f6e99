"""Body of a spare driver: preparation, and the wait for a command."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from rayexec.cluster import connect
from rayexec.cluster.ahead import begin_ahead
from rayexec.cluster.gcs_watch import held_connection
from rayexec.private_directory import open_private

__all__ = ["await_command"]

_READY = b"ready\n"
# A server that ends connections sooner, and lives, gives no sign of its death by that.
_LEAST_S = 1.0


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
    line = _line(address)
    if line is None:
        return False
    _become(json.loads(line))
    return True


def _run_a_step(address: str) -> None:
    """Make a run of one step, so that all code of runs is loaded here and in a worker."""
    from rayexec.launch.warm_job import warm

    warm.execute(store=False, address=address, raise_on_error=False)


def _line(address: str) -> bytes | None:
    """Wait for a command, and return it; None without an owner, or without the Ray any more.

    Another Ray may come at the same address, and this process cannot use it.
    """
    parts: list[bytes] = []
    head, since = held_connection(address), time.monotonic()
    while True:
        sources: list[int | socket.socket] = [0] if head is None else [0, head]
        ready = select.select(sources, [], [])[0]
        if head is not None and head in ready and not _says_something(head):
            head.close()
            head = held_connection(address)
            if head is None:
                return None
            lasted_s, since = time.monotonic() - since, time.monotonic()
            if lasted_s < _LEAST_S:  # It lives, and wants TLS, say.
                head.close()
                head = None
        if 0 in ready:
            part = os.read(0, 1 << 16)
            parts.append(part)
            if part.endswith(b"\n") or not part:
                if head is not None:
                    head.close()
                return b"".join(parts) if part else None


def _says_something(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1 << 16))
    except OSError:
        return False


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

"""Attachment of a terminal to a launched run: its output, and a question at Ctrl-C."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from typing import Literal, TextIO

from rayexec.errors import EngineError
from rayexec.launch.driver_process import DriverEnd
from rayexec.launch.launched_run import LaunchedRun

__all__ = ["attach"]


def attach(run: LaunchedRun, out: TextIO) -> DriverEnd | None:
    """Write the output of a run to ``out`` until its driver ends.

    Ctrl-C asks on the terminal whether to detach, to cancel the run, or to keep waiting. None comes
    back after a detach; the run continues. Raises EngineError if the run is out of reach.
    """
    parts: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(run.logs(follow=True), parts), daemon=True)
    reader.start()
    is_read = False
    while True:
        try:
            while not is_read:
                part = parts.get()
                if isinstance(part, EngineError):
                    raise EngineError(
                        f"{part}\nThe run may continue. To wait for it again: rayexec run wait "
                        f"{run.run_id}"
                    )
                if isinstance(part, BaseException):
                    raise part
                is_read = part is None
                out.write(part or "")
                out.flush()
            return run.driver.wait()
        except KeyboardInterrupt:
            choice = _ask(run.run_id)
        if choice == "detach":
            sys.stderr.write(
                f"Run {run.run_id} continues. To wait for it: rayexec run wait {run.run_id}\n"
                f"To end it: rayexec run cancel {run.run_id}\n"
            )
            return None
        if choice == "cancel":
            sys.stderr.write("Canceling the run: its steps are asked to end.\n")
            run.driver.stop()


def _read(output: Iterator[str], parts: queue.SimpleQueue[str | BaseException | None]) -> None:
    try:
        for part in output:
            parts.put(part)
        parts.put(None)
    except BaseException as error:  # the waiting thread raises it
        parts.put(error)


def _ask(run_id: str) -> Literal["detach", "cancel", "wait"]:
    """Ask for the meaning of an interrupt.

    Without a terminal, or after a second interrupt, it is to detach.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "detach"
    try:
        while True:
            sys.stderr.write(
                f"\nRun {run_id} outlives this command: [d]etach from it, [c]ancel it, or [g]o on "
                "waiting? "
            )
            sys.stderr.flush()
            line = sys.stdin.readline()
            answer = line.strip().lower()[:1]
            if answer == "c":
                return "cancel"
            if answer == "g":
                return "wait"
            if answer == "d" or not line:
                return "detach"
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return "detach"

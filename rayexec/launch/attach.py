"""Waiting for a run that was launched: what it prints is shown, and Ctrl-C need not end it."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Literal, TextIO

from rayexec.cli.exit_codes import INTERRUPTED
from rayexec.errors import EngineError

__all__ = ["wait_for_end"]


def wait_for_end(
    run_id: str,
    printed: Iterator[str],
    stop: Callable[[], object],
    exit_code: Callable[[], int],
    out: TextIO,
) -> int:
    """Write what a run prints to ``out`` until it is over, and return its exit code; or
    INTERRUPTED, and it goes on.

    ``stop`` asks it to end, ``exit_code`` waits for that. Raises EngineError where the run is out
    of reach.
    """
    parts: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    threading.Thread(target=_pour, args=(printed, parts), daemon=True).start()
    is_poured = False
    while True:
        try:
            while not is_poured:
                part = parts.get()
                if isinstance(part, EngineError):
                    raise EngineError(
                        f"{part}\nThe run may go on. To wait for it again: rayexec run wait "
                        f"{run_id}"
                    )
                if isinstance(part, BaseException):
                    raise part
                is_poured = part is None
                out.write(part or "")
                out.flush()
            return exit_code()
        except KeyboardInterrupt:
            choice = _choice(run_id)
        if choice == "d":
            sys.stderr.write(
                f"Run {run_id} goes on. To wait for it: rayexec run wait {run_id}\n"
                f"To end it: rayexec run cancel {run_id}\n"
            )
            return INTERRUPTED
        if choice == "c":
            sys.stderr.write("Canceling the run: its steps are asked to end.\n")
            stop()


def _pour(printed: Iterator[str], parts: queue.SimpleQueue[str | BaseException | None]) -> None:
    try:
        for part in printed:
            parts.put(part)
        parts.put(None)
    except BaseException as error:  # raised again where it is waited for
        parts.put(error)


def _choice(run_id: str) -> Literal["d", "c", "g"]:
    """Ask what an interrupt shall do: detach, cancel or go on; without a terminal, or interrupted
    again, detach.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "d"
    try:
        while True:
            sys.stderr.write(
                f"\nRun {run_id} goes on by itself: [d]etach from it, [c]ancel it, or [g]o on "
                f"waiting? "
            )
            sys.stderr.flush()
            line = sys.stdin.readline()
            answer = line.strip().lower()[:1]
            if answer == "c":
                return "c"
            if answer == "g":
                return "g"
            if answer == "d" or not line:
                return "d"
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return "d"

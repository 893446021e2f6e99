"""End of a child process that an op forked and that comes out of the op.

``os.fork`` returns twice, and so does the op: once in this process and once in the child. The child
has a copy of everything, and would make the rest of the steps a second time.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import NoReturn

__all__ = ["ForkGuard"]

_exit = os._exit  # an op may put a function of its own there
_generation = 0  # forks between the first process and this one; cheaper to look at than the pid


def _count_fork() -> None:
    global _generation
    _generation += 1


os.register_at_fork(after_in_child=_count_fork)


class ForkGuard:
    """Ends a forked child of the process that made it; also in a ``with`` block, at its end."""

    __slots__ = ("_generation",)

    def __init__(self) -> None:
        self._generation = _generation

    def end_child(self, error: BaseException | None = None) -> None:
        """End this process if it is a child; otherwise do nothing.

        ``error`` is what brought the child here. It ends as Python would end: with status 0, with
        that of ``sys.exit``, or with a traceback and status 1.
        """
        if self._generation != _generation:
            _end(error)

    def __enter__(self) -> ForkGuard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end_child(error)


def _end(error: BaseException | None) -> NoReturn:
    status, message = 0, ""
    try:
        if isinstance(error, SystemExit):
            if isinstance(error.code, int):
                status = error.code & 0xFF
            elif error.code is not None:
                status, message = 1, f"{error.code}\n"
        elif error is not None:
            status = 1
            message = f"Exception in process {os.getpid()}, which the step forked:\n"
            message += "".join(traceback.format_exception(error))
        _say(message)
    except BaseException:  # whatever it is, this process must not go on
        status = status or 1
    finally:
        _exit(status)


def _say(message: str) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.write(message)
        sys.stderr.flush()
    except Exception:  # an op may have put anything there
        os.write(2, message.encode(errors="backslashreplace"))

"""Backstop of a step's timeout: ends the worker process, and leaves its stacks.

The timer is faulthandler's, a thread in C without need of the interpreter's lock. So it also ends a
step that holds the lock, or never comes back to Python.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
from types import TracebackType

from rayexec.engine.ray.protocol.batch_files import hang_note_file, new_file

__all__ = ["ProcessBackstop"]


class ProcessBackstop:
    """Ends the process unless it is disarmed in time.

    A context manager around a batch with its journal at ``path``; the stacks go beside it.
    """

    def __init__(self, path: str) -> None:
        self._path = hang_note_file(path)
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
        """End the process in ``seconds``."""
        if self._file is None:
            self._file = new_file(self._path, os.O_WRONLY | os.O_APPEND)
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def disarm(self) -> None:
        """Let the process live."""
        faulthandler.cancel_dump_traceback_later()

"""Note of a process that ends itself by ``os._exit`` in the middle of a step.

Nothing else tells such an end from a kill: no handler runs, and Ray does not say the status.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
from types import TracebackType
from typing import NoReturn

from rayexec.engine.ray.protocol.batch_files import exit_note_file, new_file

__all__ = ["ExitNoted"]


class ExitNoted:
    """Has ``os._exit`` leave a note beside a batch's journal, in a ``with`` block.

    The note is the status, with the stack below. Forked children leave none.
    """

    def __init__(self, path: str) -> None:
        self._path = exit_note_file(path)
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
        if os._exit == self._noted:  # else an op put a function of its own there
            os._exit = self._exit

    def _noted(self, status: int) -> NoReturn:
        if os.getpid() == self._pid:
            with (
                contextlib.suppress(OSError),
                os.fdopen(new_file(self._path, os.O_WRONLY), "w") as file,
            ):
                file.write(f"{status}\n")
                file.flush()
                faulthandler.dump_traceback(file, all_threads=False)
        self._exit(status)

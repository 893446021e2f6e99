"""Stamps of the files of imported code: the reason to import it anew."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

__all__ = ["Stamp", "changed_files", "files_of_load", "stamp", "stamps"]

#: Time of change, size and number of a file; None for no file.
Stamp: TypeAlias = "tuple[int, int, int] | None"

# The clock of a file system may be behind ours by one tick.
_TICK_NS = 20_000_000
_OWN_DIRECTORY = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def stamp(file: str) -> Stamp:
    """Return the stamp of a file, None if it is not there."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def stamps(files: Iterable[str]) -> dict[str, Stamp]:
    """Return the stamps of files by path."""
    return {file: stamp(file) for file in files}


def changed_files(before: Mapping[str, Stamp]) -> list[str]:
    """Return the files whose stamps are not the known ones any more."""
    return [file for file, former in before.items() if stamp(file) != former]


def files_of_load(
    since_ns: int, main: Path | None, error: BaseException | None
) -> dict[str, Stamp]:
    """Return the stamps of all local files that an import has read, or would have read.

    ``since_ns`` is the time when it began: a file that changed later counts as changed. ``main`` is
    the job's own file, and ``error`` the reason why the import failed, if it did.
    """
    from rayexec.definitions.local_modules import local_modules

    files = {module.file for module in local_modules().values()}
    if main is not None:
        files.add(os.path.abspath(main))
    while error is not None:
        files.update(_files_of_error(error))
        error = error.__cause__ or error.__context__
    current = stamps(sorted(files))
    now = time.time_ns()
    return {
        # A time in the future is a clock's mistake, and would count as a change for ever.
        file: (0, 0, 0) if mark and since_ns - _TICK_NS <= mark[0] <= now else mark
        for file, mark in current.items()
    }


def _files_of_error(error: BaseException) -> Iterable[str]:
    """Yield the local files of a traceback, and those that would mend it."""
    from rayexec.definitions.local_modules import is_local

    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if os.path.isabs(file) and is_local("", file) and not file.startswith(_OWN_DIRECTORY):
            yield file
    if isinstance(error, SyntaxError) and error.filename and os.path.isabs(error.filename):
        yield error.filename
    if isinstance(error, ImportError) and error.name:
        # A module that lacks may come in any directory of local code.
        part = error.name.replace(".", os.sep)
        for root in sys.path:
            if os.path.isdir(root) and is_local("", os.path.join(root, "module.py")):
                yield os.path.join(os.path.abspath(root), f"{part}.py")
                yield os.path.join(os.path.abspath(root), part, "__init__.py")

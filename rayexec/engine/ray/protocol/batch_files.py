"""Files of a batch on the node that runs it: its journal, and what lies beside.

A journal's name says which driver reads it: pid, and a digest of the process's start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile

from rayexec.run.process_identity import has_ended, start_of

__all__ = [
    "CAPTURE_LIMIT_BYTES",
    "JOURNAL_PREFIX",
    "captured_files",
    "exit_note_file",
    "hang_note_file",
    "journal_path",
    "remove_journal",
    "sweep_journals",
]

JOURNAL_PREFIX = "rayexec-batch-"
_FORMER_PREFIX = "rayexec-slice-"  # of journals that an earlier version may have left
CAPTURE_LIMIT_BYTES = 1024 * 1024  # of the output of one step on one stream


def _directory() -> str:
    """Return a directory in memory, where the node has one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


def journal_path(run_id: str, batch_id: int) -> str:
    """Return the path of a batch's journal, for a batch of this process."""
    return os.path.join(_directory(), f"{JOURNAL_PREFIX}{_own_name()}-{run_id}-{batch_id}")


_own: tuple[int, str] = (0, "")  # pid, and name; a forked child makes its own


def _own_name() -> str:
    global _own
    pid = os.getpid()
    if _own[0] != pid:
        _own = pid, _name_of(pid, start_of(pid))
    return _own[1]


def _name_of(pid: int, started: str | None) -> str:
    if started is None:
        return str(pid)
    return f"{pid}.{hashlib.sha256(started.encode()).hexdigest()[:8]}"


def remove_journal(path: str) -> None:
    """Remove a journal, if it is on this machine."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def sweep_journals() -> None:
    """Remove files on this machine of drivers that were killed."""
    directory = _directory()
    for name in os.listdir(directory):
        for prefix in (JOURNAL_PREFIX, _FORMER_PREFIX):
            if name.startswith(prefix) and _is_gone(name[len(prefix) :].partition("-")[0]):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(directory, name))


def _is_gone(driver: str) -> bool:
    """Tell whether the process of a name has certainly ended; a later one may have its pid."""
    pid, _, start = driver.partition(".")
    if not pid.isdigit():
        return False
    if has_ended(int(pid), None):
        return True
    now = start_of(int(pid))
    return bool(start) and now is not None and _name_of(int(pid), now) != driver


def captured_files(path: str) -> tuple[str, str]:
    """Return the files of a running step's standard output and standard error."""
    return f"{path}.stdout", f"{path}.stderr"


def hang_note_file(path: str) -> str:
    """Return the file for the stacks of a process that its backstop ends."""
    return f"{path}.hung"


def exit_note_file(path: str) -> str:
    """Return the file for the note of a process that calls ``os._exit``."""
    return f"{path}.exit"

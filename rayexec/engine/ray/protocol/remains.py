"""Remains of a batch whose worker died: its journal, and the files beside it.

The driver collects them on its own machine, and by a Ray task on other nodes. It reads them on its
own: only the driver has the key of the seals.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import stat
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple, TypeVar

from rayexec.engine.ray.protocol.batch_files import (
    CAPTURE_LIMIT_BYTES,
    captured_files,
    exit_note_file,
    find_file,
    hang_note_file,
)
from rayexec.engine.ray.protocol.entries import PlainEntry
from rayexec.engine.ray.protocol.journal_format import (
    journal_key,
    parse_journal,
    printed_in,
)
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts
from rayexec.private_directory import open_private, owned_by_me

__all__ = [
    "BatchRemnants",
    "Remains",
    "collect_prints",
    "collect_remnants",
    "kill_holders",
    "read_remains",
]

# The last bytes of an output over the limit: a dying process prints its reason there.
_TAIL_BYTES = 64 * 1024
_NOTE_LIMIT_BYTES = 256 * 1024
_REMOVED = " (deleted)"  # at the end of a descriptor's link, as the kernel says it

_Content = TypeVar("_Content")


class BatchRemnants(NamedTuple):
    """Content of the files that a dead worker left of a batch; nothing is unpickled yet."""

    journal: bytes
    #: Output of the running call; None where this machine has no such file.
    stdout: str | None
    stderr: str | None
    hung: str
    exited: str


class Remains(NamedTuple):
    """What a dead worker left of a batch."""

    #: Entries of finished calls.
    entries: list[bytes | PlainEntry]
    #: Position of the call that was running, None for none.
    running: int | None
    #: Output of that call.
    stdout: str
    stderr: str
    #: Stacks at the end by the backstop, else empty.
    hung: str = ""
    #: Note of an ``os._exit``, else empty.
    exited: str = ""
    #: The worker, as far as it came to write that down.
    worker: WorkerFacts | None = None


def collect_remnants(name: str) -> BatchRemnants | None:
    """Return what this machine has of the batch whose journal has a name, and remove its files.

    None where this machine has no such journal.
    """
    hung, exited = _note_of(hang_note_file(name)), _note_of(exit_note_file(name))
    journal = _content_of(name, _whole)
    starts = (0, 0) if journal is None else printed_in(journal)
    stdout, stderr = collect_prints(name, starts)
    return None if journal is None else BatchRemnants(journal, stdout, stderr, hung, exited)


def collect_prints(name: str, starts: tuple[int, int]) -> tuple[str | None, str | None]:
    """Return the prints of a running call, which begin at ``starts``, and remove their files.

    None for a file that is not on this machine.
    """
    stdout, stderr = (
        _content_of(file, functools.partial(_both_ends, start=start))
        for file, start in zip(captured_files(name), starts, strict=True)
    )
    return stdout, stderr


def read_remains(name: str, remnants: BatchRemnants, key: bytes, call_count: int) -> Remains:
    """Return what a batch of ``call_count`` calls left; ``key`` is that of its run."""
    entries, running, worker = parse_journal(remnants.journal, journal_key(key, name))
    if running is not None and running >= call_count:
        running = None
    return Remains(
        entries,
        running,
        remnants.stdout or "",
        remnants.stderr or "",
        remnants.hung,
        remnants.exited,
        worker,
    )


def _content_of(name: str, read: Callable[[BinaryIO], _Content]) -> _Content | None:
    """Return what ``read`` gets out of a file of a batch, and remove it; None for none."""
    path = find_file(name)
    if path is None:
        return None
    try:
        with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
            content = read(file)
        os.unlink(path)
    except OSError:  # it is gone, or a stranger's
        return None
    return content


def _whole(file: BinaryIO) -> bytes:
    return file.read()


def _both_ends(file: BinaryIO, start: int) -> str:
    """Return the text of a file from ``start`` on, without the middle of a long one."""
    size = os.fstat(file.fileno()).st_size
    file.seek(start)
    first = _text(file.read(CAPTURE_LIMIT_BYTES))
    left = size - start - CAPTURE_LIMIT_BYTES
    if left <= 0:
        return first
    file.seek(size - min(left, _TAIL_BYTES))
    if left <= _TAIL_BYTES:
        return first + _text(file.read())
    note = f"{left - _TAIL_BYTES:,} bytes that the step printed were left out here\n"
    return f"{first}\nrayexec: {note}{_text(file.read())}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


def _note_of(name: str) -> str:
    """Return the text of a note and remove its file; empty for none."""
    return _content_of(name, lambda file: _text(file.read(_NOTE_LIMIT_BYTES))) or ""


def kill_holders(names: Sequence[str]) -> None:
    """Kill the processes of this node that write to a batch's journal, or to a file beside it.

    ``names`` are those of the journals. The processes are the worker, the forks of its op, and
    programs that print to the captured files.
    """
    wanted = {file for name in names for file in (name, *captured_files(name))}
    files = {}
    for file in wanted:
        path = find_file(file)
        if path is not None:
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                files[file] = (status.st_dev, status.st_ino)
    with contextlib.suppress(OSError):  # a system without /proc
        for process in os.listdir("/proc"):
            if process.isdigit() and int(process) != os.getpid():
                with contextlib.suppress(OSError):  # the process is gone, or another user's
                    if _writes_any(process, wanted, files):
                        os.kill(int(process), signal.SIGKILL)


def _writes_any(process: str, wanted: set[str], files: dict[str, tuple[int, int]]) -> bool:
    """Tell whether a process writes to a wanted file.

    The name of a descriptor is a hint only, since anybody may give a file of theirs any name; what
    counts is the file behind it, by device and inode.
    """
    for descriptor in os.listdir(f"/proc/{process}/fd"):
        with contextlib.suppress(OSError):  # the process has closed it
            link = os.readlink(f"/proc/{process}/fd/{descriptor}").rpartition("/")[2]
            name = link.removesuffix(_REMOVED)
            if name in wanted:
                status = os.stat(f"/proc/{process}/fd/{descriptor}")
                # The files of a batch that is over have no name any more; a process that its op
                # left may have them still.
                is_same = (
                    files.get(name) == (status.st_dev, status.st_ino)
                    if link == name
                    else status.st_nlink == 0
                )
                is_ours = stat.S_ISREG(status.st_mode) and owned_by_me(status)
                if is_same and is_ours and _is_written(process, descriptor):
                    return True
    return False


def _is_written(process: str, descriptor: str) -> bool:
    """Tell whether a descriptor is for writing; drivers that look at a file only read it."""
    with open(f"/proc/{process}/fdinfo/{descriptor}") as file:
        for line in file:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False

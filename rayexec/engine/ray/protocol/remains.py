"""Remains of a batch whose worker died: its journal, and the files beside it.

The driver reads them on its own machine, and by a Ray task on other nodes.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from rayexec.engine.ray.protocol.batch_files import (
    CAPTURE_LIMIT_BYTES,
    captured_files,
    exit_note_file,
    hang_note_file,
)
from rayexec.engine.ray.protocol.entries import PlainEntry
from rayexec.engine.ray.protocol.journal_format import parse_journal
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts

__all__ = ["Remains", "kill_holders", "read_captured", "read_remains"]

# The last bytes of an output over the limit: a dying process prints its reason there.
_TAIL_BYTES = 64 * 1024
_NOTE_LIMIT_BYTES = 256 * 1024


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


def read_remains(path: str) -> Remains | None:
    """Return what is left of the batch with this journal, and remove its files.

    None where this machine has no such journal.
    """
    stdout, stderr = read_captured(path)
    hung, exited = _take_note(hang_note_file(path)), _take_note(exit_note_file(path))
    try:
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
    except OSError:
        return None
    entries, running, worker = parse_journal(data)
    return Remains(entries, running, stdout, stderr, hung, exited, worker)


def read_captured(path: str) -> tuple[str, str]:
    """Return a dead worker's standard output and error, and remove the files."""
    texts = []
    for name in captured_files(path):
        try:
            with open(name, "rb") as file:
                texts.append(_both_ends(file))
            os.unlink(name)
        except OSError:
            texts.append("")
    return texts[0], texts[1]


def _both_ends(file: BinaryIO) -> str:
    size = os.fstat(file.fileno()).st_size
    first = _text(file.read(CAPTURE_LIMIT_BYTES))
    left = size - CAPTURE_LIMIT_BYTES
    if left <= 0:
        return first
    file.seek(max(CAPTURE_LIMIT_BYTES, size - _TAIL_BYTES))
    if left <= _TAIL_BYTES:
        return first + _text(file.read())
    note = f"{left - _TAIL_BYTES:,} bytes that the step printed were left out here\n"
    return f"{first}\nrayexec: {note}{_text(file.read())}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


def _take_note(path: str) -> str:
    """Return the text of a note and remove its file; empty for none."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            text = file.read(_NOTE_LIMIT_BYTES)
        os.unlink(path)
    except OSError:
        return ""
    return text


def kill_holders(paths: Sequence[str]) -> None:
    """Kill the processes of this node that have a journal, or a file beside it, open.

    These are the worker, the forks of its op, and programs that print to the captured files.
    """
    names = [name for path in paths for name in (path, *captured_files(path))]
    wanted = {os.path.realpath(name) for name in names}
    wanted |= {f"{name} (deleted)" for name in wanted}
    with contextlib.suppress(OSError):  # a system without /proc
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                with contextlib.suppress(OSError):  # the process is gone, or another user's
                    directory = f"/proc/{name}/fd"
                    files = os.listdir(directory)
                    if any(os.readlink(f"{directory}/{file}") in wanted for file in files):
                        os.kill(int(name), signal.SIGKILL)

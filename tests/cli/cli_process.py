"""The real command line in a process: with pipes, and on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IN_PROCESS = "execution: {config: {in_process: {}}}\n"
_MARK = "RAYEXEC_TEST_MARK"
_TIMEOUT = 240.0


@contextlib.contextmanager
def imports_undone(directory: Path) -> Iterator[None]:
    """Work in ``directory``, and then forget the modules imported from there."""
    modules, path = set(sys.modules), list(sys.path)
    before = os.getcwd()
    os.chdir(directory)
    yield
    os.chdir(before)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(directory) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a command; on a terminal all of it is in ``stdout``."""

    code: int
    stdout: str
    stderr: str
    left_over: list[str]


# A shell that runs the tests in the background has them ignore interrupts, and so would what they
# start.
_INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
_MAIN = "from rayexec.cli.main import main; main()"
_MAIN_ON_TERMINAL = (
    f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{_INTERRUPTIBLE}\n{_MAIN}"
)


def _environment(mark: str) -> dict[str, str]:
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "PYTHON"))
    }
    return {**inherited, _MARK: mark, "COLUMNS": "", "NO_COLOR": ""}


def _processes(mark: str) -> list[str]:
    """Return the command lines of the processes of one command, by its mark."""
    commands = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"{_MARK}={mark}".encode() in (entry / "environ").read_bytes():
                    commands.append(
                        (entry / "cmdline")
                        .read_bytes()
                        .replace(b"\0", b" ")
                        .decode(errors="replace")
                    )
    return commands


def _left_over(mark: str) -> list[str]:
    deadline = time.monotonic() + 30  # processes that were killed take a moment to go
    while (commands := _processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return commands


def run(
    *arguments: str,
    cwd: Path,
    until: Path | None = None,
    signal_number: int = signal.SIGINT,
    again: Path | None = None,
    before: str = "",
) -> Ended:
    """Run a command with pipes.

    Once the file ``until`` exists, it gets a signal, and for ``again`` a second one. ``before`` is
    Python code that its process runs first.
    """
    mark = uuid.uuid4().hex
    with subprocess.Popen(
        [sys.executable, "-c", f"{_INTERRUPTIBLE}\n{before}\n{_MAIN}", *arguments],
        cwd=cwd,
        env=_environment(mark),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        for file in (until, again):
            if file is not None:
                _await(file)
                process.send_signal(signal_number)
        stdout, stderr = process.communicate(timeout=_TIMEOUT)
    return Ended(process.returncode, stdout, stderr, _left_over(mark))


def _await(file: Path) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not come to be"
        time.sleep(0.02)


def run_on_terminal(
    *arguments: str,
    cwd: Path,
    until: str | None = None,
    keys: bytes = b"\x03",
    stdout: Path | None = None,
    again: str | None = None,
) -> Ended:
    """Run a command on a terminal of its own, and return all its output.

    Once ``until`` is on the terminal, press keys, or close it without any. Once ``again`` is on
    it too, press them a second time.
    """
    mark = uuid.uuid4().hex
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(stdout.open("w")) if stdout is not None else slave
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN_ON_TERMINAL, *arguments],
            cwd=cwd,
            env={**_environment(mark), "TERM": "xterm-256color"},
            stdin=slave,
            stdout=target,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        written = _read_all(master, until, keys, again)
        os.close(master)
        process.wait(_TIMEOUT)
    return Ended(process.returncode, written, "", _left_over(mark))


def _read_all(master: int, until: str | None, keys: bytes, again: str | None = None) -> str:
    written = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # how a terminal says that nobody has it open any more
            data = b""
        if not data:
            return written.decode()
        written += data
        if until is not None and until.encode() in written:
            if not keys:
                return written.decode()
            os.write(master, keys)
            until, again = again, None


_TOKEN = re.compile(
    r"\x1b\[(?P<parameters>[?0-9;]*)(?P<code>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL
)


def screen(written: str) -> list[str]:
    """Return the lines on a terminal of endless height, by the few codes of a live view."""
    lines = [""]
    row = column = 0

    for match in _TOKEN.finditer(written):
        if match["code"] == "A":
            row = max(0, row - int(match["parameters"] or 1))
        elif match["code"] == "K":
            lines[row] = ""
        elif match["code"]:
            continue
        elif match["text"] == "\r":
            column = 0
        elif match["text"] == "\n":
            row += 1
            while len(lines) <= row:
                lines.append("")
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + match["text"] + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]

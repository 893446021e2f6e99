"""Other users, and other places, as a test needs them: another uid, or namespaces of its own.

All of it needs root. A test without it is skipped on a person's machine, and fails under CI.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

__all__ = [
    "STRANGER_UID",
    "MakesDirectory",
    "as_stranger",
    "by_all",
    "by_group",
    "by_sticky",
    "in_namespaces",
    "needs",
    "of_stranger",
    "open_to_all",
]

STRANGER_UID = 20002
_BY_UID = "setpriv", f"--reuid={STRANGER_UID}", f"--regid={STRANGER_UID}", "--clear-groups"
_PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable


class MakesDirectory:
    """An object whose pickle makes a directory, as a trace of code that was run."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self._path,)


def needs(*command: str) -> None:
    """Skip the test where a command in front of ``true`` fails; fail it under CI."""
    reason = _reason_against(command)
    if reason and os.environ.get("CI"):
        pytest.fail(f"CI must be able to run this: {reason}")
    if reason:
        pytest.skip(reason)


@functools.cache
def _reason_against(command: tuple[str, ...]) -> str:
    if shutil.which(command[0]) is None:
        return f"there is no {command[0]} here"
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    return f"{' '.join(command)}: {tried.stderr.strip()}" if tried.returncode else ""


def as_stranger(code: str, *arguments: str | Path) -> str:
    """Return what Python code prints that another user runs, with ``sys.argv[1:]``."""
    needs(*_BY_UID)
    ended = subprocess.run(
        [*_BY_UID, _PYTHON, "-I", "-c", code, *map(str, arguments)],
        cwd="/",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, f"the other user's code failed:\n{ended.stderr}"
    return ended.stdout


def in_namespaces(*flags: str, setup: str = "") -> Sequence[str]:
    """Return the beginning of a command that runs in namespaces of its own.

    ``flags`` are those of unshare; ``setup`` is shell code that runs there first.
    """
    needs("unshare", *flags)
    return ["unshare", *flags, "sh", "-ec", f'{setup}\nexec "$@"', "sh"]


@contextlib.contextmanager
def open_to_all() -> Iterator[Path]:
    """Give a directory like /tmp: all users may write there; pytest's own lets in none."""
    bases = [base for base in ("/tmp", "/var/tmp", "/dev/shm") if os.stat(base).st_mode & 0o001]
    made = Path(tempfile.mkdtemp(prefix="rayexec-strangers-", dir=bases[0]))
    made.chmod(0o1777)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def of_stranger(path: Path) -> None:
    """Give a file or a directory to the other user."""
    needs("setpriv", f"--reuid={STRANGER_UID}", "--clear-groups")
    os.chown(path, STRANGER_UID, STRANGER_UID)


def by_all(path: Path) -> None:
    """Let all users change it."""
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o002)


def by_sticky(path: Path) -> None:
    """Let all users change it, with the sticky bit of ``/tmp``."""
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o1002)


def by_group(path: Path) -> None:
    """Let a group change it that is not this user's own."""
    os.chown(path, -1, 54321)  # a group that has no name here
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o020)

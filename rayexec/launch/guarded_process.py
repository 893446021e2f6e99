"""Guard of a process: when either it or its owner ends, all that it started ends too.

The owner starts a process that calls ``guard`` at once. From then on there are two: the guard, and
the one that does the work. The owner has the only writing end of the pipe ``lifeline``, so that its
end reaches the guard in every case, also after SIGKILL. Processes that the worker left behind,
even in sessions of their own, become children of the guard, which kills them.

This module loads before anything else of the process, so it imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time

__all__ = ["SIGNAL_BASE", "guard"]

#: A guard whose worker died of signal N exits with this number plus N, as shells do.
SIGNAL_BASE = 128
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36  # of <linux/prctl.h>
_KILL_PATIENCE_S = 5.0
_KILL_INTERVAL_S = 0.005


def guard(lifeline: int) -> None:
    """Fork: return in the worker, in a session of its own; the guard exits when all is over.

    ``lifeline`` is the reading end of the owner's pipe.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's
    wake_up, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    owner = os.getpid()
    worker = os.fork()
    if worker == 0:
        _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != owner:  # it died before the line above
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for descriptor in (lifeline, wake_up, wakes):
            os.close(descriptor)
        os.setsid()
        return
    code = 1
    try:
        _close_all_but(lifeline, wake_up, wakes)
        code = _watch(worker, lifeline, wake_up)
    finally:
        _kill_children()
        os._exit(code)


def _close_all_but(*spared: int) -> None:
    """Close descriptors that belong to the worker alone, so that their end is its end."""
    for name in os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd"):
        if int(name) not in spared:
            with contextlib.suppress(OSError):  # the one of the listing itself
                os.close(int(name))


def _watch(worker: int, lifeline: int, wake_up: int) -> int:
    """Wait for the end of the worker or of the owner, and return the exit code of the worker."""
    while True:
        if (code := _reap(worker)) is not None:
            return code
        ready, _, _ = select.select([lifeline, wake_up], [], [])
        if lifeline in ready and not os.read(lifeline, 1):
            return 0
        if wake_up in ready:
            os.read(wake_up, 4096)


def _reap(worker: int) -> int | None:
    """Collect children that have ended; return the exit code of the worker if it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 1
        if pid == 0:
            return None
        if pid == worker:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNAL_BASE - code


def _kill_children() -> None:
    """Kill the children, and those that become ours by that, until there are none."""
    until = time.monotonic() + _KILL_PATIENCE_S
    while time.monotonic() < until:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_KILL_INTERVAL_S)


def _children() -> list[int]:
    own, children = os.getpid(), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name of a program may hold blanks and parentheses.
                fields = file.read().rpartition(b")")[2].split()
                if int(fields[1]) == own:
                    children.append(int(name))
    return children


def _prctl(option: int, value: int) -> None:
    """Ask the kernel, if it is Linux; other systems lack this."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)

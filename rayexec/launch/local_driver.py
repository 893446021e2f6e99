"""Drivers on this machine: detached processes that outlive the launching one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from rayexec.errors import EngineError
from rayexec.events import RunStatus
from rayexec.launch.driver_process import DriverEnd, DriverProcess
from rayexec.launch.notes import (
    LaunchNote,
    find_note,
    log_path,
    note_directory,
    run_id_in_use,
)
from rayexec.private_directory import open_private
from rayexec.store import RunRecord

__all__ = ["DetachedProcess", "LocalDriver", "Spares", "program_arguments", "start_process"]

LOG_INTERVAL_S = 0.2
EXIT_INTERVAL_S = 0.2
_FAILED = 1

# As ``python -m rayexec``, which would look for modules in the working directory first. That may be
# /tmp, where anybody may have put one.
_PROGRAM = """\
import sys
sys.path[:] = filter(None, sys.path)
import runpy
runpy.run_module("rayexec", run_name="__main__", alter_sys=True)
"""
_AS_MODULE = ["-m", "rayexec"]


class DetachedProcess(subprocess.Popen[bytes]):
    """A process that may outlive its owner; Python would warn of it."""

    def __del__(self) -> None:
        pass


class LocalDriver(DriverProcess):
    """A driver of this machine; ``process`` is there if this process started it."""

    def __init__(self, note: LaunchNote, process: subprocess.Popen[bytes] | None = None) -> None:
        super().__init__(note)
        self._process = process

    def record(self) -> RunRecord:
        """Return the state of a run that is in no store: about to begin, or over."""
        note = find_note(self.note.run_id) or self.note  # somebody may have canceled it meanwhile
        if note.driver is not None and note.driver.is_gone():
            status = RunStatus.CANCELED if note.canceled else RunStatus.FAILURE
            return note.record(status, "its driver ended before the run began")
        return note.record(RunStatus.STARTED, "about to begin")

    def output(self, *, follow: bool) -> Iterator[str]:
        """Yield the log of the driver."""
        if self.note.log is None:
            return iter(())
        return _follow(Path(self.note.log), self._is_over if follow else lambda: True)

    def _is_over(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        return self.note.driver is None or self.note.driver.is_gone()

    def stop(self, *, force: bool = False) -> None:
        """Ask the driver to cancel the run; ``force`` has no meaning before the run begins."""
        driver = self.note.driver
        if driver is not None and not driver.is_gone():
            replace(self.note, canceled=True).write()
            with contextlib.suppress(ProcessLookupError):
                os.kill(driver.pid, signal.SIGTERM)

    def wait(self) -> DriverEnd:
        """Wait until the driver ends.

        Only the process that launched it gets its exit code. Others tell success by the record.
        """
        if self._process is not None:
            code = self._process.wait()
            return DriverEnd(code if code >= 0 else _FAILED)  # a signal ended it
        while not self._is_over():
            time.sleep(EXIT_INTERVAL_S)
        run = self.note.recorded()
        is_success = run is not None and run.reader.record().status == RunStatus.SUCCESS
        return DriverEnd(0 if is_success else _FAILED)

    def describe(self) -> Mapping[str, Any]:
        """Return the id of the run, its store, and the pid and log of the driver."""
        note = self.note
        return {
            "run_id": note.run_id,
            "address": None,
            "store": note.store,
            "log": note.log,
            "pid": None if note.driver is None else note.driver.pid,
        }


class Spares(Protocol):
    """Source of processes that are ready for a command line of rayexec."""

    def hand_over(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes] | None:
        """Return a process that carries out a command line from now on; None for none."""


def program_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the command line of Python that runs ``rayexec`` with ``arguments``.

    The working directory is no place of modules there.
    """
    return [sys.executable, "-c", _PROGRAM, *arguments]


def start_process(
    run_id: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    spares: Spares | None = None,
) -> subprocess.Popen[bytes]:
    """Start Python with ``arguments`` in a session of its own, with its output in the run's log.

    They begin with ``-m rayexec``, and the working directory is no place of modules all the same.
    A process of ``spares`` does it instead, if one is ready. Raises LoadError if the run id has a
    log already, and EngineError if no process starts.
    """
    note_directory()
    log = log_path(run_id)
    assert arguments[:2] == _AS_MODULE
    try:
        with open(log, "xb", opener=open_private) as output:
            process = None if spares is None else spares.hand_over(arguments[2:], environment, log)
            if process is not None:
                return process
            # As under nohup: a child inherits an ignored signal.
            before = signal.signal(signal.SIGHUP, signal.SIG_IGN) if _in_main_thread() else None
            try:
                process = DetachedProcess(
                    program_arguments(arguments[2:]),
                    env={**environment, "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            finally:
                if before is not None:
                    signal.signal(signal.SIGHUP, before)
    except FileExistsError:
        raise run_id_in_use(run_id) from None
    except OSError as error:
        raise EngineError(
            f"cannot start a process that writes to {log}: {error.strerror}."
        ) from error
    # Whoever waits gets its exit code, and no zombie remains where nobody does.
    threading.Thread(target=process.wait, name="rayexec-driver", daemon=True).start()
    return process


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _follow(log: Path, is_over: Callable[[], bool]) -> Iterator[str]:
    """Yield the content of a file, and its growth until its writer is over."""
    try:
        with log.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
            while True:
                ends = is_over()  # before the read, so that the last read sees everything
                yield file.read()
                if ends:
                    return
                time.sleep(LOG_INTERVAL_S)
    except OSError as error:
        raise EngineError(
            f"the log of the driver, {log}, cannot be read: {error.strerror}."
        ) from error

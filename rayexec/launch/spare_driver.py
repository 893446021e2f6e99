"""Spare driver: a process that has done the slow parts of a run on a Ray ahead of its command.

It has imported Ray and rayexec, is attached to the Ray, and a worker there has made a run of one
step. No user code is in it. A launch hands it the command line, and from then on it is a driver
as any other: in a session of its own, with its output in the log of its run. A spare that nobody
took ends with the process that prepared it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from rayexec.cluster.gcs_watch import answers
from rayexec.launch.local_driver import DetachedProcess

__all__ = ["SpareDrivers"]

# Between the end of a run and the next spare, at most: a spare takes the machine's time.
_PATIENCE_S = 30.0
_END_TIMEOUT_S = 3.0
# Between the death of a spare and the next one; longer and longer for those that die early.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
READY = b"ready\n"
# The spare loads the command line before it gets a command.
_PROGRAM = """\
import sys
sys.path[:] = filter(None, sys.path)
from rayexec.launch.spare_driver_process import await_command
import rayexec.cli.commands.job_execute, rayexec.cli.commands.run_resume, rayexec.cli.program
if await_command(sys.argv[1]):
    import runpy
    runpy.run_module("rayexec", run_name="__main__", alter_sys=True)
"""


class SpareDrivers:
    """One spare driver at a time, for runs on the Ray at ``address``.

    Any thread may call its methods. ``close`` ends the spare.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._is_closed = threading.Event()
        self._pause_s = _FIRST_PAUSE_S
        self._prepare()

    def _prepare(self) -> None:
        with self._lock:
            if self._is_closed.is_set() or self._spare is not None:
                return
            self._is_ready = False
            self._spare = DetachedProcess(
                [sys.executable, "-c", _PROGRAM, self.address],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            watch = threading.Thread(target=self._watch, args=(self._spare,), daemon=True)
        watch.start()

    def _watch(self, spare: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a spare, and prepare another one where it died before its use."""
        spare.wait()
        with self._lock:
            if self._spare is not spare or self._is_closed.is_set():
                return
            if self._is_ready:
                self._pause_s = _FIRST_PAUSE_S
            self._forget()
        while not self._is_closed.wait(self._pause_s):
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            if answers(self.address):  # a process that finds no Ray costs seconds of the processor
                self._prepare()
                return

    @property
    def is_ready(self) -> bool:
        """Whether a spare waits for its command."""
        with self._lock:
            return self._look()

    def _look(self) -> bool:
        spare = self._spare
        if spare is None or spare.poll() is not None:
            return False
        assert spare.stdout is not None
        if not self._is_ready and select.select([spare.stdout], [], [], 0)[0]:
            self._is_ready = os.read(spare.stdout.fileno(), len(READY)) == READY
        return self._is_ready

    def hand_over(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes] | None:
        """Hand a command line of rayexec to the spare; None comes back if no spare is ready.

        ``log`` is the file for the output, which exists. The next spare comes after the run.
        """
        command = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "directory": os.getcwd(),
            "log": str(log),
        }
        with self._lock:
            if not self._look():
                return None
            spare, self._spare = self._spare, None
        assert spare is not None
        assert spare.stdin is not None
        assert spare.stdout is not None
        try:
            spare.stdin.write(f"{json.dumps(command)}\n".encode())
            spare.stdin.flush()
        except OSError:  # it has just ended
            spare.kill()
            return None
        finally:
            for pipe in (spare.stdin, spare.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            spare.stdin = spare.stdout = None
        threading.Thread(target=self._replace, args=(spare,), daemon=True).start()
        return spare

    def _replace(self, driver: subprocess.Popen[bytes]) -> None:
        """Prepare the next spare once a run is over."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(_PATIENCE_S)
        self._prepare()

    def _forget(self) -> None:
        spare, self._spare = self._spare, None
        if spare is None:
            return
        for pipe in (spare.stdin, spare.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        spare.stdin = spare.stdout = None
        if not self._is_ready:  # it would end no sooner than after its imports
            spare.kill()
        try:
            spare.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            spare.kill()
            spare.wait()

    def close(self) -> None:
        """End the spare; runs go on."""
        self._is_closed.set()
        with self._lock:
            self._forget()

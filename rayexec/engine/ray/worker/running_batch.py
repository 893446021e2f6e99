"""State of a batch while it runs, shared by the worker's main thread and its watches."""

from __future__ import annotations

import os
import threading

from rayexec.definitions.surroundings import StepLog
from rayexec.engine.ray.protocol.worker_messages import BatchBegun, CallsFinished, LinesLogged
from rayexec.engine.ray.worker.answer import Entries
from rayexec.engine.ray.worker.report_sender import ReportSender
from rayexec.events import LiveLines

__all__ = ["RunningBatch"]


class RunningBatch:
    """Knows which calls of a batch may still start, and reports to the driver meanwhile."""

    def __init__(self, batch_id: int, call_count: int, sender: ReportSender) -> None:
        self.batch_id = batch_id
        self.sender = sender
        self._lock = threading.Lock()
        self._end = call_count
        self._current = -1
        self._call_count = call_count
        self._skipped: list[int] = []
        self._is_reported = False
        self.entries = Entries()
        self.is_over = False
        # Start of the current call, in monotonic seconds.
        self.since = float("inf")
        # Position and log of the last call with a log.
        self.log: tuple[int, StepLog] | None = None

    def may_start(self, position: int) -> bool:
        """Claim the call at ``position``; False once the driver has it back."""
        with self._lock:
            if position >= self._end:
                return False
            self._current = position
            return True

    @property
    def current(self) -> int:
        """Position of the call that started last."""
        return self._current

    def send_lines(self, lines: LiveLines) -> None:
        """Report lines of the running call; ``lines.step`` is its position."""
        self.sender.send(LinesLogged(self.batch_id, lines), in_order=True)

    def announce(self) -> None:
        """Report the start of the batch, in a thread: no step waits for that."""
        if self.sender.is_connected:
            threading.Thread(
                target=self.sender.send,
                args=(BatchBegun(self.batch_id),),
                name="rayexec-begun",
                daemon=True,
            ).start()

    def skip(self, position: int) -> None:
        """Leave a call to the driver, since an earlier one did not yield its inputs."""
        with self._lock:
            self._skipped.append(position)

    def give_back(self) -> None:
        """Report finished calls, and return those without a start to the driver; only once."""
        with self._lock:
            self._end = min(self._end, self._current + 1)
            returned = [*self._skipped, *range(self._end, self._call_count)]
            if self.is_over or self._is_reported:
                return
            self._is_reported = True
        self._send(returned)

    def report_progress(self) -> None:
        """Report finished calls."""
        self._send([])

    def _send(self, returned: list[int]) -> None:
        entries = self.entries.so_far()
        if self.sender.is_connected and (entries or returned):
            self.sender.send(CallsFinished(self.batch_id, os.getpid(), entries, returned))

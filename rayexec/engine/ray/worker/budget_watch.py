"""Watch of a batch's budget: nothing waits behind a long step.

A batch over its budget gives back the calls that it has not started.
"""

from __future__ import annotations

import math
import threading
import time

from rayexec.engine.ray.worker.running_batch import RunningBatch

__all__ = ["watch_budget"]


class _BudgetWatch:
    """Thread of a worker process that acts when a batch's budget is spent."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._batch: RunningBatch | None = None
        self._due = 0.0
        # When the thread looks again by itself.
        self._wakes_at = math.inf
        threading.Thread(target=self._run, name="rayexec-overrun", daemon=True).start()

    def arm(self, batch: RunningBatch, seconds: float) -> None:
        with self._wake:
            self._batch, self._due = batch, time.monotonic() + seconds
            # To wake a thread costs a short batch a third of its time. The thread has nearly always
            # been left waiting by the batch before.
            if self._due < self._wakes_at:
                self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._batch is None or self._batch.is_over:
                    self._batch, self._wakes_at = None, math.inf
                    self._wake.wait()
                left = self._due - time.monotonic()
                if left > 0:
                    self._wakes_at = self._due
                    self._wake.wait(left)
                    continue
                batch, self._batch = self._batch, None
            batch.give_back()


_watch: _BudgetWatch | None = None


def watch_budget(batch: RunningBatch, seconds: float) -> None:
    """Have a batch give back its calls in ``seconds``, unless it is over by then."""
    global _watch
    if _watch is None:
        _watch = _BudgetWatch()
    _watch.arm(batch, seconds)

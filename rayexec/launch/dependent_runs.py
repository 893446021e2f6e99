"""Runs that end with a Ray of this process, since their steps run there."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

from rayexec.errors import RayexecError
from rayexec.launch.launched_run import LaunchedRun, ask_to_end

__all__ = ["DependentRuns"]

#: For steps to end by themselves, and then for drivers to write the ends of their runs.
PATIENCE_S, FORCED_PATIENCE_S = 15.0, 5.0
_LOOK_INTERVAL_S = 0.1


class DependentRuns:
    """Launched runs of drivers on this machine; any thread may call the methods."""

    def __init__(self) -> None:
        self._runs: list[LaunchedRun] = []
        self._lock = threading.Lock()
        self._hurry = threading.Event()

    def add(self, run: LaunchedRun) -> None:
        """Remember a run."""
        with self._lock:
            self._runs = [each for each in self._runs if not _has_ended(each)]
            self._runs.append(run)

    def living(self) -> list[LaunchedRun]:
        """Return the runs that are not over."""
        with self._lock:
            runs = list(self._runs)
        return [run for run in runs if not _has_ended(run)]

    def hurry(self) -> None:
        """Have ``cancel``, now or later, kill steps at once."""
        self._hurry.set()

    def cancel(self, via: str, say: Callable[[str], object] = lambda _: None) -> None:
        """Cancel the runs that are not over, and wait until their records say so.

        ``via`` is the reason in the records. Steps get some seconds to end by themselves.
        """
        runs = self.living()
        hurries = self._hurry.is_set()
        _ask(runs, via, force=hurries)
        if not hurries:
            runs = self._await_ends(runs, PATIENCE_S, say, until_hurry=True)
            _ask(runs, via, force=True)
        for run in self._await_ends(runs, FORCED_PATIENCE_S, say, until_hurry=False):
            driver = run.note.driver
            if driver is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(driver.pid, signal.SIGKILL)
            say(f"Run {run.run_id} did not end in time: its driver was killed.")

    def _await_ends(
        self,
        runs: Sequence[LaunchedRun],
        patience_s: float,
        say: Callable[[str], object],
        *,
        until_hurry: bool,
    ) -> list[LaunchedRun]:
        """Wait for the ends of runs, and return those that go on."""
        deadline = time.monotonic() + patience_s
        left = list(runs)
        while left and time.monotonic() < deadline and not (until_hurry and self._hurry.is_set()):
            for run in [run for run in left if _has_ended(run)]:
                left.remove(run)
                say(f"Run {run.run_id}: {_status(run)}.")
            time.sleep(_LOOK_INTERVAL_S if left else 0)
        return left


def _ask(runs: Sequence[LaunchedRun], via: str, *, force: bool) -> None:
    for run in runs:
        try:
            ask_to_end(run.note.recorded() or run, via, force=force)
        except RayexecError:  # Its store is gone, or not writable: a signal needs none.
            run.driver.stop(force=force)


def _has_ended(run: LaunchedRun) -> bool:
    """Whether the driver has ended; it does so after the record says how the run ended."""
    driver = run.note.driver
    return driver is None or driver.is_gone()


def _status(run: LaunchedRun) -> str:
    try:
        return str(run.status.value)
    except RayexecError as error:
        return f"its record cannot be read: {error}"

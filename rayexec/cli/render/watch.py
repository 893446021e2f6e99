"""Base class of the ways to show a run on the command line."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from rayexec.cli.signals import EndingSignals
from rayexec.events import Event
from rayexec.execute import Observer, RunLog
from rayexec.execute.driver import INTERRUPTED
from rayexec.run.spec import RunSpec
from rayexec.scheduler.wait_reasons import Waiting

__all__ = ["Watch", "canceling_line"]

W = TypeVar("W", bound="Watch")


def canceling_line(event: Event) -> str:
    """Return the line on a run that is being canceled, from that event."""
    if event.event_specific_data == INTERRUPTED:
        return "Canceling the run: its steps are asked to end. Press Ctrl-C again to force it."
    return f"Canceling the run: {event.message} Press Ctrl-C to force it."


class Watch(Observer):
    """Shows a run during its ``with`` block; ``spec`` and ``log`` are None until the run starts."""

    spec: RunSpec | None = None
    log: RunLog | None = None

    def __init__(self, signals: EndingSignals) -> None:
        self._signals = signals

    def __enter__(self: W) -> W:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """Remember the run, and handle the ending signals again instead of Ray."""
        self.spec, self.log = spec, log
        self._signals.install()

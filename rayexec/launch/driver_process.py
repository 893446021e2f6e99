"""Interface to the process that drives a launched run, on this machine or on a cluster."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.launch.notes import LaunchNote
from rayexec.store import RunRecord

__all__ = ["DriverEnd", "DriverProcess", "signal_name"]


@dataclass(frozen=True, slots=True)
class DriverEnd:
    """The end of a driver process: its exit code, and explanations beyond its own output."""

    exit_code: int
    explanations: tuple[str, ...] = ()


class DriverProcess(ABC):
    """A process that drives one run; ``note`` is the run's note."""

    def __init__(self, note: LaunchNote) -> None:
        self.note = note

    @abstractmethod
    def record(self) -> RunRecord:
        """Return the state of the run, without its store.

        Raises EngineError if the cluster does not answer.
        """

    @abstractmethod
    def output(self, *, follow: bool) -> Iterator[str]:
        """Yield the output of the process in parts; with ``follow``, until the process ends."""

    @abstractmethod
    def stop(self, *, force: bool = False) -> None:
        """Ask the process to cancel the run; a process that has ended ignores it."""

    @abstractmethod
    def wait(self) -> DriverEnd:
        """Wait until the process ends."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return JSON-able facts of the launch."""


def signal_name(signal_number: int) -> str:
    """Return the name of a signal, such as SIGKILL."""
    try:
        return signal.Signals(signal_number).name
    except ValueError:  # this platform has no name for it
        return f"signal {signal_number}"

"""What the loop asks of an engine, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rayexec.placement.limits import Placement
from rayexec.run.previous_run import StoredValue
from rayexec.run.spec import Batch
from rayexec.scheduler.messages import EngineReport

__all__ = ["Engine"]


class Engine(Protocol):
    """Runs batches and keeps the values that their steps yield.

    ``placement`` tells which limits it holds and which it leaves to the driver, and how many
    batches it runs at once, for now where it ``grows``. ``notes`` are what users may not expect of
    that. It ``runs_here`` where ``wait`` itself runs the steps.
    """

    name: str
    placement: Placement
    grows: bool
    runs_here: bool
    batching: bool
    notes: Sequence[str]

    def start(self) -> None:
        """Get ready; raises EngineError or ResourceError where that fails. Called once, before
        anything else.
        """
        ...

    def submit(self, work: Batch) -> None:
        """Take a batch to run; returns at once."""
        ...

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Return what has come back, waiting up to ``timeout`` seconds (None: for ever) for a first
        one.
        """
        ...

    def wake(self) -> None:
        """End a ``wait`` that waits for something to come back; any thread may call it."""
        ...

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Ask for batches to end, or (``force``) end the processes that run them; each still comes
        back.
        """
        ...

    def release(self, steps: Sequence[int]) -> None:
        """Drop what steps yielded; nobody will ask for it."""
        ...

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Drop some of the values that a step yielded."""
        ...

    def restore(self, step: int, values: Mapping[str, StoredValue]) -> None:
        """Take values of an earlier run for outputs of a step, to be loaded where they are needed."""
        ...

    def packed(self, step: int, output: str) -> Any:
        """Return the value behind an output as a ValueWriter takes it; raises KeyError for none,
        OutputError.
        """
        ...

    def value(self, step: int, output: str) -> object:
        """Return the value behind an output; raises KeyError where none was yielded."""
        ...

    def exception(self, step: int) -> BaseException | None:
        """Return the exception that failed a step, where it could be kept."""
        ...

    def others(self) -> Mapping[int, int]:
        """Return how much other runs hold of the cluster's limits, by their places in the holding."""
        ...

    def warnings(self) -> list[str]:
        """Return what looks wrong now that nothing has come back for a while; each thing is said
        once.
        """
        ...

    def close(self) -> None:
        """Give back everything but the values."""
        ...

"""What the loop asks of an engine, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rayexec.run.messages import EngineEvent
from rayexec.run.spec import Slice

__all__ = ["Engine"]


class Engine(Protocol):
    """Runs slices and keeps the values that their steps yield.

    ``slots`` is how many slices it runs at once, for now where it ``grows``. ``classes`` gives each template's class
    of resource request. ``driver_limit`` is the part of ``max_concurrent`` that is left for the driver to hold, None
    where the engine holds it.
    """

    name: str
    slots: int
    grows: bool
    classes: Sequence[int]
    slicing: bool
    driver_limit: int | None

    def start(self) -> None:
        """Get ready; raises EngineError or ResourceError where that fails. Called once, before anything else."""
        ...

    def submit(self, work: Slice) -> None:
        """Take a slice to run; returns at once."""
        ...

    def wait(self, timeout: float | None) -> list[EngineEvent]:
        """Return what has come back, waiting up to ``timeout`` seconds (None: for ever) for a first one."""
        ...

    def cancel(self, slice_ids: Sequence[int], *, force: bool) -> None:
        """Ask for slices to end, or (``force``) end the processes that run them; each still comes back."""
        ...

    def release(self, steps: Sequence[int]) -> None:
        """Drop what steps yielded; nobody will ask for it."""
        ...

    def value(self, step: int, output: str) -> object:
        """Return the value behind an output; raises KeyError where none was yielded."""
        ...

    def exception(self, step: int) -> BaseException | None:
        """Return the exception that failed a step, where it could be kept."""
        ...

    def close(self) -> None:
        """Give back everything but the values."""
        ...

"""Contract between the driver loop and an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rayexec.events import BatchFacts, LiveLines, ResourceRecord
from rayexec.placement.limits import Placement
from rayexec.run.previous_run import StoredValue
from rayexec.run.spec import Batch
from rayexec.scheduler.messages import EngineReport
from rayexec.steps.io_managers import Originals

__all__ = ["Engine"]


class Engine(ABC):
    """Runs batches and holds the values of their steps.

    The driver loop calls an engine from one thread; only ``wake`` may come from another. A method
    without an implementation here is what every engine must do. The others describe abilities, and
    their defaults fit an engine without the ability.
    """

    #: Name in run config and in messages.
    name: str
    #: Limits that the engine holds, limits that it leaves to the driver, and the present slots.
    placement: Placement
    #: True where more slots may come while the run lasts.
    grows: bool = False
    #: True where ``wait`` itself runs the steps, in the thread of its caller.
    runs_here: bool = False
    #: True where a Ray task around this process started the run.
    is_nested: bool = False
    #: True where several steps may share a batch.
    batching: bool = True
    #: Messages for the user about the placement.
    notes: Sequence[str] = ()
    #: Outputs that IO managers stored, as the ops yielded them; None without ``remember``.
    originals: Originals | None = None
    _on_lines: Callable[[LiveLines], None] | None = None

    @abstractmethod
    def start(self) -> None:
        """Get ready; the driver calls it once, before anything else.

        Raises EngineError or ResourceError.
        """

    def remember(self) -> None:
        """Hold the outputs that IO managers store too, on an engine that runs steps itself.

        The driver calls it before ``start``.
        """
        self.originals = {}

    @abstractmethod
    def submit(self, work: Batch) -> None:
        """Accept a batch; returns at once.

        Exactly one BatchEnded or BatchLost answers it.
        """

    @abstractmethod
    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Return the events since the last call.

        Without any, waits up to ``timeout`` seconds (None: for ever) for the first one.
        """

    @abstractmethod
    def wake(self) -> None:
        """End the present ``wait``, or the next one; any thread may call it."""

    @abstractmethod
    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Ask batches to end, or (``force``) kill the processes that run them.

        Each batch is still answered.
        """

    @abstractmethod
    def release(self, steps: Sequence[int]) -> None:
        """Drop all outputs of steps; nothing asks for them again."""

    @abstractmethod
    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Drop some outputs of a step."""

    @abstractmethod
    def restore(self, step: int, values: Mapping[str, StoredValue]) -> None:
        """Adopt values of an earlier run as a step's outputs; consumers load them."""

    @abstractmethod
    def packed(self, step: int, output: str) -> Any:
        """Return an output as a ValueWriter stores it.

        Raises KeyError for none, and OutputStorageError.
        """

    @abstractmethod
    def value(self, step: int, output: str) -> object:
        """Return an output; raises KeyError for none."""

    @abstractmethod
    def close(self) -> None:
        """Give back everything but the values."""

    def exception(self, step: int) -> BaseException | None:
        """Return the exception of a failed step, None where it did not survive."""
        return None

    def listen(self, on_lines: Callable[[LiveLines], None]) -> None:
        """Pass lines of a running step to ``on_lines`` at once.

        Only an engine with ``runs_here`` calls it; any other returns LiveLines from ``wait``.
        """
        self._on_lines = on_lines

    def facts(self) -> BatchFacts | None:
        """Return the facts of this process, where it runs the steps itself."""
        return None

    def take_resource_records(self) -> Sequence[ResourceRecord]:
        """Return records of resources outside of any attempt, since the last call."""
        return ()

    def others(self) -> Mapping[int, int]:
        """Return the share of other runs in each limit of the cluster, by its index."""
        return {}

    def warnings(self) -> Sequence[str]:
        """Return suspicions about a silence, each once."""
        return ()

"""IO manager for values in memory."""

from __future__ import annotations

from typing import Any

from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.io_manager import IOManager, IOManagerDefinition
from rayexec.definitions.resource import ResourceScope
from rayexec.io.output_files import upstream_of

__all__ = ["InMemoryIOManager", "mem_io_manager"]


class InMemoryIOManager(IOManager):
    """Holds outputs in the memory of this process, by identifier in ``values``.

    It is for runs in one process. ``mem_io_manager`` works everywhere: on Ray the outputs are in
    the object store, as they are without an IO manager.
    """

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], Any] = {}

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Hold the value."""
        self.values[tuple(context.get_identifier())] = obj

    def load_input(self, context: InputContext) -> Any:
        """Return the value; raises LookupError for one that another process holds."""
        identifier = tuple(upstream_of(context).get_identifier())
        if identifier not in self.values:
            raise LookupError(
                "InMemoryIOManager holds values for its own process only: use mem_io_manager, or "
                "no IO manager at all, and the value travels in memory"
            )
        return self.values[identifier]


mem_io_manager = IOManagerDefinition(
    InMemoryIOManager,
    description="Outputs stay in memory: in this process, or in Ray's object store.",
    scope=ResourceScope.WORKER,
    keeps_in_memory=True,
)

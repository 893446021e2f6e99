"""Paths of nodes as objects."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NodeHandle"]


@dataclass(frozen=True, slots=True)
class NodeHandle:
    """Path of a node: its name, and the handle of the graph around it."""

    name: str
    parent: NodeHandle | None = None

    @staticmethod
    def from_string(path: str) -> NodeHandle:
        """Return the handle of a dotted path."""
        graph, _, name = path.rpartition(".")
        return NodeHandle(name, NodeHandle.from_string(graph) if graph else None)

    @property
    def path(self) -> list[str]:
        """Names from the outermost graph to the node."""
        return [*(self.parent.path if self.parent is not None else ()), self.name]

    @property
    def root(self) -> NodeHandle:
        """Handle of the outermost graph."""
        return self if self.parent is None else self.parent.root

    def to_string(self) -> str:
        """Return the dotted path."""
        return ".".join(self.path)

    def __str__(self) -> str:
        return self.to_string()

    def is_or_descends_from(self, handle: NodeHandle) -> bool:
        """Whether the node is that of ``handle``, or inside it."""
        return self.path[: len(handle.path)] == handle.path

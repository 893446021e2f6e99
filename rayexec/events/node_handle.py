"""Paths of nodes in a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rayexec.errors import InvariantError

__all__ = ["NodeHandle"]


class NodeHandle(NamedTuple):
    """The path of a node: its name, and the path of the graph around it, None in the job itself."""

    name: str
    parent: NodeHandle | None = None

    @staticmethod
    def from_path(path: Sequence[str]) -> NodeHandle:
        """Return the handle of the names from the job down; raises InvariantError for none."""
        handle: NodeHandle | None = None
        for name in path:
            handle = NodeHandle(name, handle)
        if handle is None:
            raise InvariantError("the path of a node has one name at least.")
        return handle

    @staticmethod
    def from_string(path: str) -> NodeHandle:
        """Return the handle of a dotted path."""
        return NodeHandle.from_path(path.split("."))

    @property
    def path(self) -> list[str]:
        """The names from the job down."""
        return [*(self.parent.path if self.parent is not None else ()), self.name]

    @property
    def root(self) -> NodeHandle:
        """The outermost node of the path."""
        return self if self.parent is None else self.parent.root

    def is_or_descends_from(self, handle: NodeHandle) -> bool:
        """Whether the node is that one, or inside of it."""
        return self.path[: len(handle.path)] == handle.path

    def to_string(self) -> str:
        """Return the dotted path."""
        return ".".join(self.path)

    def __str__(self) -> str:
        return self.to_string()

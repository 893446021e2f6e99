"""Handles: stand-ins for values in the body of a graph or job, and their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rayexec.errors import InvocationError
from rayexec.names import nearest

__all__ = [
    "Binding",
    "Collected",
    "GraphInput",
    "InvokedOutput",
    "InvokedOutputs",
    "Level",
    "NodeOutput",
    "Source",
]


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """An output of a node of the same graph."""

    node: str
    output: str


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input of the graph itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Collected:
    """All values of an output below a dynamic one, as a list in the order of its mapping keys.

    A nested one is a list of lists.
    """

    source: NodeOutput | Collected


Source: TypeAlias = NodeOutput | GraphInput | Collected
Binding: TypeAlias = Source | tuple[Source, ...]  # a tuple is a fan-in

# The dynamic outputs above a node, outermost first, as "node.output". The node runs once for each
# of their values.
Level: TypeAlias = tuple[str, ...]


class Body(Protocol):
    """The body of a graph or job that makes handles, as far as handles need it."""

    def describe(self, source: Source) -> str:
        """Return a source in words, for messages."""
        ...

    def map(self, handle: InvokedOutput, fn: Callable[[Any], Any]) -> Any:
        """Run ``fn`` once, on a handle for a single value of a dynamic output."""
        ...

    def collect(self, handle: InvokedOutput) -> InvokedOutput:
        """Return the handle of the list of all values of ``handle``."""
        ...

    def stands_for_several(self, handle: InvokedOutput) -> bool:
        """Whether a handle is, at this point of the body, all values of a dynamic output."""
        ...


class InvokedOutput:
    """Stand-in for a future value of a node in the body of a graph.

    Below a dynamic output it stands for all its values; in a function for ``map``, for one of them.
    """

    __slots__ = ("_body", "level", "source")

    def __init__(self, body: Body, source: Source, level: Level = ()) -> None:
        self._body = body
        self.source = source
        self.level = level

    def map(self, fn: Callable[[Any], Any]) -> Any:
        """Map ``fn`` over the values: an op, a graph, or a function that calls some.

        ``fn`` is called once, now. Its result then stands for as many values. Raises
        InvocationError for an output that is not dynamic.
        """
        return self._body.map(self, fn)

    def collect(self) -> InvokedOutput:
        """Return the values as one list, in the order of the mapping keys.

        Below several dynamic outputs, the list has the values of the innermost. Raises
        InvocationError for an output that is not dynamic.
        """
        return self._body.collect(self)

    def belongs_to(self, body: Body) -> bool:
        """Whether the handle was made in ``body``."""
        return self._body is body

    def __repr__(self) -> str:
        return f"<{self._body.describe(self.source)}>"

    def __iter__(self) -> Iterator[Any]:
        if self._body.stands_for_several(self):
            raise InvocationError(
                f"{self!r} stands for values that exist only at run time, so the body of a job "
                f"cannot go through them: run an op for each by .map(op), or pass all of them in a "
                f"list by .collect()."
            )
        raise InvocationError(
            f"{self!r} is one output and cannot be unpacked; declare several with out={{…}}."
        )

    def __getitem__(self, key: Any) -> Any:
        raise InvocationError(
            f"{self!r} stands for a value that exists only at run time; index it inside an op, "
            f"not in the job's body."
        )

    def __bool__(self) -> bool:
        raise InvocationError(
            f"{self!r} stands for a value that exists only at run time; a job's body cannot "
            f"branch on it. Use an op with optional outputs (Out(is_required=False))."
        )


class InvokedOutputs:
    """Handles of a node with several outputs, by unpacking, name or position."""

    def __init__(self, node: str, outputs: dict[str, InvokedOutput]) -> None:
        self._node = node
        self._outputs = outputs

    def __iter__(self) -> Iterator[InvokedOutput]:
        return iter(self._outputs.values())

    def __len__(self) -> int:
        return len(self._outputs)

    def __getattr__(self, name: str) -> InvokedOutput:
        if name.startswith("_") or name not in self._outputs:
            raise AttributeError(
                f"node {self._node!r} has no output named {name!r}; it has "
                f"{', '.join(self._outputs)}."
                f"{nearest(name, self._outputs)}"
            )
        return self._outputs[name]

    def __getitem__(self, key: str | int) -> InvokedOutput:
        return self._outputs[key] if isinstance(key, str) else list(self._outputs.values())[key]

    def __repr__(self) -> str:
        return f"<outputs {', '.join(self._outputs)} of node {self._node}>"

"""What stands for values while the body of a graph or job runs, and where those values come from."""

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
    """An input of the graph itself, passed on to one of its nodes."""

    name: str


@dataclass(frozen=True, slots=True)
class Collected:
    """All values of an output below a dynamic one, in a list by the order of its keys; nested, a
    list of lists.
    """

    source: NodeOutput | Collected


Source: TypeAlias = NodeOutput | GraphInput | Collected
Binding: TypeAlias = Source | tuple[Source, ...]  # a tuple is a fan-in

# The dynamic outputs that a node is below, outermost first, as "node.output": it runs once for each
# of their values.
Level: TypeAlias = tuple[str, ...]


class Body(Protocol):
    """The body of a graph or job that makes handles, as far as handles need it."""

    def describe(self, source: Source) -> str:
        """Return a source in words, for messages."""
        ...

    def map(self, handle: InvokedOutput, fn: Callable[[Any], Any]) -> Any:
        """Run ``fn`` on a handle that stands for one of the values of a dynamic output."""
        ...

    def collect(self, handle: InvokedOutput) -> InvokedOutput:
        """Return the handle of the list of the values of ``handle``."""
        ...

    def stands_for_several(self, handle: InvokedOutput) -> bool:
        """Whether a handle is, at this point of the body, all values of a dynamic output."""
        ...


class InvokedOutput:
    """Stands for a value that a node will output, while a graph is being composed.

    Below a dynamic output it stands for as many values; inside the function given to ``map``, for
    one of them.
    """

    __slots__ = ("_body", "level", "source")

    def __init__(self, body: Body, source: Source, level: Level = ()) -> None:
        self._body = body
        self.source = source
        self.level = level

    def map(self, fn: Callable[[Any], Any]) -> Any:
        """Call ``fn`` (an op, a graph, or a function that calls some) once, for what shall be done
        with each value.

        Returns what it returns, which then stands for as many values. Raises InvocationError for an
        output that is not dynamic.
        """
        return self._body.map(self, fn)

    def collect(self) -> InvokedOutput:
        """Return the values as one list, in the order of the mapping keys; below several dynamic
        outputs, the inmost's.

        Raises InvocationError for an output that is not dynamic.
        """
        return self._body.collect(self)

    def belongs_to(self, body: Body) -> bool:
        """Whether the handle was made in the same body that now uses it."""
        return self._body is body

    def __repr__(self) -> str:
        return f"<{self._body.describe(self.source)}>"

    def __iter__(self) -> Iterator[Any]:
        if self._body.stands_for_several(self):
            raise InvocationError(
                f"{self!r} stands for values that exist only at run time, so the body of a job "
                f"cannot go through them: "
                "run an op for each by .map(op), or pass all of them in a list by .collect()."
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
            f"branch on it. Use an op "
            "with optional outputs (Out(is_required=False))."
        )


class InvokedOutputs:
    """The outputs of a node with several, by unpacking, by name, or by position."""

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

"""Handles: stand-ins for values in the body of a graph or job, and their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rayexec.errors import MisuseError
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
    ``depth`` is the count of dynamic outputs above the function that made it.
    """

    __slots__ = ("_body", "depth", "level", "source")

    def __init__(self, body: Body, source: Source, level: Level = (), depth: int = 0) -> None:
        self._body = body
        self.source = source
        self.level = level
        self.depth = depth

    @property
    def is_whole(self) -> bool:
        """Whether the handle was made to stand for all values of a dynamic output."""
        return len(self.level) > self.depth

    def made_at(self, depth: int) -> InvokedOutput:
        """Return this handle as one that the function below ``depth`` dynamic outputs made."""
        return InvokedOutput(self._body, self.source, self.level, depth)

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
            raise MisuseError(
                f"{self!r} stands for values that exist only at run time, so the body of a job "
                f"cannot go through them: run an op for each by .map(op), or pass all of them in a "
                f"list by .collect()."
            )
        raise MisuseError(
            f"{self!r} is one output and cannot be unpacked; declare several with out={{…}}."
        )

    def __getitem__(self, key: Any) -> Any:
        raise MisuseError(
            f"{self!r} stands for a value that exists only at run time; index it inside an op, "
            f"not in the job's body."
        )

    def _is_called(self, name: str) -> MisuseError:
        return MisuseError(
            f"{self!r} is the output of a call, and {name} comes before the call: check the "
            f"parentheses, such as my_op.{name}(…)()."
        )

    def alias(self, _name: str) -> Any:
        """Raise MisuseError: the call is made, and its node has a name."""
        raise self._is_called("alias")

    def tag(self, _tags: Any) -> Any:
        """Raise MisuseError: the call is made."""
        raise self._is_called("tag")

    def with_hooks(self, _hook_defs: Any) -> Any:
        """Raise MisuseError: the call is made."""
        raise self._is_called("with_hooks")

    def with_retry_policy(self, _retry_policy: Any) -> Any:
        """Raise MisuseError: the call is made."""
        raise self._is_called("with_retry_policy")


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

    def made_at(self, depth: int) -> InvokedOutputs:
        """Return these handles as those of the function below ``depth`` dynamic outputs."""
        outputs = {name: handle.made_at(depth) for name, handle in self._outputs.items()}
        return InvokedOutputs(self._node, outputs)

    def __getitem__(self, key: str | int) -> InvokedOutput:
        return self._outputs[key] if isinstance(key, str) else list(self._outputs.values())[key]

    def __repr__(self) -> str:
        return f"<outputs {', '.join(self._outputs)} of node {self._node}>"

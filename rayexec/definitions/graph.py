"""Graphs: ops and other graphs wired together, by running a function once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from rayexec.definitions.composition import Composition, composing
from rayexec.definitions.handles import (
    Collected,
    GraphInput,
    InvokedOutput,
    InvokedOutputs,
    Level,
    NodeOutput,
)
from rayexec.definitions.hooks import Hooked
from rayexec.definitions.invocation import Invocable, Invocation
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import GraphOut
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import check_name

__all__ = ["GraphDefinition", "Node", "compose"]


@dataclass(frozen=True, eq=False)
class GraphDefinition(Invocable, Hooked):
    """Nodes wired together, as a part of other graphs or of a job."""

    name: str
    nodes: tuple[Node, ...]
    #: The parameters of the body, in order.
    inputs: tuple[str, ...] = ()
    #: The source of each output, by its name.
    outputs: Mapping[str, NodeOutput | Collected] = field(default_factory=dict)
    #: The dynamic outputs inside the graph that multiply an output, by its name.
    levels: Mapping[str, Level] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def input_names(self) -> tuple[str, ...]:
        """Return the inputs in the order of a call's positional arguments."""
        return self.inputs

    def levels_by_output(self) -> Mapping[str, Level]:
        """Return the outputs in order, each with the dynamic outputs that multiply it."""
        return {name: self.levels.get(name, ()) for name in self.outputs}

    def node(self, name: str) -> Node | None:
        """Return the node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def _call_directly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise InvocationError(
            f"graph {self.name!r} was called outside the body of a graph or job; run it by "
            f"execute_in_process()."
        )


Node: TypeAlias = Invocation[OpDefinition | GraphDefinition]

GraphT = TypeVar("GraphT", bound=GraphDefinition)


def compose(
    cls: type[GraphT],
    fn: Callable[..., Any],
    *,
    kind: str,
    name: str,
    description: str | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
) -> GraphT:
    """Run the body ``fn`` and return the ``cls`` that it wires.

    ``kind`` is ``"graph"`` or ``"job"``; the body of a job returns nothing. Raises DefinitionError
    for a contradiction in the body.
    """
    parameters = inspect.signature(fn).parameters.values()
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DefinitionError(f"@{kind} {name}: {parameter} is not supported; name each input.")
    inputs = tuple(
        check_name(parameter.name, f"an input of {kind} {name!r}") for parameter in parameters
    )
    with composing(kind, name) as composition:
        returned = fn(**{each: composition.graph_input(each) for each in inputs})
    if inspect.isgenerator(returned) or inspect.iscoroutine(returned):
        returned.close()
        raise DefinitionError(
            f"@{kind} {name}: the body wires ops and is a plain function, without yield or async."
        )
    if kind == "job" and returned is not None:
        raise DefinitionError(
            f"@job {name}: the body returns a value, but a job has no outputs. Make it a @graph "
            f"and call to_job()."
        )
    handles = _outputs(composition, returned, f"@{kind} {name}", out)
    where = f"@{kind} {name}"
    return cls(
        name=name,
        # A body can call ops and graphs only: nothing else is Invocable.
        nodes=cast("tuple[Node, ...]", composition.nodes),
        inputs=inputs,
        outputs={
            each: _node_output(composition, each, handle, where) for each, handle in handles.items()
        },
        levels={each: handle.level for each, handle in handles.items() if handle.level},
        description=description or inspect.getdoc(fn),
    )


def _outputs(
    composition: Composition,
    returned: Any,
    where: str,
    out: GraphOut | Mapping[str, GraphOut] | None,
) -> dict[str, Any]:
    declared = list(out) if isinstance(out, Mapping) else ["result"] if out is not None else None
    if returned is None:
        if declared:
            raise DefinitionError(
                f"{where}: out declares {', '.join(declared)}, but the body returns nothing."
            )
        return {}
    handles: Iterable[tuple[str, Any]]
    if isinstance(returned, InvokedOutput):
        handles = [(declared[0] if declared else "result", returned)]
    elif isinstance(returned, Mapping):
        handles = list(returned.items())
    elif isinstance(returned, (tuple, list, InvokedOutputs)):
        if declared is None or len(declared) != len(returned):
            raise DefinitionError(
                f"{where}: the body returns {len(returned)} outputs; name as many in "
                f"out={{…: GraphOut()}}, or return "
                "a dict of them."
            )
        handles = list(zip(declared, returned, strict=True))
    else:
        raise DefinitionError(
            f"{where}: the body must return outputs of its nodes, got {type(returned).__name__}."
        )
    outputs = {check_name(name, f"an output of {where}"): handle for name, handle in handles}
    if declared is not None and set(declared) != set(outputs):
        raise DefinitionError(
            f"{where}: out declares {sorted(declared)}, but the body returns {sorted(outputs)}."
        )
    for name, handle in outputs.items():
        if not isinstance(handle, InvokedOutput):
            raise DefinitionError(
                f"{where}: output {name!r} is a {type(handle).__name__}, not the output of a node."
            )
    return outputs


def _node_output(
    composition: Composition, name: str, handle: InvokedOutput, where: str
) -> NodeOutput | Collected:
    source = composition.source_of(handle, f"output {name!r}")
    if isinstance(source, GraphInput):
        raise DefinitionError(
            f"{where}: output {name!r} is its input {source.name!r}; pass it through an op."
        )
    return source

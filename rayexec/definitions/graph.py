"""Graphs: ops and other graphs wired together, by running a function once."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

from rayexec.definitions.composition import Composition, Invocable, Invocation, composing
from rayexec.definitions.handles import (
    Collected,
    GraphInput,
    InvokedOutput,
    InvokedOutputs,
    Level,
    NodeOutput,
)
from rayexec.definitions.ports import GraphOut
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import check_name

__all__ = ["GraphDefinition", "compose", "graph"]


@dataclass(frozen=True, eq=False)
class GraphDefinition(Invocable):
    """Nodes wired together: a part of other graphs, or (by ``to_job``) of a job.

    ``inputs`` are the parameters of its body in order; ``outputs`` map its output names to outputs
    of its nodes, ``levels`` to the dynamic outputs inside it that make them several values.
    """

    name: str
    nodes: tuple[Invocation, ...]
    inputs: tuple[str, ...] = ()
    outputs: Mapping[str, NodeOutput | Collected] = field(default_factory=dict)
    levels: Mapping[str, Level] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def input_names(self) -> tuple[str, ...]:
        """The inputs in the order in which a call gives them by position."""
        return self.inputs

    def levels_by_output(self) -> Mapping[str, Level]:
        """The outputs in order, each with the dynamic outputs that make it several values."""
        return {name: self.levels.get(name, ()) for name in self.outputs}

    def node(self, name: str) -> Invocation | None:
        """Return the node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def to_job(self, **settings: Any) -> Any:
        """Return a JobDefinition around this graph; takes what ``@job`` takes."""
        # Jobs are built on graphs and import this module, so the way back is looked up when it is
        # used.
        return importlib.import_module("rayexec.definitions.job").to_job(self, **settings)

    def execute_in_process(
        self, run_config: Any = None, *, resources: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Run the graph as a job in this process and return the RunResult; takes what the job's
        method takes.
        """
        return self.to_job(resource_defs=resources).execute_in_process(run_config, **options)

    def _call_directly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise InvocationError(
            f"graph {self.name!r} was called outside the body of a graph or job; run it by "
            f"execute_in_process()."
        )


@overload
def graph(fn: Callable[..., Any], /) -> GraphDefinition: ...
@overload
def graph(
    *,
    name: str | None = ...,
    description: str | None = ...,
    out: GraphOut | Mapping[str, GraphOut] | None = ...,
    ins: Mapping[str, Any] | None = ...,
) -> Callable[[Callable[..., Any]], GraphDefinition]: ...
def graph(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
    ins: Mapping[str, Any] | None = None,
) -> GraphDefinition | Callable[[Callable[..., Any]], GraphDefinition]:
    """Make a function whose body calls ops and graphs a graph; the body runs once, now."""

    def decorate(fn: Callable[..., Any]) -> GraphDefinition:
        label = check_name(name or getattr(fn, "__name__", None), "a graph")
        known = inspect.signature(fn).parameters
        for given in ins or ():
            if given not in known:
                raise DefinitionError(
                    f"graph {label!r}: ins names {given!r}, which is not a parameter of the body."
                )
        return compose(fn, kind="graph", name=label, description=description, out=out)

    return decorate if fn is None else decorate(fn)


def compose(
    fn: Callable[..., Any],
    *,
    kind: str,
    name: str,
    description: str | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
) -> GraphDefinition:
    """Run the body ``fn`` and return the graph that it wires; raises DefinitionError where it does
    not hold together.

    ``kind`` (``"graph"`` or ``"job"``) is for messages, and a job's body may not return anything.
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
    return GraphDefinition(
        name=name,
        nodes=composition.nodes,
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

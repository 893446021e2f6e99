"""Checks of a whole graph when a job is made of it: names, open inputs, and resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from rayexec.definitions.composition import two_of_one_name
from rayexec.definitions.graph import GraphDefinition, Node
from rayexec.definitions.handles import GraphInput
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.invocation import Invocable
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.requirements import lacking
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.types import DagsterType
from rayexec.errors import DefinitionError

__all__ = ["check_graph", "check_resources"]

# Inputs of graphs that no run config could give, by graph: a graph never changes.
_UNLOADABLE: WeakKeyDictionary[GraphDefinition, tuple[str, ...]] = WeakKeyDictionary()


def check_graph(graph: GraphDefinition, where: str) -> None:
    """Raise DefinitionError if ``graph`` can't be a job; ``where`` names the job.

    Two definitions or types in it have one name, or nothing gives an input that needs a value.
    """
    definitions: dict[str, Invocable] = {}
    types: dict[str, DagsterType] = {}
    for definition in _definitions(graph, set()):
        if definitions.setdefault(definition.name, definition) is not definition:
            raise DefinitionError(two_of_one_name(where, definition.name))
        if isinstance(definition, OpDefinition):
            for kind in _named_types(definition):
                if types.setdefault(kind.unique_name, kind) is not kind:
                    raise DefinitionError(
                        f"{where} has two types called {kind.unique_name!r}: use one object for "
                        f"both, or rename one of them."
                    )
    _unloadable_inputs(graph, where)


def _named_types(op: OpDefinition) -> Iterator[DagsterType]:
    """Yield the types with a name of their own that users gave to the ports of an op."""
    kinds = [*(port.type for port in op.ins.values()), *(port.type for port in op.outs.values())]
    for kind in kinds:
        if kind.is_custom and kind.has_unique_name:
            yield kind


def check_resources(
    graph: GraphDefinition,
    hooks: Iterable[HookDefinition],
    resources: Mapping[str, ResourceDefinition],
    where: str,
) -> None:
    """Raise DefinitionError for resources that the graph or ``hooks`` require and the job lacks.

    A job without resources of its own gets all from elsewhere, and is checked when it runs.
    """
    if not resources:
        return
    definitions = list(_definitions(graph, set()))
    ops = [each for each in definitions if isinstance(each, OpDefinition)]
    graphs = [graph, *(each for each in definitions if isinstance(each, GraphDefinition))]
    called = [hook for each in graphs for node in each.nodes for hook in node.hooks]
    problems = lacking(ops, [*hooks, *called], resources)
    if problems:
        raise DefinitionError(
            f"{where} lacks resources: {'; '.join(problems)}. Give them in "
            f"@job(resource_defs={{…}}); it has {', '.join(sorted(resources))}."
        )


def _definitions(graph: GraphDefinition, seen: set[int]) -> Iterator[Invocable]:
    """Yield the definitions in a graph at any depth, each once."""
    for node in graph.nodes:
        definition = node.definition
        if id(definition) in seen:
            continue
        seen.add(id(definition))
        yield definition
        if isinstance(definition, GraphDefinition):
            yield from _definitions(definition, seen)


def _unloadable_inputs(graph: GraphDefinition, where: str) -> tuple[str, ...]:
    """Return the inputs of a graph that run config could not give; raises for one inside."""
    if graph in _UNLOADABLE:
        return _UNLOADABLE[graph]
    needed: dict[str, None] = {}
    for node in graph.nodes:
        for name in _needing_a_source(node, where):
            binding = node.inputs.get(name)
            if binding is None:
                raise DefinitionError(
                    f"{where}: input {name!r} of {node.name!r} in {graph.name!r} is of a type "
                    f"which run config cannot give, and nothing is connected to it; connect an "
                    f"output, give it a default, or hand it down from an input of the job."
                )
            members = binding if isinstance(binding, tuple) else (binding,)
            needed.update({each.name: None for each in members if isinstance(each, GraphInput)})
    return _UNLOADABLE.setdefault(graph, tuple(needed))


def _needing_a_source(node: Node, where: str) -> Iterable[str]:
    """Return the inputs of a node that run config could not give."""
    definition = node.definition
    if isinstance(definition, GraphDefinition):
        return _unloadable_inputs(definition, where)
    return _unloadable_of_op(definition)


def _unloadable_of_op(op: OpDefinition) -> list[str]:
    return [
        name
        for name, declared in op.ins.items()
        if not (
            declared.has_default_value
            or declared.input_manager_key is not None
            or declared.type.is_nothing
            or declared.type.loader is not None
        )
    ]

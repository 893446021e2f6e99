"""Checks of a whole graph when a job is made of it: names, open inputs, and resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from rayexec.definitions.graphs.composition import two_of_one_name
from rayexec.definitions.graphs.graph import GraphDefinition, Node
from rayexec.definitions.graphs.requirements import lacking
from rayexec.definitions.handles import Collected, GraphInput
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.invocation import Invocable
from rayexec.definitions.io_manager import IO_MANAGER
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.errors import DefinitionError

__all__ = ["check_graph", "check_resources", "definitions_in", "required_keys"]

# Inputs of graphs that no run config could give, by graph: a graph never changes.
_UNLOADABLE: WeakKeyDictionary[GraphDefinition, tuple[str, ...]] = WeakKeyDictionary()


def check_graph(graph: GraphDefinition, where: str) -> None:
    """Raise DefinitionError if ``graph`` can't be a job; ``where`` names the job.

    Two definitions or types in it have one name, or nothing gives an input that needs a value.
    """
    definitions: dict[str, Invocable] = {}
    types: dict[str, DagsterType] = {}
    for definition in definitions_in(graph):
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
    ops = [each for each in definitions_in(graph) if isinstance(each, OpDefinition)]
    problems = lacking(ops, [*hooks, *_called_hooks(graph)], resources)
    if problems:
        raise DefinitionError(
            f"{where} lacks resources: {'; '.join(problems)}. Give them in "
            f"@job(resource_defs={{…}}); it has {', '.join(sorted(resources))}."
        )


def definitions_in(graph: GraphDefinition) -> Iterator[Invocable]:
    """Yield the definitions in a graph at any depth, each once."""
    return _definitions(graph, set())


def required_keys(
    graph: GraphDefinition,
    hooks: Iterable[HookDefinition],
    resources: Mapping[str, ResourceDefinition],
) -> frozenset[str]:
    """Return the keys of resources that a graph or hooks require, and those that these require."""
    keys: set[str] = set()
    for definition in definitions_in(graph):
        if isinstance(definition, OpDefinition):
            managers = {out.io_manager_key or IO_MANAGER for out in definition.outs.values()}
            managers |= {
                each.input_manager_key
                for each in definition.ins.values()
                if each.input_manager_key is not None
            }
            keys |= definition.resource_keys | managers
    for hook in (*hooks, *_called_hooks(graph)):
        keys |= hook.required_resource_keys
    pending = list(keys)
    for key in pending:
        further = resources[key].required_resource_keys - keys if key in resources else ()
        keys.update(further)
        pending += further
    return frozenset(keys)


def _called_hooks(graph: GraphDefinition) -> list[HookDefinition]:
    graphs = [graph, *(each for each in definitions_in(graph) if isinstance(each, GraphDefinition))]
    return [hook for each in graphs for node in each.nodes for hook in node.hooks]


def _definitions(graph: GraphDefinition, seen: set[int]) -> Iterator[Invocable]:
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
        _check_lists(node, where)
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


def _check_lists(node: Node, where: str) -> None:
    """Raise DefinitionError for a list of outputs at an input whose type is that of one value."""
    for name, binding in node.inputs.items():
        if isinstance(binding, (tuple, Collected)) and isinstance(node.definition, OpDefinition):
            kind = node.definition.ins[name].type
            if not kind.takes_list:
                raise DefinitionError(
                    f"{where}: input {name!r} of {node.name!r} gets a list of outputs, and is of "
                    f"type {kind.name}: annotate it with a list, such as list[{kind.name}]."
                )


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

"""Wiring of a graph: its nodes, and the sources behind its inputs and outputs.

The body of a graph wires by calls. ``wire`` does the same for a graph that is given as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, TypeVar

from rayexec.definitions.graphs.composition import Composition, two_of_one_name
from rayexec.definitions.graphs.dependencies import (
    Dependency,
    DependencyDefinition,
    InputMapping,
    MappedInputPlaceholder,
    MultiDependencyDefinition,
    NodeInvocation,
    OutputMapping,
)
from rayexec.definitions.handles import (
    Collected,
    GraphInput,
    InvokedOutput,
    InvokedOutputs,
    Level,
    NodeOutput,
)
from rayexec.definitions.invocation import Invocable, Invocation, PendingNodeInvocation
from rayexec.errors import DefinitionError
from rayexec.names import nearest

__all__ = ["Wiring", "checked_outputs", "wire"]

_EXAMPLE = 'dependencies={"my_op": {"my_input": DependencyDefinition("other_op")}}'


class Wiring(NamedTuple):
    """The nodes of a graph, its inputs, and the source and level of each output by name."""

    nodes: tuple[Invocation[Invocable], ...]
    inputs: tuple[str, ...]
    outputs: Mapping[str, NodeOutput | Collected]
    levels: Mapping[str, Level]


def checked_outputs(
    composition: Composition, handles: Mapping[str, InvokedOutput], where: str
) -> dict[str, NodeOutput | Collected]:
    """Return the sources of a graph's outputs; raises DefinitionError for one of its inputs."""
    outputs: dict[str, NodeOutput | Collected] = {}
    for name, handle in handles.items():
        source = composition.source_of(handle, f"output {name!r}")
        if isinstance(source, GraphInput):
            raise DefinitionError(
                f"{where}: output {name!r} is its input {source.name!r}; pass it through an op."
            )
        outputs[name] = source
    return outputs


def wire(
    name: str,
    node_defs: Sequence[Invocable] | None,
    dependencies: Mapping[Any, Mapping[str, Dependency]] | None,
    input_mappings: Sequence[InputMapping] | None,
    output_mappings: Sequence[OutputMapping] | None,
) -> Wiring:
    """Return the wiring that data describe; raises DefinitionError for a contradiction in them."""
    where = f"graph {name!r}"
    definitions = _by_name(where, node_defs)
    sources = _normalized(where, dependencies)
    mappings = _all_of(where, "input_mappings", input_mappings, InputMapping)
    given = _all_of(where, "output_mappings", output_mappings, OutputMapping)
    nodes = {node.node_name: node for node in sources}
    used = {node.name for node in sources}
    nodes |= {name: NodeInvocation(name) for name in definitions if name not in used}
    _check_nodes(where, definitions, nodes)
    inputs = {
        node: _Inputs(where, node, definitions[key.name], sources.get(key, {}))
        for node, key in nodes.items()
    }
    for mapping in mappings:
        _member(where, "input mapping", mapping.mapped_node_name, inputs).map(mapping)
    made = _Replay(name, nodes, definitions, inputs).run()
    handles = {
        each.graph_output_name: _output(
            where,
            "output mapping",
            each.mapped_node_name,
            each.mapped_node_output_name,
            _member(where, "output mapping", each.mapped_node_name, made.outputs),
        )
        for each in given
    }
    return Wiring(
        made.composition.nodes,
        tuple(dict.fromkeys(mapping.graph_input_name for mapping in mappings)),
        checked_outputs(made.composition, handles, where),
        {each: handle.level for each, handle in handles.items() if handle.level},
    )


MappingT = TypeVar("MappingT", InputMapping, OutputMapping)
ValueT = TypeVar("ValueT")


def _by_name(where: str, node_defs: Any) -> dict[str, Invocable]:
    if node_defs is not None and (
        isinstance(node_defs, str) or not isinstance(node_defs, Sequence)
    ):
        raise DefinitionError(
            f"{where}: node_defs is a list of ops and graphs, got {type(node_defs).__name__}."
        )
    definitions: dict[str, Invocable] = {}
    for definition in node_defs or ():
        if not isinstance(definition, Invocable):
            label = getattr(definition, "__name__", repr(definition))
            raise DefinitionError(
                f"{where}: node_defs has {label}, which is no op or graph."
                + (" Decorate it with @op or @graph." if callable(definition) else "")
            )
        if definitions.setdefault(definition.name, definition) is not definition:
            raise DefinitionError(two_of_one_name(where, definition.name))
    return definitions


def _normalized(where: str, dependencies: Any) -> dict[NodeInvocation, Mapping[str, Dependency]]:
    if dependencies is not None and not isinstance(dependencies, Mapping):
        raise DefinitionError(
            f"{where}: dependencies is a mapping such as {_EXAMPLE}, got "
            f"{type(dependencies).__name__}."
        )
    normal: dict[NodeInvocation, Mapping[str, Dependency]] = {}
    for key, inputs in (dependencies or {}).items():
        if not isinstance(key, (str, NodeInvocation)):
            raise DefinitionError(
                f"{where}: a key of dependencies is the name of a node or a NodeInvocation, got "
                f"{key!r}."
            )
        node = NodeInvocation(key) if isinstance(key, str) else key
        if not isinstance(inputs, Mapping):
            raise DefinitionError(
                f"{where}: the dependencies of node {node.node_name!r} are a mapping by input, got "
                f"{inputs!r}. Write {_EXAMPLE}."
            )
        for name, dependency in inputs.items():
            if not isinstance(dependency, Dependency):
                raise DefinitionError(
                    f"{where}: the source of input {name!r} of node {node.node_name!r} is a "
                    f"DependencyDefinition, got {dependency!r}. Write {_EXAMPLE}."
                )
        normal[node] = inputs
    return normal


def _all_of(where: str, option: str, mappings: Any, kind: type[MappingT]) -> Sequence[MappingT]:
    for mapping in mappings or ():
        if not isinstance(mapping, kind):
            raise DefinitionError(
                f"{where}: {option} is a list of {kind.__name__}, and has {mapping!r}."
            )
    return list(mappings or ())


def _check_nodes(
    where: str, definitions: Mapping[str, Invocable], nodes: Mapping[str, NodeInvocation]
) -> None:
    for node, key in nodes.items():
        if key.name not in definitions:
            alias = f" (aliased {node!r})" if key.alias else ""
            raise DefinitionError(
                f"{where}: dependencies names node {key.name!r}{alias}, which is not among its "
                f"node_defs.{nearest(key.name, definitions)}"
            )


def _member(where: str, what: str, node: str, nodes: Mapping[str, ValueT]) -> ValueT:
    if node not in nodes:
        raise DefinitionError(
            f"{where}: an {what} names node {node!r}, which the graph does not have."
            f"{nearest(node, nodes)}"
        )
    return nodes[node]


def _output(where: str, what: str, node: str, output: str, returned: Any) -> InvokedOutput:
    """Return the handle of one output of a node, ``returned`` by its call."""
    handles = list(returned) if isinstance(returned, InvokedOutputs) else [returned]
    for handle in handles:
        if isinstance(handle, InvokedOutput) and handle.source == NodeOutput(node, output):
            return handle
    raise DefinitionError(
        f"{where}: an {what} names output {output!r} of node {node!r}, which the node does not "
        f"have."
    )


class _Inputs:
    """The sources of the inputs of one node."""

    def __init__(
        self,
        where: str,
        node: str,
        definition: Invocable,
        dependencies: Mapping[str, Dependency],
    ) -> None:
        self._where = where
        self._node = node
        self._names = definition.input_names()
        self.dependencies = dict(dependencies)
        self.mapped: dict[str, str] = {}
        self._members: dict[tuple[str, int], str] = {}
        for name in dependencies:
            self._check(name, "dependencies")

    def _check(self, name: str, option: str) -> None:
        if name not in self._names:
            raise DefinitionError(
                f"{self._where}: {option} names input {name!r} of node {self._node!r}, which has "
                f"{', '.join(self._names) or 'none'}.{nearest(str(name), self._names)}"
            )

    def map(self, mapping: InputMapping) -> None:
        """Connect an input of the graph."""
        name, index = mapping.mapped_node_input_name, mapping.fan_in_index
        self._check(name, "an input mapping")
        dependency = self.dependencies.get(name)
        if index is not None:
            members = getattr(dependency, "dependencies", ())
            if not (0 <= index < len(members) and members[index] is MappedInputPlaceholder):
                raise DefinitionError(
                    f"{self._where}: an input mapping names member {index} of input {name!r} of "
                    f"node {self._node!r}, where MultiDependencyDefinition has no "
                    f"MappedInputPlaceholder."
                )
            self._members[name, index] = mapping.graph_input_name
        elif dependency is not None or name in self.mapped:
            raise DefinitionError(
                f"{self._where}: an input mapping names input {name!r} of node {self._node!r}, "
                f"which is connected to an output already. Leave one of the two out."
            )
        else:
            self.mapped[name] = mapping.graph_input_name

    def values(
        self, output: Callable[[str, str], InvokedOutput], graph_input: Callable[[str], Any]
    ) -> dict[str, Any]:
        """Return the handles to call the node with."""
        values: dict[str, Any] = {}
        for name, dependency in self.dependencies.items():
            if isinstance(dependency, MultiDependencyDefinition):
                values[name] = [
                    output(member.node, member.output)
                    if isinstance(member, DependencyDefinition)
                    else graph_input(self._member_input(name, index))
                    for index, member in enumerate(dependency.dependencies)
                ]
            elif isinstance(dependency, DependencyDefinition):
                values[name] = output(dependency.node, dependency.output)
            else:
                values[name] = output(dependency.node_name, dependency.output_name).collect()
        return {**values, **{name: graph_input(each) for name, each in self.mapped.items()}}

    def _member_input(self, name: str, index: int) -> str:
        if (name, index) not in self._members:
            raise DefinitionError(
                f"{self._where}: member {index} of input {name!r} of node {self._node!r} is a "
                f"MappedInputPlaceholder, and no input mapping fills it."
            )
        return self._members[name, index]


class _Replay:
    """Calls of all nodes in an order that their dependencies allow, as a body makes them."""

    def __init__(
        self,
        name: str,
        nodes: Mapping[str, NodeInvocation],
        definitions: Mapping[str, Invocable],
        inputs: Mapping[str, _Inputs],
    ) -> None:
        self.composition = Composition("graph", name)
        #: What the call of each node returned.
        self.outputs: dict[str, Any] = {}
        self._where = f"graph {name!r}"
        self._nodes = nodes
        self._definitions = definitions
        self._inputs = inputs

    def run(self) -> _Replay:
        """Call all nodes; raises DefinitionError for dependencies in a circle."""
        before = {node: self._before(node) for node in self._nodes}
        try:
            order = list(TopologicalSorter(before).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise DefinitionError(
                f"{self._where}: its nodes depend on each other in a circle, {circle}. A step "
                f"starts when those before it have ended, so none of these could start."
            ) from None
        for node in order:
            key = self._nodes[node]
            values = self._inputs[node].values(self._output, self.composition.graph_input)
            level = max((each.level for each in _handles(values.values())), key=len, default=())
            pending = PendingNodeInvocation(
                self._definitions[key.name],
                node,
                key.tags,
                tuple(sorted(key.hook_defs, key=lambda hook: hook.name)),
                key.retry_policy,
            )
            with self.composition.mapped_over(level):
                self.outputs[node] = self.composition.invoke(pending, (), values)
        return self

    def _before(self, node: str) -> list[str]:
        before = []
        for name, dependency in self._inputs[node].dependencies.items():
            for output in dependency.get_node_dependencies():
                if output.node not in self._nodes:
                    raise DefinitionError(
                        f"{self._where}: input {name!r} of node {node!r} depends on node "
                        f"{output.node!r}, which the graph does not have."
                        f"{nearest(output.node, self._nodes)}"
                    )
                before.append(output.node)
        return before

    def _output(self, node: str, output: str) -> InvokedOutput:
        return _output(self._where, "entry of dependencies", node, output, self.outputs[node])


def _handles(values: Iterable[Any]) -> list[InvokedOutput]:
    handles: list[InvokedOutput] = []
    for value in values:
        handles += value if isinstance(value, list) else [value]
    return handles

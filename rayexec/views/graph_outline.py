"""Outline of a graph: its nodes as a tree, with their inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from rayexec.definitions.graphs.graph import GraphDefinition, Node
from rayexec.definitions.handles import Binding, Collected, GraphInput, Source
from rayexec.definitions.op import OpDefinition

__all__ = ["InputOutline", "NodeOutline", "OutputOutline", "outline_of_graph"]


@dataclass(frozen=True, slots=True)
class InputOutline:
    """An input of a node; an input of a graph has no type."""

    name: str
    type: str | None
    #: Name of the source, names of all sources of a fan-in, or None without a selected source.
    source: list[str] | str | None
    #: As Python writes it.
    default: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "name": self.name,
            "type": self.type,
            "from": self.source,
            "default": self.default,
        }


@dataclass(frozen=True, slots=True)
class OutputOutline:
    """An output of a node: of an op with its type, of a graph with its source inside."""

    name: str
    is_dynamic: bool
    is_required: bool = True
    type: str | None = None
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        if self.source is not None:
            return {
                "name": self.name,
                "type": None,
                "from": self.source,
                "dynamic": self.is_dynamic,
            }
        return {
            "name": self.name,
            "type": self.type,
            "dynamic": self.is_dynamic,
            "required": self.is_required,
        }


@dataclass(frozen=True, slots=True)
class NodeOutline:
    """A node of a graph: an op, or a graph with ``nodes`` of its own."""

    name: str
    #: Name of the op or graph.
    definition: str
    description: str | None
    inputs: list[InputOutline]
    outputs: list[OutputOutline]
    #: Dynamic outputs; the op runs once for each of their values.
    for_each: Sequence[str] = ()
    #: None for an op.
    nodes: list[NodeOutline] | None = None

    @property
    def kind(self) -> str:
        """``op`` or ``graph``."""
        return "op" if self.nodes is None else "graph"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        document: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "definition": self.definition,
            "description": self.description,
        }
        if self.nodes is None:
            document["for_each"] = list(self.for_each)
        document["inputs"] = [port.to_dict() for port in self.inputs]
        document["outputs"] = [port.to_dict() for port in self.outputs]
        if self.nodes is not None:
            document["nodes"] = [node.to_dict() for node in self.nodes]
        return document


def outline_of_graph(
    graph: GraphDefinition, path: str, selected: Set[str], mapped: Mapping[str, list[str]]
) -> list[NodeOutline]:
    """Return the nodes of a graph at ``path`` in order, as far as they hold ``selected`` ops.

    ``mapped`` has the dynamic outputs of each mapped op, by the path of the op.
    """
    return [
        _node(node, f"{path}{node.name}", path, selected, mapped)
        for node in graph.nodes
        if _is_chosen(f"{path}{node.name}", node.definition, selected)
    ]


def _is_chosen(path: str, definition: OpDefinition | GraphDefinition, selected: Set[str]) -> bool:
    if isinstance(definition, OpDefinition):
        return path in selected
    return any(
        _is_chosen(f"{path}.{node.name}", node.definition, selected) for node in definition.nodes
    )


def _node(
    node: Node, path: str, outer: str, selected: Set[str], mapped: Mapping[str, list[str]]
) -> NodeOutline:
    definition = node.definition
    if isinstance(definition, OpDefinition):
        return NodeOutline(
            node.name,
            definition.name,
            definition.description,
            [
                InputOutline(
                    name,
                    declared.type.name,
                    _sources(node.inputs.get(name), outer, selected),
                    repr(declared.default_value) if declared.has_default_value else None,
                )
                for name, declared in definition.ins.items()
            ],
            [
                OutputOutline(name, out.is_dynamic, out.is_required, type=out.type.name)
                for name, out in definition.outs.items()
            ],
            for_each=mapped.get(path, []),
        )
    return NodeOutline(
        node.name,
        definition.name,
        definition.description,
        [
            InputOutline(name, None, _sources(node.inputs.get(name), outer, selected), None)
            for name in definition.inputs
        ],
        [
            OutputOutline(name, bool(definition.levels.get(name)), source=_inner_source(source))
            for name, source in definition.outputs.items()
        ],
        nodes=outline_of_graph(definition, f"{path}.", selected, mapped),
    )


def _sources(binding: Binding | None, outer: str, selected: Set[str]) -> list[str] | str | None:
    """Return the source of an input, a list for a fan-in, None without a selected source."""
    if binding is None:
        return None
    if isinstance(binding, tuple):
        sources = [_source(source, outer, selected) for source in binding]
        return [source for source in sources if source is not None]
    return _source(binding, outer, selected)


def _source(source: Source, outer: str, selected: Set[str]) -> str | None:
    if isinstance(source, GraphInput):
        return f"input {source.name}"
    if isinstance(source, Collected):
        inner = _source(source.source, outer, selected)
        return None if inner is None else f"{inner}, collected"
    path = f"{outer}{source.node}"
    if path not in selected and not any(op.startswith(f"{path}.") for op in selected):
        return None
    return source.node if source.output == "result" else f"{source.node}.{source.output}"


def _inner_source(source: Source) -> str:
    if isinstance(source, GraphInput):
        return f"input {source.name}"
    if isinstance(source, Collected):
        return f"{_inner_source(source.source)}, collected"
    return f"{source.node}.{source.output}"

"""Wiring of a graph as data: its dependencies and mappings, in the form that ``wire`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rayexec.definitions.graphs.dependencies import (
    Dependency,
    DependencyDefinition,
    DynamicCollectDependencyDefinition,
    InputMapping,
    MappedInputPlaceholder,
    MultiDependencyDefinition,
    NodeInvocation,
    OutputMapping,
)
from rayexec.definitions.handles import Collected, GraphInput, Level, NodeOutput, Source
from rayexec.definitions.invocation import Invocation

__all__ = ["dependencies_of", "input_mappings_of", "output_mappings_of"]


def dependencies_of(
    nodes: Iterable[Invocation[Any]],
) -> dict[NodeInvocation, dict[str, Dependency]]:
    """Return the dependencies of a graph's nodes as data."""
    dependencies = {}
    for node in nodes:
        name = node.definition.name
        key = NodeInvocation(
            name,
            None if node.name == name else node.name,
            node.tags,
            frozenset(node.hooks),
            node.retry_policy,
        )
        dependencies[key] = {
            each: _dependency(binding)
            for each, binding in node.inputs.items()
            if not isinstance(binding, GraphInput)
        }
    return dependencies


def _dependency(binding: NodeOutput | Collected | tuple[Source, ...]) -> Dependency:
    if isinstance(binding, tuple):
        return MultiDependencyDefinition(
            [
                DependencyDefinition(member.node, member.output)
                if isinstance(member, NodeOutput)
                else MappedInputPlaceholder
                for member in binding
            ]
        )
    if isinstance(binding, Collected):
        inner = _innermost(binding)
        return DynamicCollectDependencyDefinition(inner.node, inner.output)
    return DependencyDefinition(binding.node, binding.output)


def input_mappings_of(
    nodes: Iterable[Invocation[Any]], inputs: Sequence[str]
) -> list[InputMapping]:
    """Return the inputs of a graph as data, in their order."""
    mappings: list[InputMapping] = []
    for node in nodes:
        for name, binding in node.inputs.items():
            members = binding if isinstance(binding, tuple) else (binding,)
            for index, member in enumerate(members):
                if isinstance(member, GraphInput):
                    fan_in = index if isinstance(binding, tuple) else None
                    mappings.append(InputMapping(member.name, node.name, name, fan_in))
    return sorted(mappings, key=lambda mapping: inputs.index(mapping.graph_input_name))


def output_mappings_of(
    outputs: Mapping[str, NodeOutput | Collected], levels: Mapping[str, Level]
) -> list[OutputMapping]:
    """Return the outputs of a graph as data."""
    mappings = []
    for name, source in outputs.items():
        inner = _innermost(source)
        mappings.append(
            OutputMapping(name, inner.node, inner.output, from_dynamic_mapping=name in levels)
        )
    return mappings


def _innermost(source: NodeOutput | Collected) -> NodeOutput:
    """Return the output behind a collected list, or behind a list of such lists."""
    while isinstance(source, Collected):
        source = source.source
    return source

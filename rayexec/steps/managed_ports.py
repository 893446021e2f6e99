"""Outputs and inputs of a plan that pass through IO managers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.resource import ResourceDefinition
from rayexec.plan.base import Plan
from rayexec.plan.model import FromCollected, FromConfig, FromStep, NodeSource, innermost

__all__ = ["ManagedPorts", "managed_ports"]

# An output or input of an op: the index of its template in the plan, and its name.
Port: TypeAlias = tuple[int, str]


class ManagedPorts(NamedTuple):
    """Outputs and inputs of a plan that need an IO manager in a run."""

    #: The manager keys of outputs. A key is None if no manager stores the output but one loads it:
    #: its value travels with its origin.
    outputs: Mapping[Port, str | None]
    #: The inputs that consume such an output or have a manager of their own.
    inputs: frozenset[Port]
    #: The templates of all of them.
    templates: frozenset[int]


def managed_ports(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> ManagedPorts | None:
    """Return the ports with IO managers in runs of ``plan`` with ``resources``; None for none."""
    outputs: dict[Port, str | None] = {}
    inputs: set[Port] = set()
    for index, template in enumerate(plan.templates):
        for name, out in template.op.outs.items():
            key = manager_key(out, resources)
            if key is not None:
                outputs[index, name] = key
        inputs |= {
            (index, name)
            for name, declared in template.op.ins.items()
            if declared.input_manager_key is not None
        }
    if not outputs and not inputs:
        return None
    producers_of: dict[Port, set[Port]] = {}
    for consumer, producer in _connections(plan):
        producers_of.setdefault(consumer, set()).add(producer)
    for consumer in inputs:
        for producer in producers_of.get(consumer, ()):
            outputs.setdefault(producer, None)
    inputs |= {
        consumer
        for consumer, producers in producers_of.items()
        if not producers.isdisjoint(outputs)
    }
    templates = frozenset(index for index, _ in (*outputs, *inputs))
    return ManagedPorts(outputs, frozenset(inputs), templates)


def _connections(plan: Plan) -> Iterator[tuple[Port, Port]]:
    """Yield consumer and producer of every connection that passes values."""

    def producer_of(source: NodeSource) -> Port | None:
        if isinstance(source, FromCollected):
            source = innermost(source)
        if isinstance(source, FromConfig):
            return None
        node = (
            plan.steps[source.step]
            if isinstance(source, FromStep)
            else plan.mapped_nodes[source.node]
        )
        return node.template, source.output

    for step in plan.steps:
        for index, declared in enumerate(step.inputs):
            collected = plan.collected_inputs.get((step.index, index))
            for source in declared.sources if collected is None else (collected,):
                producer = producer_of(source)
                if producer is not None and not declared.is_nothing:
                    yield (step.template, declared.name), producer
    for node in plan.mapped_nodes:
        for mapped_input in node.inputs:
            for mapped_source in mapped_input.sources:
                producer = producer_of(mapped_source)
                if producer is not None and not mapped_input.is_nothing:
                    yield (node.template, mapped_input.name), producer

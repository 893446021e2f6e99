"""Consumers of dynamic outputs: the mapped nodes and the collected inputs below each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rayexec.plan.base import Plan
from rayexec.plan.model import (
    FanOut,
    FromCollected,
    FromConfig,
    FromMapped,
    FromStep,
    NodeSource,
    innermost,
)

__all__ = [
    "CollectingInput",
    "FanOutConsumers",
    "consumer_counts",
    "fan_out_consumers",
    "outside_sources",
]


class CollectingInput(NamedTuple):
    """An input that collects values below a dynamic output.

    A list of lists appears once for each dynamic output that it spans.
    """

    #: The node of the input, numbered as in ``FanOut``.
    consumer: int
    input: int
    #: The number of dynamic outputs above the consumer itself.
    depth: int
    #: The source of each value: the collected output, or the next dynamic output of a nested list.
    member: FromStep | FromMapped
    is_nested: bool


class FanOutConsumers(NamedTuple):
    """The consumers of one dynamic output."""

    #: The indices of the mapped nodes with a step for each value.
    mapped: tuple[int, ...]
    collecting: tuple[CollectingInput, ...]


def fan_out_consumers(plan: Plan) -> Mapping[FanOut, FanOutConsumers]:
    """Return the consumers of each dynamic output that has any."""
    mapped: dict[FanOut, list[int]] = {}
    collecting: dict[FanOut, list[CollectingInput]] = {}

    def add_collecting(consumer: int, index: int, collected: FromCollected, depth: int) -> None:
        output = innermost(collected)
        fan_outs = plan.fan_outs_of(output)
        for level in range(depth, len(fan_outs)):
            is_last = level == len(fan_outs) - 1
            member = output if is_last else _output_of(fan_outs[level + 1])
            collecting.setdefault(fan_outs[level], []).append(
                CollectingInput(consumer, index, depth, member, not is_last)
            )

    for node_index, node in enumerate(plan.mapped_nodes):
        mapped.setdefault(node.fan_outs[-1], []).append(node_index)
        for index, node_input in enumerate(node.inputs):
            if node_input.collected is not None:
                add_collecting(-1 - node_index, index, node_input.collected, len(node.fan_outs))
    for (step, index), collected in plan.collected_inputs.items():
        add_collecting(step, index, collected, 0)
    return {
        fan_out: FanOutConsumers(tuple(mapped.get(fan_out, ())), tuple(collecting.get(fan_out, ())))
        for fan_out in {**mapped, **collecting}
    }


def outside_sources(plan: Plan) -> Mapping[int, tuple[FromStep | FromMapped, ...]]:
    """Return for each node with dynamic outputs the outside sources of the mapped nodes below it.

    Nodes are numbered as in ``FanOut``.
    """
    # Named tuples of different types may be equal, hence the type in the key.
    outside: dict[int, dict[tuple[type, FromStep | FromMapped], None]] = {}
    for node in plan.mapped_nodes:
        for depth, fan_out in enumerate(node.fan_outs):
            for node_input in node.inputs:
                for source in node_input.sources:
                    output = innermost(source) if isinstance(source, FromCollected) else source
                    if (
                        not isinstance(output, FromConfig)
                        and len(plan.fan_outs_of(output)) <= depth
                    ):
                        outside.setdefault(fan_out.node, {})[type(output), output] = None
    return {node: tuple([source for _, source in sources]) for node, sources in outside.items()}


def consumer_counts(plan: Plan) -> Mapping[FanOut, int]:
    """Return for each dynamic output the number of mapped nodes that take each of its values.

    It leaves out dynamic outputs with other consumers: a collected input, a node further below, or
    the job's own outputs.
    """
    counts: dict[FanOut, int] = {}
    shared: set[FanOut] = set()

    def fan_out_of(source: NodeSource) -> FanOut | None:
        fan_outs = plan.fan_outs_of(source)
        if isinstance(source, FromStep):
            own = FanOut(source.step, source.output)
        elif isinstance(source, FromMapped):
            own = FanOut(-1 - source.node, source.output)
        else:
            return None
        return own if fan_outs and fan_outs[-1] == own else None

    for node in plan.mapped_nodes:
        direct: list[NodeSource] = []
        for node_input in node.inputs:
            for source in node_input.sources:
                if isinstance(source, FromCollected):
                    shared.update(filter(None, [fan_out_of(innermost(source))]))
                else:
                    direct.append(source)
        for fan_out in {fan_out for fan_out in map(fan_out_of, direct) if fan_out is not None}:
            if fan_out == node.fan_outs[-1]:
                counts[fan_out] = counts.get(fan_out, 0) + 1
            else:
                shared.add(fan_out)
    for source in (*plan.collected_inputs.values(), *plan.outputs.values()):
        output = innermost(source) if isinstance(source, FromCollected) else source
        shared.update(filter(None, [fan_out_of(output)]))
    return {fan_out: count for fan_out, count in counts.items() if fan_out not in shared}


def _output_of(fan_out: FanOut) -> FromStep | FromMapped:
    return (
        FromStep(fan_out.node, fan_out.output)
        if fan_out.node >= 0
        else FromMapped(-1 - fan_out.node, fan_out.output)
    )

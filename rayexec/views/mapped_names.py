"""Names of mapped nodes and of their steps, such as ``inc[?]``, before the run knows the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rayexec.plan import FromStep, Plan
from rayexec.plan.model import (
    FanOut,
    FromCollected,
    FromConfig,
    FromMapped,
    MappedNode,
    NodeSource,
    Step,
    innermost,
)

__all__ = ["fan_names", "in_order", "mapped_key", "sources_of"]


def mapped_key(node: MappedNode) -> str:
    """Return the key that stands for all steps of a node: ``inc[?]``, or ``inner[?,?]``."""
    return f"{node.key}[{','.join('?' * len(node.fan_outs))}]"


def fan_names(plan: Plan, fan_outs: Iterable[FanOut]) -> list[str]:
    """Return dynamic outputs by node path and output: ``dyn.result``."""
    return [f"{_node(plan, fan_out).key}.{fan_out.output}" for fan_out in fan_outs]


def _node(plan: Plan, fan_out: FanOut) -> Step | MappedNode:
    return plan.steps[fan_out.node] if fan_out.node >= 0 else plan.mapped_nodes[-1 - fan_out.node]


def sources_of(plan: Plan, node: Step | MappedNode) -> list[str]:
    """Return the keys of the sources of a node; of a collected source the key of its node."""
    keys = [_key(plan, source) for source in _sources(plan, node)]
    return list(dict.fromkeys(key for key in keys if key is not None))


def _sources(plan: Plan, node: Step | MappedNode) -> Iterator[FromStep | FromMapped | FromConfig]:
    for index in range(len(node.inputs)):
        collected = (
            plan.collected_inputs.get((node.index, index)) if isinstance(node, Step) else None
        )
        sources: Iterable[NodeSource] = (
            node.inputs[index].sources if collected is None else (collected,)
        )
        for source in sources:
            yield innermost(source) if isinstance(source, FromCollected) else source


def _key(plan: Plan, source: FromStep | FromMapped | FromConfig) -> str | None:
    if isinstance(source, FromMapped):
        return mapped_key(plan.mapped_nodes[source.node])
    return plan.steps[source.step].key if isinstance(source, FromStep) else None


def in_order(plan: Plan) -> Iterator[Step | int]:
    """Yield the steps and the indices of mapped nodes, each behind all of its sources."""
    after: dict[int, list[int]] = {}
    # For each mapped node the last step among its sources and the sources of these.
    last_source: list[int] = []
    for index, node in enumerate(plan.mapped_nodes):
        last = -1
        for source in _sources(plan, node):
            if isinstance(source, FromMapped):
                last = max(last, last_source[source.node])
            elif isinstance(source, FromStep):
                last = max(last, source.step)
        last_source.append(last)
        after.setdefault(last, []).append(index)
    for step in plan.steps:
        yield step
        yield from after.get(step.index, ())

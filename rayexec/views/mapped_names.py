"""Mapped nodes in words: a step of theirs is written ``inc[?]``, since its mapping keys come at run
time.
"""

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

__all__ = ["at_least", "fan_names", "in_order", "mapped_key", "sources_of"]


def at_least(count: int, noun: str, *, more: bool) -> str:
    """Return a count in words; where there may be ``more``, it is the least."""
    return f"{'at least ' if more else ''}{count:,} {noun}{'' if count == 1 else 's'}"


def mapped_key(node: MappedNode) -> str:
    """Return the key that stands for those of all steps of a node: ``inc[?]``, or ``inner[?,?]``."""
    return f"{node.key}[{','.join('?' * len(node.fan_outs))}]"


def fan_names(plan: Plan, level: Iterable[FanOut]) -> list[str]:
    """Return dynamic outputs as (node path, output): ``dyn.result``."""
    return [f"{_node(plan, fan).key}.{fan.output}" for fan in level]


def _node(plan: Plan, fan: FanOut) -> Step | MappedNode:
    return plan.steps[fan.node] if fan.node >= 0 else plan.mapped_nodes[-1 - fan.node]


def sources_of(plan: Plan, node: Step | MappedNode) -> list[str]:
    """Return the keys of what a node takes from; of what it collects those that are collected."""
    keys = [_key(plan, symbol) for symbol in _symbols(plan, node)]
    return list(dict.fromkeys(key for key in keys if key is not None))


def _symbols(plan: Plan, node: Step | MappedNode) -> Iterator[FromStep | FromMapped | FromConfig]:
    for place in range(len(node.inputs)):
        gathered = (
            plan.collected_inputs.get((node.index, place)) if isinstance(node, Step) else None
        )
        symbols: Iterable[NodeSource] = (
            node.inputs[place].sources if gathered is None else (gathered,)
        )
        for symbol in symbols:
            yield innermost(symbol) if isinstance(symbol, FromCollected) else symbol


def _key(plan: Plan, symbol: FromStep | FromMapped | FromConfig) -> str | None:
    if isinstance(symbol, FromMapped):
        return mapped_key(plan.mapped_nodes[symbol.node])
    return plan.steps[symbol.step].key if isinstance(symbol, FromStep) else None


def in_order(plan: Plan) -> Iterator[Step | int]:
    """Yield the steps and, as their places, the mapped nodes, each behind all that it takes from."""
    after: dict[int, list[int]] = {}
    behind: list[
        int
    ] = []  # for each mapped node the last step that it takes from, at first or second hand
    for place, node in enumerate(plan.mapped_nodes):
        last = -1
        for symbol in _symbols(plan, node):
            if isinstance(symbol, FromMapped):
                last = max(last, behind[symbol.node])
            elif isinstance(symbol, FromStep):
                last = max(last, symbol.step)
        behind.append(last)
        after.setdefault(last, []).append(place)
    for step in plan.steps:
        yield step
        yield from after.get(step.index, ())

"""Graph of ops for drawing: of a job's plan, or of the log of a run without the job's code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rayexec.errors import SelectionError
from rayexec.names import mapping_keys, nearest, node_path
from rayexec.plan import Plan
from rayexec.plan.model import (
    FromCollected,
    FromConfig,
    FromMapped,
    MappedNode,
    NodeSource,
    Step,
    innermost,
)
from rayexec.views.mapped_names import in_order

__all__ = ["GraphModel", "OpEdge", "OpNode", "graph_of_log", "graph_of_plan"]

# Steps of a mapped op that tell its sources: all of them have the same.
_STEPS_LOOKED_AT = 2
_MOST_TAGS, _MOST_TAG_LENGTH = 2, 30


@dataclass(frozen=True, slots=True)
class OpNode:
    """An op of the graph: one step of a run, or all steps of a mapped op."""

    #: The dotted path of the node.
    path: str
    #: Name of the op.
    op: str
    is_mapped: bool = False
    #: What a viewer should know at a glance: ``cached``, ``retries``, ``pool:gpu``.
    marks: tuple[str, ...] = ()
    #: The tags of its steps that fit beside its name, as ``key=value``.
    tags: tuple[str, ...] = ()


class OpEdge(NamedTuple):
    """Outputs of the op at index ``source`` that the op at index ``target`` takes."""

    source: int
    target: int
    #: The outputs by name, empty for the only output ``result``.
    label: str = ""
    #: The target runs once for each value.
    is_dynamic: bool = False
    #: The target takes all values as a list.
    is_collected: bool = False


@dataclass(frozen=True)
class GraphModel:
    """Ops, each behind its sources, and the edges between them."""

    ops: tuple[OpNode, ...]
    edges: tuple[OpEdge, ...]

    @cached_property
    def index_of(self) -> Mapping[str, int]:
        """Index of each op, by its path."""
        return {node.path: index for index, node in enumerate(self.ops)}

    def ops_at(self, path: str) -> list[int]:
        """Return the ops at a path: one op, or all of a graph. Raises SelectionError."""
        if path in self.index_of:
            return [self.index_of[path]]
        inside = [index for index, node in enumerate(self.ops) if node.path.startswith(f"{path}.")]
        if not inside:
            raise SelectionError(
                f"the job has no op and no graph at {path!r}.{nearest(path, self.index_of)}"
            )
        return inside

    def around(self, start: Collection[int], depth: int) -> list[int]:
        """Return the ops that are at most ``depth`` edges above or below ``start``, and these."""
        reached: set[int] = set()
        for pairs in (
            [(edge.source, edge.target) for edge in self.edges],
            [(edge.target, edge.source) for edge in self.edges],
        ):
            following: dict[int, list[int]] = {}
            for here, there in pairs:
                following.setdefault(here, []).append(there)
            seen, frontier = set(start), list(start)
            for _ in range(depth):
                frontier = sorted(
                    {there for here in frontier for there in following.get(here, ())} - seen
                )
                if not frontier:
                    break
                seen.update(frontier)
            reached |= seen
        return sorted(reached)

    def part(self, ops: Sequence[int]) -> GraphModel:
        """Return the graph of these ops, in this order."""
        at = {op: index for index, op in enumerate(ops)}
        return GraphModel(
            tuple(self.ops[op] for op in ops),
            tuple(
                edge._replace(source=at[edge.source], target=at[edge.target])
                for edge in self.edges
                if edge.source in at and edge.target in at
            ),
        )


class _Edges:
    """Gathers edges; of those with the same ends it makes one."""

    def __init__(self) -> None:
        self._edges: dict[tuple[int, int], tuple[dict[str, None], list[bool]]] = {}

    def add(self, source: int, target: int, output: str, *, dynamic: bool, collected: bool) -> None:
        outputs, flags = self._edges.setdefault((source, target), ({}, [False, False]))
        if output not in ("", "result"):
            outputs[output] = None
        flags[0] |= dynamic
        flags[1] |= collected

    def made(self) -> tuple[OpEdge, ...]:
        return tuple(
            OpEdge(source, target, ", ".join(outputs), is_dynamic, is_collected)
            for (source, target), (outputs, (is_dynamic, is_collected)) in self._edges.items()
            if source != target
        )


def graph_of_plan(plan: Plan) -> GraphModel:
    """Return the graph of a plan before it runs."""
    ops: list[OpNode] = []
    index_of: dict[str, int] = {}
    edges = _Edges()
    for position in in_order(plan):
        node = plan.mapped_nodes[position] if isinstance(position, int) else position
        is_mapped = isinstance(node, MappedNode)
        op = plan.templates[node.template].op
        index = index_of[node.key] = len(ops)
        ops.append(OpNode(node.key, op.name, is_mapped, _marks(plan, node), _tags(node)))
        for source in _sources(plan, node):
            collected = isinstance(source, FromCollected)
            output = innermost(source) if isinstance(source, FromCollected) else source
            if isinstance(output, FromConfig):
                continue
            above = (
                plan.mapped_nodes[output.node]
                if isinstance(output, FromMapped)
                else plan.steps[output.step]
            )
            dynamic = plan.templates[above.template].op.outs[output.output].is_dynamic
            edges.add(
                index_of[above.key],
                index,
                output.output,
                dynamic=dynamic and not collected,
                collected=collected,
            )
    return GraphModel(tuple(ops), edges.made())


def _marks(plan: Plan, node: Step | MappedNode) -> tuple[str, ...]:
    template = plan.templates[node.template]
    marks = []
    if template.op.cache:
        marks.append("cached")
    if template.retry_policy is not None:
        marks.append("retries")
    if template.op.pool is not None:
        marks.append(f"pool:{template.op.pool.name}")
    if template.op.timeout is not None:
        marks.append("timeout")
    return tuple(marks)


def _tags(node: Step | MappedNode) -> tuple[str, ...]:
    tags = (f"{key}={value}" for key, value in node.tags.items())
    return tuple(tag for tag in tags if len(tag) <= _MOST_TAG_LENGTH)[:_MOST_TAGS]


def _sources(plan: Plan, node: Step | MappedNode) -> Iterator[NodeSource]:
    for index in range(len(node.inputs)):
        collected = (
            plan.collected_inputs.get((node.index, index)) if isinstance(node, Step) else None
        )
        if collected is not None:
            yield collected
        else:
            yield from node.inputs[index].sources


def graph_of_log(
    keys: Sequence[str],
    predecessors: Sequence[Sequence[int]] | None,
    op_of: Callable[[int], str],
) -> GraphModel:
    """Return the graph of a recorded run from its step keys; ``load[k]`` for all k is one op.

    ``predecessors`` are those of a ``StoredLog``; a log without any has ops and no edges.
    """
    ops: list[OpNode] = []
    index_of: dict[str, int] = {}
    node_of: list[int] = []
    # Steps to look at for the edges of each op.
    looked_at: list[list[int]] = []
    for step, key in enumerate(keys):
        path = node_path(key)
        index = index_of.get(path)
        if index is None:
            index = index_of[path] = len(ops)
            ops.append(OpNode(path, op_of(step), path != key))
            looked_at.append([])
        node_of.append(index)
        if len(looked_at[index]) < _STEPS_LOOKED_AT:
            looked_at[index].append(step)
    edges = _Edges()
    for target, steps in enumerate(looked_at if predecessors is not None else ()):
        for step in steps:
            depth = len(mapping_keys(keys[step]))
            # One predecessor of each op tells as much as all of them.
            above = {node_of[before]: before for before in (predecessors or ())[step]}
            for source, before in above.items():
                deeper = len(mapping_keys(keys[before])) - depth
                edges.add(source, target, "", dynamic=deeper < 0, collected=deeper > 0)
    return _in_order(ops, _without_causes(edges.made()))


def _without_causes(edges: tuple[OpEdge, ...]) -> tuple[OpEdge, ...]:
    """Return the edges without those from a dynamic op to one that collects what came of it.

    A log has the op with the dynamic output among the predecessors of the collecting one.
    """
    above: dict[int, list[OpEdge]] = {}
    for edge in edges:
        above.setdefault(edge.target, []).append(edge)
    implied: set[tuple[int, int]] = set()
    for edge in edges:
        if not edge.is_collected:
            continue
        mapped = [edge.source]
        for node in mapped:
            for source in above.get(node, ()):
                if source.is_dynamic:
                    implied.add((source.source, edge.target))
                elif source.source not in mapped:
                    mapped.append(source.source)
    return tuple(
        edge for edge in edges if edge.is_collected or (edge.source, edge.target) not in implied
    )


def _in_order(ops: Sequence[OpNode], edges: tuple[OpEdge, ...]) -> GraphModel:
    """Return the graph with each op behind its sources, else in the order of ``ops``."""
    waits = [0] * len(ops)
    below: list[list[int]] = [[] for _ in ops]
    for edge in edges:
        waits[edge.target] += 1
        below[edge.source].append(edge.target)
    order = [index for index, count in enumerate(waits) if not count]
    for index in order:
        for target in below[index]:
            waits[target] -= 1
            if not waits[target]:
                order.append(target)
    order += sorted(set(range(len(ops))) - set(order))
    return GraphModel(tuple(ops), edges).part(order)

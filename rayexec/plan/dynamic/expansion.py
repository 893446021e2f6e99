"""Steps of mapped nodes: one for each value of a dynamic output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rayexec.plan.dynamic.growing_plan import GrowingPlan
from rayexec.plan.model import (
    Call,
    FanOut,
    FromCollected,
    FromConfig,
    FromMapped,
    FromStep,
    MappedInput,
    MappedNode,
    NodeSource,
    Step,
    StepInput,
    feeds_of,
    innermost,
)

__all__ = ["Branch", "ResolvedNode", "resolve_node", "step_appender", "step_of_source"]


class Branch(NamedTuple):
    """The steps of mapped nodes for one value of a dynamic output.

    ``base`` plus a node's offset is the index of its step.
    """

    #: The branch of the dynamic output itself, where that is mapped too.
    parent: Branch | None
    #: The mapping keys of the branch, outermost first.
    keys: tuple[str, ...]
    base: int
    #: The offsets of steps by the index of their mapped node.
    offsets: dict[int, int]

    def step_of(self, node: int) -> int:
        """Return the step of a mapped node in this branch or in one above it."""
        branch: Branch | None = self
        while branch is not None:
            offset = branch.offsets.get(node)
            if offset is not None:
                return branch.base + offset
            branch = branch.parent
        raise KeyError(node)


class ResolvedNode(NamedTuple):
    """A mapped node with all that its steps have in common, below one dynamic output."""

    node_index: int
    node: MappedNode
    #: The step's key up to the last mapping key.
    prefix: str
    #: Each input with its sources: resolved ones, ``_VALUE``, or ``_FromSibling``.
    inputs: tuple[tuple[MappedInput, tuple[Any, ...]], ...]
    #: The steps outside the branch that the node depends on.
    outside: tuple[int, ...]
    #: The node takes the value itself.
    takes_value: bool
    #: The node takes another output of the step that yields the values.
    takes_rest: bool
    #: The offsets of the nodes in the same branch that the node depends on.
    siblings: tuple[int, ...]

    @property
    def in_degree(self) -> int:
        """The number of steps that each step of the node depends on."""
        return len(self.outside) + (self.takes_value or self.takes_rest) + len(self.siblings)


# The source of the value that a branch is for.
_VALUE = object()


class _FromSibling(NamedTuple):
    """The output of the node at an offset in the same branch."""

    offset: int
    output: str


def resolve_node(
    plan: GrowingPlan,
    index: int,
    fan_out: FanOut,
    offsets: dict[int, int],
    step: int,
    branch: Branch | None,
) -> ResolvedNode:
    """Resolve a mapped node below ``fan_out``, yielded by ``step``, as far as all keys share it."""
    node = plan.mapped_nodes[index]
    outside: dict[int, None] = {}
    siblings: dict[int, None] = {}
    inputs = []
    takes_value = False
    for node_input in node.inputs:
        sources: list[Any] = []
        for node_source in node_input.sources:
            source = _resolve_source(plan, node_source, node, fan_out, offsets, branch)
            sources.append(source)
            if source is _VALUE:
                takes_value = True
            elif type(source) is _FromSibling:
                siblings[source.offset] = None
            elif type(source) is FromStep:
                outside[source.step] = None
        inputs.append((node_input, tuple(sources)))
    takes_rest = step in outside
    outside.pop(step, None)
    keys = () if branch is None else branch.keys
    prefix = f"{node.key}[{','.join(keys)}{',' if keys else ''}"
    return ResolvedNode(
        index,
        node,
        prefix,
        tuple(inputs),
        tuple(outside),
        takes_value,
        takes_rest,
        tuple(siblings),
    )


def _resolve_source(
    plan: GrowingPlan,
    source: NodeSource,
    node: MappedNode,
    fan_out: FanOut,
    offsets: dict[int, int],
    branch: Branch | None,
) -> Any:
    if isinstance(source, FromConfig):
        return source
    if isinstance(source, FromCollected):
        awaited = plan.fan_outs_of(innermost(source))[len(node.fan_outs)]
        return _FromSibling(offsets[-1 - awaited.node], awaited.output)
    fan_outs = plan.fan_outs_of(source)
    own = (
        FanOut(source.step, source.output)
        if isinstance(source, FromStep)
        else FanOut(-1 - source.node, source.output)
    )
    is_value = bool(fan_outs) and fan_outs[-1] == own
    if is_value and own == fan_out:
        return _VALUE
    if isinstance(source, FromMapped) and source.node in offsets:
        return _FromSibling(offsets[source.node], source.output)
    step = step_of_source(source, branch)
    if is_value:
        assert branch is not None, "a value of an outer dynamic output belongs to a branch"
        return FromStep(step, f"{source.output}[{branch.keys[len(fan_outs) - 1]}]")
    return FromStep(step, source.output)


def step_of_source(source: FromStep | FromMapped, branch: Branch | None) -> int:
    """Return the step of an output, seen from a branch."""
    if isinstance(source, FromMapped):
        assert branch is not None, "a mapped node is always below a branch"
        return branch.step_of(source.node)
    return source.step


class _Row(NamedTuple):
    """The constants of one node's steps, computed once for all keys."""

    offset: int
    resolved: ResolvedNode
    in_degree: int
    outside: tuple[int, ...]
    following: tuple[int, ...]
    collectors: tuple[int, ...]
    chain_offset: int
    single_input: tuple[str, Any] | None
    #: The predecessors that the steps of all keys share, None where siblings are among them.
    shared_predecessors: tuple[int, ...] | None


def step_appender(
    plan: GrowingPlan,
    fan_out_nodes: Collection[int],
    resolved: Sequence[ResolvedNode],
    following: Sequence[tuple[int, ...]],
    collectors: Mapping[int, tuple[int, ...]],
    step: int,
) -> Callable[[int, str, str], None]:
    """Return a function that appends the steps of one key to the plan.

    It takes the index of the first step, the name of the value, and the value's key. ``following``
    has for each node the offsets of its successors in the branch, ``collectors`` the steps that
    collect its outputs, by its offset.
    """
    rows = _rows(fan_out_nodes, resolved, following, collectors, step)
    steps, successors, in_degrees = plan.steps, plan.successors, plan.in_degrees
    predecessors, feeds, chain_inputs = plan.predecessors, plan.feeds, plan.chain_inputs
    template_of, first_calls = plan.template_of, plan.first_calls
    output_records, chain_next = plan.output_records, plan.chain_next
    priorities, records = plan.priorities, plan.records_by_template
    shared_outputs: dict[tuple[str, ...], tuple[str, ...]] = {}

    def append(base: int, name: str, key: str) -> None:
        for (
            offset,
            resolved_node,
            in_degree,
            outside,
            after,
            collecting,
            chain_offset,
            single,
            shared,
        ) in rows:
            index = base + offset
            node = resolved_node.node
            if single is not None:
                label, source = single
                if source is _VALUE:
                    source = FromStep(step, name)
                elif type(source) is _FromSibling:
                    source = FromStep(base + source.offset, source.output)
                inputs: tuple[StepInput, ...] = (StepInput(label, (source,)),)
                feed: tuple[FromStep, ...] | None = (source,) if type(source) is FromStep else None
            else:
                inputs = _step_inputs(resolved_node, base, step, name)
                feed = feeds_of(inputs)
            step_key = resolved_node.prefix + key + "]"
            steps.append(Step(index, step_key, node.template, inputs, node.tags, node.priority))
            successors.append(
                (*[base + successor for successor in after], *collecting) if after else collecting
            )
            in_degrees.append(in_degree)
            siblings = resolved_node.siblings
            if shared is not None:
                predecessors.append(shared)
            else:
                predecessors.append((*outside, *[base + sibling for sibling in siblings]))
            feeds.append(feed)
            outputs = None
            if feed is not None and in_degree == 1 and siblings and len({*feed}) == len(feed):
                outputs = tuple([source.output for source in feed])
                outputs = shared_outputs.setdefault(outputs, outputs)
            chain_inputs.append(outputs)
            template_of.append(node.template)
            first_calls.append(Call(index, 0))
            output_records.append(records[node.template])
            chain_next.append(base + chain_offset if chain_offset >= 0 else -1)
            if priorities is not None:
                priorities.append(node.priority)

    return append


def _rows(
    fan_out_nodes: Collection[int],
    resolved: Sequence[ResolvedNode],
    following: Sequence[tuple[int, ...]],
    collectors: Mapping[int, tuple[int, ...]],
    step: int,
) -> list[_Row]:
    rows = []
    for offset, node in enumerate(resolved):
        after = following[offset]
        chain_offset = after[0] if len(after) == 1 and not collectors.get(offset) else -1
        if node.node_index in fan_out_nodes:
            chain_offset = -1
        if chain_offset >= 0 and resolved[chain_offset].in_degree != 1:
            chain_offset = -1
        single = None
        if len(node.inputs) == 1 and len(node.inputs[0][1]) == 1:
            node_input, (source,) = node.inputs[0]
            if not node_input.is_fan_in and not node_input.is_nothing:
                single = node_input.name, source
        outside = (*node.outside, *((step,) if node.takes_value or node.takes_rest else ()))
        rows.append(
            _Row(
                offset,
                node,
                node.in_degree,
                outside,
                after,
                collectors.get(offset, ()),
                chain_offset,
                single,
                None if node.siblings else outside,
            )
        )
    return rows


def _step_inputs(node: ResolvedNode, base: int, step: int, name: str) -> tuple[StepInput, ...]:
    inputs = []
    for node_input, resolved in node.inputs:
        sources = tuple(
            [
                FromStep(step, name)
                if source is _VALUE
                else FromStep(base + source.offset, source.output)
                if type(source) is _FromSibling
                else source
                for source in resolved
            ]
        )
        inputs.append(
            StepInput(node_input.name, sources, node_input.is_fan_in, node_input.is_nothing)
        )
    return tuple(inputs)

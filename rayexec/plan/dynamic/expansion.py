"""From mapped nodes to their steps for the values of a dynamic output that has come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

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
    Plan,
    Step,
    StepInput,
    feeds_of,
    innermost,
)

__all__ = ["Branch", "ResolvedNode", "resolve", "stamper", "step_behind"]


class Branch(NamedTuple):
    """The steps that nodes have for one value of a dynamic output, and those for the values it is
    below.

    ``keys`` are the mapping keys, outermost first; the step of the mapped node at a place is
    ``base`` plus its offset.
    """

    parent: Branch | None
    keys: tuple[str, ...]
    base: int
    offsets: dict[int, int]

    def step_of(self, place: int) -> int:
        """Return the index of the step of a mapped node."""
        frame: Branch | None = self
        while frame is not None:
            offset = frame.offsets.get(place)
            if offset is not None:
                return frame.base + offset
            frame = frame.parent
        raise KeyError(place)


class ResolvedNode(NamedTuple):
    """A mapped node, ready to be made steps of for the values of one dynamic output that has come.

    ``inputs`` have of each source what it is for all keys, or _OWN, or the offset of a node of the
    same key with its output. ``before`` are the steps outside that it takes from, ``beside`` the
    offsets of nodes of the same key; ``takes_own`` tells whether it takes the value itself,
    ``takes_rest`` whether another output of what yielded it.
    """

    place: int
    node: MappedNode
    prefix: str
    inputs: tuple[tuple[MappedInput, tuple[Any, ...]], ...]
    before: tuple[int, ...]
    takes_own: bool
    takes_rest: bool
    beside: tuple[int, ...]

    @property
    def degree(self) -> int:
        """From how many steps it takes."""
        return len(self.before) + (self.takes_own or self.takes_rest) + len(self.beside)


_OWN = object()


class _Beside(NamedTuple):
    """A source that is the output of the node at an offset among those of the same key."""

    offset: int
    output: str


def resolve(
    plan: Plan, place: int, fan: FanOut, offsets: dict[int, int], step: int, frame: Branch | None
) -> ResolvedNode:
    """Resolve what a mapped node takes, as far as it is the same for all keys."""
    node = plan.mapped_nodes[place]
    before: dict[int, None] = {}
    beside: dict[int, None] = {}
    inputs = []
    takes_own = False
    for each in node.inputs:
        found: list[Any] = []
        for symbol in each.sources:
            source = _source(plan, symbol, node, fan, offsets, frame)
            found.append(source)
            if source is _OWN:
                takes_own = True
            elif type(source) is _Beside:
                beside[source.offset] = None
            elif type(source) is FromStep:
                before[source.step] = None
        inputs.append((each, tuple(found)))
    takes_rest = step in before
    before.pop(step, None)
    above = () if frame is None else frame.keys
    prefix = f"{node.key}[{','.join(above)}{',' if above else ''}"
    return ResolvedNode(
        place, node, prefix, tuple(inputs), tuple(before), takes_own, takes_rest, tuple(beside)
    )


def _source(
    plan: Plan,
    symbol: NodeSource,
    node: MappedNode,
    fan: FanOut,
    offsets: dict[int, int],
    frame: Branch | None,
) -> Any:
    if isinstance(symbol, FromConfig):
        return symbol
    if isinstance(symbol, FromCollected):
        waited = plan.fan_outs_of(innermost(symbol))[len(node.fan_outs)]
        return _Beside(offsets[-1 - waited.node], waited.output)
    level = plan.fan_outs_of(symbol)
    own = (
        FanOut(symbol.step, symbol.output)
        if isinstance(symbol, FromStep)
        else FanOut(-1 - symbol.node, symbol.output)
    )
    is_element = bool(level) and level[-1] == own
    if is_element and own == fan:
        return _OWN
    if isinstance(symbol, FromMapped) and symbol.node in offsets:
        return _Beside(offsets[symbol.node], symbol.output)
    index = step_behind(symbol, frame)
    if is_element:
        assert frame is not None, "a value of an outer dynamic output is one of a frame's keys"
        return FromStep(index, f"{symbol.output}[{frame.keys[len(level) - 1]}]")
    return FromStep(index, symbol.output)


def step_behind(symbol: NodeSource, frame: Branch | None) -> int:
    """Return the step that an output below nothing that ``frame`` is not below comes from."""
    if isinstance(symbol, FromMapped):
        assert frame is not None, "a mapped node is always below a frame"
        return frame.step_of(symbol.node)
    assert isinstance(symbol, FromStep)
    return symbol.step


def stamper(
    plan: Plan,
    producing: Collection[int],
    children: Sequence[ResolvedNode],
    following: Sequence[tuple[int, ...]],
    collectors: dict[int, tuple[int, ...]],
    step: int,
) -> Callable[[int, str, str], None]:
    """Return a function that adds the steps of one key: it takes the first's index, the value's
    name, its key.
    """
    own = (step,)
    columns: dict[str, list[Any]] = {
        name: getattr(plan, name)
        for name in (
            "steps",
            "successors",
            "in_degrees",
            "predecessors",
            "feeds",
            "chain_inputs",
            "template_of",
        )
    }
    columns |= {
        name: getattr(plan, name) for name in ("first_calls", "output_records", "chain_next")
    }
    steps, successors, in_degrees = columns["steps"], columns["successors"], columns["in_degrees"]
    predecessors, feeds, chained = (
        columns["predecessors"],
        columns["feeds"],
        columns["chain_inputs"],
    )
    template_of, first_calls = columns["template_of"], columns["first_calls"]
    output_records, links = columns["output_records"], columns["chain_next"]
    priorities: list[int] | None = plan.priorities  # type: ignore[assignment]  # a list here
    records = plan.records_by_template
    rows = []
    for offset, child in enumerate(children):
        takes_step = child.takes_own or child.takes_rest
        after = following[offset]
        link = after[0] if len(after) == 1 and not collectors.get(offset) else -1
        link = -1 if child.place in producing else link
        if link >= 0 and children[link].degree != 1:
            link = -1
        single = None
        if len(child.inputs) == 1 and len(child.inputs[0][1]) == 1:
            given, (source,) = child.inputs[0]
            if not given.is_fan_in and not given.is_nothing:
                single = given.name, source
        outside = (*child.before, *(own if takes_step else ()))
        shared = None if child.beside else outside
        rows.append(
            (
                offset,
                child,
                child.degree,
                outside,
                after,
                collectors.get(offset, ()),
                link,
                single,
                shared,
            )
        )
    outputs: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(base: int, name: str, key: str) -> None:
        for offset, child, degree, outside, after, collecting, link, single, shared in rows:
            index = base + offset
            node = child.node
            if single is not None:
                label, source = single
                if source is _OWN:
                    source = FromStep(step, name)
                elif type(source) is _Beside:
                    source = FromStep(base + source.offset, source.output)
                inputs: tuple[StepInput, ...] = (StepInput(label, (source,)),)
                feed: tuple[FromStep, ...] | None = (source,) if type(source) is FromStep else None
            else:
                inputs = _inputs(child, base, step, name)
                feed = feeds_of(inputs)
            steps.append(
                Step(
                    index, child.prefix + key + "]", node.template, inputs, node.tags, node.priority
                )
            )
            successors.append(
                (*[base + each for each in after], *collecting) if after else collecting
            )
            in_degrees.append(degree)
            if shared is not None:
                predecessors.append(shared)
            else:
                beside = [base + each for each in child.beside]
                predecessors.append((*outside, *beside))
            feeds.append(feed)
            taken = None
            if feed is not None and degree == 1 and child.beside and len({*feed}) == len(feed):
                taken = tuple([each.output for each in feed])
                taken = outputs.setdefault(taken, taken)
            chained.append(taken)
            template_of.append(node.template)
            first_calls.append(Call(index, 0))
            output_records.append(records[node.template])
            links.append(base + link if link >= 0 else -1)
            if priorities is not None:
                priorities.append(node.priority)

    return add


def _inputs(child: ResolvedNode, base: int, step: int, name: str) -> tuple[StepInput, ...]:
    made = []
    for given, found in child.inputs:
        sources = tuple(
            [
                FromStep(step, name)
                if source is _OWN
                else FromStep(base + source.offset, source.output)
                if type(source) is _Beside
                else source
                for source in found
            ]
        )
        made.append(StepInput(given.name, sources, given.is_fan_in, given.is_nothing))
    return tuple(made)

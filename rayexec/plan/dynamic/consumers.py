"""What hangs on each dynamic output: the nodes that are mapped over it, and the inputs that gather
its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rayexec.plan.model import (
    FanOut,
    FromCollected,
    FromConfig,
    FromMapped,
    FromStep,
    ListShape,
    NodeSource,
    Plan,
    Source,
    innermost,
)

__all__ = [
    "CollectedList",
    "CollectingInput",
    "FanOutConsumers",
    "consumer_counts",
    "fan_out_consumers",
    "outside_sources",
]


class CollectingInput(NamedTuple):
    """An input that is a list of values below a dynamic output, seen from one of the dynamic
    outputs it goes through.

    ``consumer`` is a node as in ``FanOut``, ``input`` the place of its input, ``above`` how many
    dynamic outputs the consumer is below itself. ``member`` is what stands for each value: what is
    collected, or, where ``inner``, the next dynamic output.
    """

    consumer: int
    input: int
    above: int
    member: FromStep | FromMapped
    inner: bool


class FanOutConsumers(NamedTuple):
    """All that hangs on one dynamic output: the places of the nodes that are mapped over it, and
    what gathers.
    """

    children: tuple[int, ...]
    collectors: tuple[CollectingInput, ...]


# A list in the making: values, or lists of them.
_Members = list[Any]


class CollectedList:
    """What an input gathers, as far as it is known; ``open`` are the lists that are still to come,
    by their keys.
    """

    __slots__ = ("_begun", "members", "open")

    def __init__(self, source: FromStep) -> None:
        # What is to come first stands for itself: it may fail, or be skipped.
        self.members: _Members = [source]
        self.open: dict[tuple[str, ...], _Members] = {(): self.members}
        self._begun: set[tuple[str, ...]] = set()

    def begin(self, path: tuple[str, ...], *, is_nothing: bool) -> _Members:
        """Return the list for some keys, empty at first, unless ``is_nothing`` came to be in it."""
        members = self.open[path]
        if path not in self._begun and not is_nothing:
            self._begun.add(path)
            members.clear()
        return members

    def end(self, path: tuple[str, ...]) -> None:
        """Take in that nothing more comes for some keys; where nothing was begun, the list itself
        never came.
        """
        if path in self._begun:
            del self.open[path]

    def sources(self) -> tuple[tuple[Source, ...], ListShape | None]:
        """Return all the values in one row, and how they make up the list."""
        if not any(isinstance(each, list) for each in self.members):
            return tuple(self.members), None
        row: list[Source] = []
        # A list that never came, since what it would be of failed or was skipped, is no list.
        shape = _flatten(self.members, row, {id(each) for each in self.open.values()})
        return tuple(row), shape


def _flatten(members: _Members, row: list[Source], missing: set[int]) -> ListShape:
    shape: list[Any] = []
    for each in members:
        if not isinstance(each, list):
            row.append(each)
            shape.append(None)
        elif id(each) in missing:
            row.extend(each)
            shape.append(None)
        elif any(isinstance(one, list) for one in each):
            shape.append(_flatten(each, row, missing))
        else:
            row.extend(each)
            shape.append(len(each))
    return tuple(shape)


def fan_out_consumers(plan: Plan) -> Mapping[FanOut, FanOutConsumers]:
    """Return what hangs on each dynamic output of a plan that anything hangs on."""
    children: dict[FanOut, list[int]] = {}
    gathers: dict[FanOut, list[CollectingInput]] = {}

    def note(consumer: int, number: int, gathered: FromCollected, above: int) -> None:
        inner = innermost(gathered)
        level = plan.fan_outs_of(inner)
        for depth in range(above, len(level)):
            is_last = depth == len(level) - 1
            member = inner if is_last else _source_of(level[depth + 1])
            gathers.setdefault(level[depth], []).append(
                CollectingInput(consumer, number, above, member, not is_last)
            )

    for place, node in enumerate(plan.mapped_nodes):
        children.setdefault(node.fan_outs[-1], []).append(place)
        for number, each in enumerate(node.inputs):
            if each.collected is not None:
                note(-1 - place, number, each.collected, len(node.fan_outs))
    for (step, number), gathered in plan.collected_inputs.items():
        note(step, number, gathered, 0)
    return {
        fan: FanOutConsumers(tuple(children.get(fan, ())), tuple(gathers.get(fan, ())))
        for fan in {**children, **gathers}
    }


def outside_sources(plan: Plan) -> Mapping[int, tuple[FromStep | FromMapped, ...]]:
    """Return for each producer, as a node in ``FanOut``, what nodes below its dynamic outputs take
    from elsewhere.
    """
    # Named tuples of different kinds may be equal.
    taken: dict[int, dict[tuple[type, FromStep | FromMapped], None]] = {}
    for node in plan.mapped_nodes:
        for depth, fan in enumerate(node.fan_outs):
            for each in node.inputs:
                for source in each.sources:
                    symbol = innermost(source) if isinstance(source, FromCollected) else source
                    if (
                        not isinstance(symbol, FromConfig)
                        and len(plan.fan_outs_of(symbol)) <= depth
                    ):
                        taken.setdefault(fan.node, {})[type(symbol), symbol] = None
    return {node: tuple([symbol for _, symbol in symbols]) for node, symbols in taken.items()}


def consumer_counts(plan: Plan) -> Mapping[FanOut, int]:
    """Return how many steps take each value of a dynamic output, where nothing else ever will.

    Dynamic outputs that are collected as they are, that nodes further below take from, or that the
    job itself outputs are not among them.
    """
    found: dict[FanOut, int] = {}
    others: set[FanOut] = set()

    def fan_of(symbol: NodeSource) -> FanOut | None:
        level = plan.fan_outs_of(symbol)
        if isinstance(symbol, FromStep):
            own = FanOut(symbol.step, symbol.output)
        elif isinstance(symbol, FromMapped):
            own = FanOut(-1 - symbol.node, symbol.output)
        else:
            return None
        return own if level and level[-1] == own else None

    for node in plan.mapped_nodes:
        taken: list[NodeSource] = []
        for each in node.inputs:
            for source in each.sources:
                if isinstance(source, FromCollected):
                    others.update(filter(None, [fan_of(innermost(source))]))
                else:
                    taken.append(source)
        for fan in {fan for fan in map(fan_of, taken) if fan is not None}:
            if fan == node.fan_outs[-1]:
                found[fan] = found.get(fan, 0) + 1
            else:
                others.add(fan)
    for symbol in (*plan.collected_inputs.values(), *plan.outputs.values()):
        others.update(
            filter(
                None, [fan_of(innermost(symbol) if isinstance(symbol, FromCollected) else symbol)]
            )
        )
    return {fan: count for fan, count in found.items() if fan not in others}


def _source_of(fan: FanOut) -> FromStep | FromMapped:
    return (
        FromStep(fan.node, fan.output) if fan.node >= 0 else FromMapped(-1 - fan.node, fan.output)
    )

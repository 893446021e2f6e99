"""A run's own plan, to which steps are added as dynamic outputs come.

Where a dynamic output has come, the nodes that are mapped over it get a step for each of its
mapping keys: those of one key lie next to each other, in the order of the nodes. What collects
learns of them one by one, and is told all of it when it may start.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

from rayexec.names import mapping_keys
from rayexec.plan.dynamic.consumers import (
    CollectedList,
    CollectingInput,
    FanOutConsumers,
    consumer_counts,
    fan_out_consumers,
    outside_sources,
)
from rayexec.plan.dynamic.expansion import Branch, ResolvedNode, resolve, stamper, step_behind
from rayexec.plan.model import (
    FanOut,
    FromMapped,
    FromStep,
    Plan,
    Step,
)

__all__ = ["Expansion", "RunPlan"]


class Expansion(NamedTuple):
    """What came to a plan: the steps from ``first`` on, and for how many predecessors each of them
    waits.

    ``nodes`` are the places of their mapped nodes, ``imperfect`` those of them that take from steps
    which did not come out whole; ``awaited`` tells how many more predecessors steps have that were
    there before.
    """

    first: int
    waiting: list[int]
    nodes: list[int]
    imperfect: list[int]
    awaited: dict[int, int]


class _Cause(NamedTuple):
    """Values of a dynamic output that came: ``names``, of ``step``, which stands in ``frame`` where
    it is mapped.

    ``is_all`` tells that no more will come, ``is_nothing`` that none did though it need not have
    been yielded at all, ``awaits`` whether the step must be over before steps may take its values.
    """

    step: int
    fan: FanOut
    frame: Branch | None
    names: Sequence[str]
    is_all: bool
    is_nothing: bool
    awaits: bool


# Whether a step is over, and whether it came out whole.
State = Callable[[int], tuple[bool, bool]]


@dataclass(frozen=True)
class RunPlan(Plan):
    """The plan of one run of a job with dynamic outputs; ``expand`` adds steps to it."""

    # Where producers of dynamic outputs stand that are mapped themselves: their frame, and their
    # node's place.
    _homes: dict[int, tuple[Branch, int]] = field(default_factory=dict, repr=False)
    _collected: dict[int, dict[int, CollectedList]] = field(default_factory=dict, repr=False)
    # The runs of steps that were added: the first, how many, and the step that yielded what they
    # are for.
    _blocks: list[tuple[int, int, int]] = field(default_factory=list, repr=False)
    # Of what the selection narrows dynamic outputs to: what came.
    _met: set[tuple[FanOut, tuple[str, ...]]] = field(default_factory=set, repr=False)
    _depths: list[tuple[int, ...]] = field(default_factory=list, repr=False)
    # The steps whose outputs are not to go before a producer is over: others below it will take
    # them.
    _needs: dict[int, tuple[int, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, plan: Plan) -> RunPlan:
        """Return a plan that may grow, with the steps of ``plan``."""
        given: dict[str, Any] = {each.name: getattr(plan, each.name) for each in fields(Plan)}
        for name in ("steps", "successors", "in_degrees"):
            given[name] = list(given[name])
        grown = cls(**given)
        for name in (
            "predecessors",
            "feeds",
            "chain_inputs",
            "template_of",
            "first_calls",
            "output_records",
            "chain_next",
        ):
            grown.__dict__[name] = list(getattr(plan, name))
        priorities = plan.priorities
        grown.__dict__["priorities"] = None if priorities is None else list(priorities)
        grown.__dict__["fan_out_steps"] = set(plan.fan_out_steps)
        grown.__dict__["starting_orders"] = plan.starting_orders
        grown.__dict__["static"] = plan
        for (step, place), _ in plan.collected_inputs.items():
            (source,) = plan.steps[step].inputs[place].sources
            assert isinstance(source, FromStep)
            grown._collected.setdefault(step, {})[place] = CollectedList(source)
        for step in plan.fan_out_steps:
            needed = grown._needed_below(step)
            if needed:
                grown._needs[step] = needed
        return grown

    @property
    def collecting_steps(self) -> dict[int, dict[int, CollectedList]]:
        """The steps that wait to be told what they collect."""
        return self._collected

    @property
    def future_sources(self) -> dict[int, tuple[int, ...]]:
        """For steps with dynamic outputs those from which what will be below them takes."""
        return self._needs

    @property
    def by_key(self) -> dict[str, int]:
        """Step indices by step key."""
        known: tuple[int, dict[str, int]] = self.__dict__.setdefault("_by_key", (0, {}))
        count, found = known
        if count < len(self.steps):
            found.update({step.key: step.index for step in self.steps[count:]})
            self.__dict__["_by_key"] = len(self.steps), found
        return found

    @property
    def depth_order(self) -> Sequence[tuple[int, ...]]:
        """The place of each step where one worker runs the plan depth-first: added steps right
        behind their cause.
        """
        depths = self._depths
        if not depths:
            depths += [(place,) for place in self.__dict__["static"].depth_order]
        for first, size, cause in self._blocks:
            if first >= len(depths):
                depths += [(*depths[cause], place) for place in range(size)]
        return depths

    @cached_property
    def _consumers(self) -> Mapping[FanOut, FanOutConsumers]:
        return fan_out_consumers(self)

    @cached_property
    def _below(self) -> Mapping[int, tuple[FromStep | FromMapped, ...]]:
        return outside_sources(self)

    def has_consumers(self, place: int) -> bool:
        """Whether others are mapped over, or collect, a dynamic output of the mapped node at
        ``place``.
        """
        return place in self._producing

    @cached_property
    def _producing(self) -> frozenset[int]:
        return frozenset([-1 - fan.node for fan in self._consumers if fan.node < 0])

    @cached_property
    def _consumer_counts(self) -> Mapping[FanOut, int]:
        return consumer_counts(self)

    def _home(self, step: int) -> tuple[Branch | None, int]:
        """Return the frame of a producer, None where it is not mapped, and its node as in ``FanOut``."""
        home = self._homes.get(step)
        return (None, step) if home is None else (home[0], -1 - home[1])

    def consumer_count(self, step: int, output: str) -> int:
        """Return how many steps take each value of a dynamic output, 0 where others may take it as
        well.
        """
        return self._consumer_counts.get(FanOut(self._home(step)[1], output), 0)

    def _needed_below(self, step: int) -> tuple[int, ...]:
        """Return the steps from which what will be below a producer takes."""
        frame, node = self._home(step)
        found = [step_behind(symbol, frame) for symbol in self._below.get(node, ())]
        return tuple(dict.fromkeys(each for each in found if each != step))

    def expand(
        self,
        step: int,
        names: Sequence[str],
        state: State,
        *,
        is_all: bool = True,
        awaits: bool = True,
    ) -> Expansion:
        """Add the steps for what ``step`` yielded: ``names`` are its outputs, with mapping keys
        (``result[k]``).

        It is called before the step counts as over; ``state`` tells of the others. Without
        ``is_all`` more may come later; without ``awaits`` steps that take nothing else of it need
        not wait until it is over.
        """
        frame, node = self._home(step)
        outs = self.op_of(step).outs
        growth = Expansion(len(self.steps), [], [], [], {})
        for output, out in outs.items():
            fanning = self._consumers.get(FanOut(node, output)) if out.is_dynamic else None
            if fanning is None:
                continue
            start = f"{output}["
            own = [name for name in names if name.startswith(start)]
            if own or is_all:
                is_nothing = not (own or out.is_required)
                if FanOut(node, output) in self.selected_keys:
                    own = self._chosen(
                        FanOut(node, output), () if frame is None else frame.keys, own
                    )
                cause = _Cause(step, FanOut(node, output), frame, own, is_all, is_nothing, awaits)
                self._expand(cause, fanning, state, growth)
        return growth

    def _chosen(self, fan: FanOut, above: tuple[str, ...], names: Sequence[str]) -> list[str]:
        """Return those of the values of a dynamic output to which the selection narrows it."""
        chosen = []
        for name in names:
            keys = (*above, *mapping_keys(name))
            fitting = [
                pattern
                for pattern in self.selected_keys[fan]
                if all(one in ("?", key) for one, key in zip(pattern, keys, strict=True))
            ]
            self._met.update((fan, pattern) for pattern in fitting)
            if fitting:
                chosen.append(name)
        return chosen

    def unmatched_keys(self) -> list[str]:
        """Return what the selection named that no op yielded, as mapping keys behind the dynamic
        output.
        """
        found = []
        for fan, patterns in self.selected_keys.items():
            producer = (
                self.steps[fan.node].key if fan.node >= 0 else self.mapped_nodes[-1 - fan.node].key
            )
            found += [
                f"{producer}.{fan.output}[{','.join(each)}]"
                for each in patterns
                if (fan, each) not in self._met
            ]
        return found

    def fail(self, step: int) -> None:
        """Take in that a step failed which had yielded values already: what collects them will not
        get all.
        """
        frame, node = self._home(step)
        for output, out in self.op_of(step).outs.items():
            fanning = self._consumers.get(FanOut(node, output)) if out.is_dynamic else None
            for each in fanning.collectors if fanning is not None else ():
                members = self._members(each, frame)
                if members is not None:
                    members.append(FromStep(step, output))

    def _expand(
        self, cause: _Cause, fanning: FanOutConsumers, state: State, growth: Expansion
    ) -> None:
        step, fan, frame, names = cause.step, cause.fan, cause.frame, cause.names
        above = () if frame is None else frame.keys
        offsets = {place: offset for offset, place in enumerate(fanning.children)}
        children = [resolve(self, place, fan, offsets, step, frame) for place in fanning.children]
        first, count = len(self.steps), len(children)
        skip = len(fan.output) + 1
        keys = [name[skip:-1] for name in names]
        collectors = self._gather(cause, fanning, keys, offsets, growth)
        if not keys:
            return
        # Of each node: the offsets of those of the same key that take from it, and what collects
        # it.
        following = [
            tuple([other for other, each in enumerate(children) if offset in each.beside])
            for offset in range(count)
        ]
        self._blocks.append((first, count * len(keys), step))
        for offset, child in enumerate(children):
            new = range(first + offset, first + count * len(keys), count)
            self._note_outside(child, new, cause, state, growth)
        waiting = [
            len(each.beside)
            + (each.takes_rest or (each.takes_own and cause.awaits))
            + sum([not state(before)[0] for before in each.before])
            for each in children
        ]
        growth.waiting.extend(waiting * len(keys))
        growth.nodes.extend(fanning.children * len(keys))
        add = stamper(self, self._producing, children, following, collectors, step)
        for place, (name, key) in enumerate(zip(names, keys, strict=True)):
            add(first + place * count, name, key)
        if any(self.has_consumers(place) or self._gathers_at(place) for place in fanning.children):
            for place, key in enumerate(keys):
                self._settle_in(
                    Branch(frame, (*above, key), first + place * count, offsets), fanning.children
                )

    def _gathers_at(self, place: int) -> bool:
        return any(each.collected is not None for each in self.mapped_nodes[place].inputs)

    def _settle_in(self, frame: Branch, children: Sequence[int]) -> None:
        """Note where the producers among new steps stand, and what the collecting ones are still to
        be told.
        """
        for place in children:
            index = frame.step_of(place)
            for number, each in enumerate(self.mapped_nodes[place].inputs):
                if each.collected is not None:
                    (source,) = self.steps[index].inputs[number].sources
                    assert isinstance(source, FromStep)
                    self._collected.setdefault(index, {})[number] = CollectedList(source)
            if self.has_consumers(place):
                self._homes[index] = frame, place
                self.fan_out_steps.add(index)  # type: ignore[attr-defined]  # a set here
        for place in children:
            if self.has_consumers(place):
                index = frame.step_of(place)
                needed = self._needed_below(index)
                if needed:
                    self._needs[index] = needed

    def _gather(
        self,
        cause: _Cause,
        fanning: FanOutConsumers,
        keys: Sequence[str],
        offsets: dict[int, int],
        growth: Expansion,
    ) -> dict[int, tuple[int, ...]]:
        """Tell those that gather what came; return for each offset the steps that wait for steps of
        that node.
        """
        frame = cause.frame
        above = () if frame is None else frame.keys
        first, count = len(self.steps), len(offsets)
        collectors: dict[int, dict[int, None]] = {}
        for each in fanning.collectors:
            consumer = self._consumer(each, frame)
            collected = self._collected[consumer][each.input]
            path = above[each.above :]
            members = collected.begin(path, is_nothing=cause.is_nothing)
            if cause.is_all:
                collected.end(path)
            if isinstance(each.member, FromMapped) and each.member.node in offsets:
                offset, output = offsets[each.member.node], each.member.output
                found = [
                    FromStep(first + place * count + offset, output) for place in range(len(keys))
                ]
                collectors.setdefault(offset, {})[consumer] = None
            else:
                found = [FromStep(cause.step, name) for name in cause.names]
            if not each.inner:
                members += found
                continue
            for key, source in zip(keys, found, strict=True):
                inner: list[Any] = [source]
                members.append(inner)
                within = (*path, key)
                collected.open[within] = inner
        for offset, waiting in collectors.items():
            for consumer in waiting:
                growth.awaited[consumer] = growth.awaited.get(consumer, 0) + len(keys)
                self.in_degrees[consumer] += len(keys)  # type: ignore[index]  # a list here
                _add_to(
                    self.predecessors,
                    consumer,
                    range(first + offset, first + count * len(keys), count),
                )
        return {offset: tuple(waiting) for offset, waiting in collectors.items()}

    def _consumer(self, gather: CollectingInput, frame: Branch | None) -> int:
        """Return the step that gathers, seen from the frame of what yields."""
        if gather.consumer >= 0:
            return gather.consumer
        assert frame is not None, "what gathers below a frame is mapped too"
        return frame.step_of(-1 - gather.consumer)

    def _members(self, gather: CollectingInput, frame: Branch | None) -> list[Any] | None:
        """Return the list that what yields in ``frame`` is to fill, None where it is complete."""
        collected = self._collected.get(self._consumer(gather, frame))
        above = () if frame is None else frame.keys
        return (
            None if collected is None else collected[gather.input].open.get(above[gather.above :])
        )

    def _note_outside(
        self, child: ResolvedNode, new: range, cause: _Cause, state: State, growth: Expansion
    ) -> None:
        """Note the new steps of a node with those outside that they take from."""
        awaited = child.takes_rest or (child.takes_own and cause.awaits)
        for each in (*child.before, *((cause.step,) if awaited else ())):
            _add_to(self.successors, each, new)
            self.chain_next[each] = -1  # type: ignore[index]  # a list here
        if not all(state(each)[1] for each in child.before):
            growth.imperfect.extend(new)

    def close_collected(self, step: int) -> None:
        """Fix what a step collects, now that all of it is known."""
        collected = self._collected.pop(step, None)
        if collected is None:
            return
        known = self.steps[step]
        inputs = list(known.inputs)
        for number, each in collected.items():
            sources, shape = each.sources()
            inputs[number] = inputs[number]._replace(sources=sources, shape=shape)
        self.steps[step] = known._replace(inputs=tuple(inputs))  # type: ignore[index]  # a list here

    def sources_of(self, step: int) -> Iterator[FromStep]:
        """Yield the outputs of steps whose values a step takes, of what it collects as much as is
        known.
        """
        collected = self._collected.get(step, {})
        for place, each in enumerate(self.steps[step].inputs):
            if each.is_nothing:
                continue
            sources = collected[place].sources()[0] if place in collected else each.sources
            for source in sources:
                if type(source) is FromStep:
                    yield source

    def steps_of_node(self, place: int, first: int = 0) -> Iterator[Step]:
        """Yield the steps of the mapped node at ``place`` that there are from ``first`` on, in the
        order they came.
        """
        start = f"{self.mapped_nodes[place].key}["
        begin = max(first, self._blocks[0][0]) if self._blocks else len(self.steps)
        for step in itertools.islice(self.steps, begin, None):
            if step.key.startswith(start):
                yield step


def _add_to(column: Sequence[Sequence[int]], place: int, more: Iterable[int]) -> None:
    """Add to the steps at one place of a column, which are a list from then on."""
    known = column[place]
    if not isinstance(known, list):
        known = list(known)
        column[place] = known  # type: ignore[index]  # a list here
    known.extend(more)

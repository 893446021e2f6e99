"""Plan of one run of a dynamic job; it grows as the values of dynamic outputs come.

The steps of one mapping key are neighbors, in the order of their mapped nodes. A collected input
learns of its sources one by one; the scheduler closes it when its step may start.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from rayexec.plan.base import Plan
from rayexec.plan.dynamic.collected_list import CollectedList
from rayexec.plan.dynamic.consumers import (
    CollectingInput,
    FanOutConsumers,
    consumer_counts,
    fan_out_consumers,
    outside_sources,
)
from rayexec.plan.dynamic.expansion import (
    Branch,
    ResolvedNode,
    resolve_node,
    step_appender,
    step_of_source,
)
from rayexec.plan.dynamic.growing_plan import GrowingPlan
from rayexec.plan.dynamic.key_selection import KeySelection
from rayexec.plan.model import FanOut, FromMapped, FromStep, Step

__all__ = ["Expansion", "RunPlan"]


class Expansion(NamedTuple):
    """Steps appended at once, with the number of predecessors that each waits for."""

    first: int
    #: For each new step the number of unfinished predecessors.
    waiting: list[int]
    #: For each new step the index of its mapped node.
    nodes: list[int]
    #: The new steps with a predecessor that did not succeed completely.
    imperfect: list[int]
    #: The number of additional predecessors of earlier steps.
    awaited: dict[int, int]


class _Arrival(NamedTuple):
    """Values of one dynamic output that a step yielded."""

    step: int
    fan_out: FanOut
    #: The branch of the step, where it is mapped.
    branch: Branch | None
    names: Sequence[str]
    #: No more values come.
    is_all: bool
    #: No value came, and the op need not have yielded any.
    is_nothing: bool
    #: Steps take the values only after the yielding step is over.
    awaits: bool


class _Block(NamedTuple):
    """Steps that one arrival appended."""

    first: int
    size: int
    cause: int


#: Returns whether a step is over, and whether it succeeded completely.
StepState: TypeAlias = Callable[[int], tuple[bool, bool]]


class RunPlan(GrowingPlan):
    """The plan of one run of a job with dynamic outputs; ``expand`` appends steps to it."""

    def __init__(self, compiled: Plan) -> None:
        super().__init__(compiled)
        # The branch and the mapped node of each mapped step with consumed dynamic outputs.
        self._branches: dict[int, tuple[Branch, int]] = {}
        self._collected: dict[int, dict[int, CollectedList]] = {}
        self._blocks: list[_Block] = []
        self._key_selection = KeySelection(compiled.selected_keys)
        self._depths: list[tuple[int, ...]] = []
        self._future_sources: dict[int, tuple[int, ...]] = {}
        self._by_key: dict[str, int] = {}
        self._indexed = 0  # steps in _by_key; lookups are rare, so they index what is new
        for step, input_index in compiled.collected_inputs:
            self._begin_collecting(step, input_index)
        for step in compiled.fan_out_steps:
            self._note_future_sources(step)

    @property
    def collecting_steps(self) -> dict[int, dict[int, CollectedList]]:
        """The steps whose collected inputs are not complete, with those inputs by index."""
        return self._collected

    @property
    def future_sources(self) -> dict[int, tuple[int, ...]]:
        """For steps with dynamic outputs the steps that feed the mapped steps below them."""
        return self._future_sources

    @property
    def by_key(self) -> dict[str, int]:
        """Step indices by step key."""
        if self._indexed < len(self.steps):
            self._by_key.update({step.key: step.index for step in self.steps[self._indexed :]})
            self._indexed = len(self.steps)
        return self._by_key

    @property
    def depth_order(self) -> Sequence[tuple[int, ...]]:
        """For each step its rank in a depth-first run; new steps come right behind their cause."""
        depths = self._depths
        if not depths:
            depths += [(rank,) for rank in self.compiled.depth_order]
        for first, size, cause in self._blocks:
            if first >= len(depths):
                depths += [(*depths[cause], rank) for rank in range(size)]
        return depths

    @cached_property
    def _consumers(self) -> Mapping[FanOut, FanOutConsumers]:
        return fan_out_consumers(self)

    @cached_property
    def _outside_sources(self) -> Mapping[int, tuple[FromStep | FromMapped, ...]]:
        return outside_sources(self)

    @cached_property
    def _consumer_counts(self) -> Mapping[FanOut, int]:
        return consumer_counts(self)

    @cached_property
    def _fan_out_nodes(self) -> frozenset[int]:
        """The indices of mapped nodes with consumed dynamic outputs."""
        return frozenset([-1 - fan_out.node for fan_out in self._consumers if fan_out.node < 0])

    def _branch_of(self, step: int) -> tuple[Branch | None, int]:
        """Return the branch of a step, if any, and its node as in ``FanOut``."""
        mapped = self._branches.get(step)
        return (None, step) if mapped is None else (mapped[0], -1 - mapped[1])

    def consumer_count(self, step: int, output: str) -> int:
        """Return the number of steps that take each value of a dynamic output.

        It is 0 where the output has other consumers too.
        """
        return self._consumer_counts.get(FanOut(self._branch_of(step)[1], output), 0)

    def _note_future_sources(self, step: int) -> None:
        branch, node = self._branch_of(step)
        before = [step_of_source(source, branch) for source in self._outside_sources.get(node, ())]
        needed = tuple(dict.fromkeys(source for source in before if source != step))
        if needed:
            self._future_sources[step] = needed

    def _begin_collecting(self, step: int, input_index: int) -> None:
        (source,) = self.steps[step].inputs[input_index].sources
        assert isinstance(source, FromStep), "a collected input begins with its producer"
        self._collected.setdefault(step, {})[input_index] = CollectedList(source)

    def expand(
        self,
        step: int,
        names: Sequence[str],
        state: StepState,
        *,
        is_all: bool = True,
        awaits: bool = True,
    ) -> Expansion:
        """Append the steps for the outputs ``names`` of ``step``, such as ``result[key]``.

        Call it before the step counts as over; ``state`` answers for all other steps. Without
        ``is_all`` more values may come later. Without ``awaits`` steps that take nothing else of
        the step need not wait for its end.
        """
        branch, node = self._branch_of(step)
        above = () if branch is None else branch.keys
        expansion = Expansion(len(self.steps), [], [], [], {})
        for output, out in self.op_of(step).outs.items():
            fan_out = FanOut(node, output)
            consumers = self._consumers.get(fan_out) if out.is_dynamic else None
            if consumers is None:
                continue
            start = f"{output}["
            own = [name for name in names if name.startswith(start)]
            if own or is_all:
                is_nothing = not (own or out.is_required)
                own = self._key_selection.select(fan_out, above, own)
                arrival = _Arrival(step, fan_out, branch, own, is_all, is_nothing, awaits)
                self._expand(arrival, consumers, state, expansion)
        return expansion

    def unmatched_keys(self) -> list[str]:
        """Return the selected mapping keys without a value, behind their dynamic output."""
        unmatched = []
        for fan_out, patterns in self._key_selection.unmatched().items():
            node = fan_out.node
            key = self.steps[node].key if node >= 0 else self.mapped_nodes[-1 - node].key
            unmatched += [f"{key}.{fan_out.output}{pattern}" for pattern in patterns]
        return unmatched

    def fail(self, step: int) -> None:
        """Record the failure of a step that had yielded values.

        Its own output then stands for the missing values of collected inputs.
        """
        branch, node = self._branch_of(step)
        for output, out in self.op_of(step).outs.items():
            consumers = self._consumers.get(FanOut(node, output)) if out.is_dynamic else None
            for collecting in consumers.collecting if consumers is not None else ():
                members = self._open_members(collecting, branch)
                if members is not None:
                    members.append(FromStep(step, output))

    def _expand(
        self, arrival: _Arrival, consumers: FanOutConsumers, state: StepState, expansion: Expansion
    ) -> None:
        step, fan_out, branch, names = arrival.step, arrival.fan_out, arrival.branch, arrival.names
        nodes = consumers.mapped
        offsets = {node: offset for offset, node in enumerate(nodes)}
        resolved = [resolve_node(self, node, fan_out, offsets, step, branch) for node in nodes]
        first, count = len(self.steps), len(nodes)
        skip = len(fan_out.output) + 1
        keys = [name[skip:-1] for name in names]
        collectors = self._collect(arrival, consumers, keys, offsets, expansion)
        if not keys:
            return
        # For each node the offsets of its successors in the same branch.
        following = [
            tuple([other for other, node in enumerate(resolved) if offset in node.siblings])
            for offset in range(count)
        ]
        self._blocks.append(_Block(first, count * len(keys), step))
        for offset, node in enumerate(resolved):
            new = range(first + offset, first + count * len(keys), count)
            self._connect_outside(node, new, arrival, state, expansion)
        waiting = [
            len(node.siblings)
            + (node.takes_rest or (node.takes_value and arrival.awaits))
            + sum([not state(before)[0] for before in node.outside])
            for node in resolved
        ]
        expansion.waiting.extend(waiting * len(keys))
        expansion.nodes.extend(nodes * len(keys))
        append = step_appender(self, self._fan_out_nodes, resolved, following, collectors, step)
        for rank, (name, key) in enumerate(zip(names, keys, strict=True)):
            append(first + rank * count, name, key)
        if any(node in self._fan_out_nodes or self._collects(node) for node in nodes):
            above = () if branch is None else branch.keys
            for rank, key in enumerate(keys):
                inner = Branch(branch, (*above, key), first + rank * count, offsets)
                self._enter_branch(inner, nodes)

    def _collects(self, node: int) -> bool:
        return any(
            node_input.collected is not None for node_input in self.mapped_nodes[node].inputs
        )

    def _enter_branch(self, branch: Branch, nodes: Sequence[int]) -> None:
        """Note the fan-out steps and the collected inputs of a new branch."""
        fan_out_nodes = [node for node in nodes if node in self._fan_out_nodes]
        for node in nodes:
            step = branch.step_of(node)
            for index, node_input in enumerate(self.mapped_nodes[node].inputs):
                if node_input.collected is not None:
                    self._begin_collecting(step, index)
        for node in fan_out_nodes:
            step = branch.step_of(node)
            self._branches[step] = branch, node
            self.fan_out_steps.add(step)
        for node in fan_out_nodes:
            self._note_future_sources(branch.step_of(node))

    def _collect(
        self,
        arrival: _Arrival,
        consumers: FanOutConsumers,
        keys: Sequence[str],
        offsets: dict[int, int],
        expansion: Expansion,
    ) -> dict[int, tuple[int, ...]]:
        """Add the new sources to collected inputs.

        Return the collecting steps that wait for new steps, by the offset of the new steps' node.
        """
        branch = arrival.branch
        above = () if branch is None else branch.keys
        first, count = len(self.steps), len(offsets)
        collectors: dict[int, dict[int, None]] = {}
        for collecting in consumers.collecting:
            consumer = self._collecting_step(collecting, branch)
            collected = self._collected[consumer][collecting.input]
            path = above[collecting.depth :]
            members = collected.begin(path, is_nothing=arrival.is_nothing)
            if arrival.is_all:
                collected.end(path)
            member = collecting.member
            if isinstance(member, FromMapped) and member.node in offsets:
                offset = offsets[member.node]
                sources = [
                    FromStep(first + rank * count + offset, member.output)
                    for rank in range(len(keys))
                ]
                collectors.setdefault(offset, {})[consumer] = None
            else:
                sources = [FromStep(arrival.step, name) for name in arrival.names]
            if not collecting.is_nested:
                members += sources
                continue
            for key, source in zip(keys, sources, strict=True):
                inner: list[Any] = [source]
                members.append(inner)
                below = (*path, key)
                collected.open[below] = inner
        for offset, waiting in collectors.items():
            for consumer in waiting:
                expansion.awaited[consumer] = expansion.awaited.get(consumer, 0) + len(keys)
                self.in_degrees[consumer] += len(keys)
                new = range(first + offset, first + count * len(keys), count)
                _extend(self.predecessors, consumer, new)
        return {offset: tuple(waiting) for offset, waiting in collectors.items()}

    def _collecting_step(self, collecting: CollectingInput, branch: Branch | None) -> int:
        """Return the collecting step for values that come in ``branch``."""
        if collecting.consumer >= 0:
            return collecting.consumer
        assert branch is not None, "a collecting step below a branch is mapped too"
        return branch.step_of(-1 - collecting.consumer)

    def _open_members(self, collecting: CollectingInput, branch: Branch | None) -> list[Any] | None:
        """Return the open list for values of ``branch``, None for a complete one."""
        inputs = self._collected.get(self._collecting_step(collecting, branch))
        above = () if branch is None else branch.keys
        if inputs is None:
            return None
        return inputs[collecting.input].open.get(above[collecting.depth :])

    def _connect_outside(
        self,
        node: ResolvedNode,
        new: range,
        arrival: _Arrival,
        state: StepState,
        expansion: Expansion,
    ) -> None:
        """Connect the new steps of a node with their predecessors outside of the branch."""
        awaited = node.takes_rest or (node.takes_value and arrival.awaits)
        for before in (*node.outside, *((arrival.step,) if awaited else ())):
            _extend(self.successors, before, new)
            self.chain_next[before] = -1
        if not all(state(before)[1] for before in node.outside):
            expansion.imperfect.extend(new)

    def close_collected(self, step: int) -> None:
        """Fix the collected inputs of a step, complete now."""
        collected = self._collected.pop(step, None)
        if collected is None:
            return
        before = self.steps[step]
        inputs = list(before.inputs)
        for index, members in collected.items():
            sources, shape = members.sources()
            inputs[index] = inputs[index]._replace(sources=sources, shape=shape)
        self.steps[step] = before._replace(inputs=tuple(inputs))

    def sources_of(self, step: int) -> Iterator[FromStep]:
        """Yield the outputs that a step takes values from, as far as they exist."""
        collected = self._collected.get(step, {})
        for index, step_input in enumerate(self.steps[step].inputs):
            if step_input.is_nothing:
                continue
            sources = collected[index].sources()[0] if index in collected else step_input.sources
            for source in sources:
                if type(source) is FromStep:
                    yield source

    def steps_of_node(self, node: int, first: int = 0) -> Iterator[Step]:
        """Yield the steps of a mapped node in the order they came, beginning at ``first``."""
        start = f"{self.mapped_nodes[node].key}["
        begin = max(first, self._blocks[0].first) if self._blocks else len(self.steps)
        for step in itertools.islice(self.steps, begin, None):
            if step.key.startswith(start):
                yield step


def _extend(column: list[tuple[int, ...] | list[int]], index: int, more: Iterable[int]) -> None:
    """Extend one entry of a column, a list from then on."""
    entry = column[index]
    if not isinstance(entry, list):
        entry = list(entry)
        column[index] = entry
    entry.extend(more)

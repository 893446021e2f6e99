"""The plan: a job made flat, immutable and indexed, so that everything after it works on integers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.types import RuntimeType
from rayexec.errors import StepNotFoundError
from rayexec.events import OutputRecord
from rayexec.names import nearest

__all__ = [
    "Call",
    "FanOut",
    "FromCollected",
    "FromConfig",
    "FromMapped",
    "FromStep",
    "ListShape",
    "MappedInput",
    "MappedNode",
    "NodeSource",
    "OpenInput",
    "Plan",
    "Step",
    "StepInput",
    "Template",
    "fan_outs_of",
    "feeds_of",
    "innermost",
]


class FromStep(NamedTuple):
    """The output ``output`` of the step at index ``step``."""

    step: int
    output: str


class FromConfig(NamedTuple):
    """The input ``name`` of the node at ``path`` (the job itself at ``""``), given by run config or
    a default.
    """

    path: str
    name: str


Source: TypeAlias = FromStep | FromConfig

# How the sources of a fan-in make up lists of lists: for each member how many sources it has, or
# its own shape; None for one that is a value.
ListShape: TypeAlias = "tuple[int | ListShape | None, ...]"


class StepInput(NamedTuple):
    """An input of a step: its name, where it comes from, and whether it is a fan-in or passes no
    value at all.

    With a ``shape`` a fan-in is a list of lists.
    """

    name: str
    sources: tuple[Source, ...]
    is_fan_in: bool = False
    is_nothing: bool = False
    shape: ListShape | None = None


class FromMapped(NamedTuple):
    """The output ``output`` of a step of the mapped node at place ``node``: that with the same
    mapping keys.
    """

    node: int
    output: str


class FromCollected(NamedTuple):
    """All the values below a dynamic output, in a list by the order of its mapping keys."""

    source: FromStep | FromMapped | FromCollected


# Where a value comes from while it is not known how many steps there will be.
NodeSource: TypeAlias = FromStep | FromMapped | FromCollected | FromConfig


class FanOut(NamedTuple):
    """A dynamic output: of the step at index ``node``, or of the mapped node at place ``-1 -
    node``.
    """

    node: int
    output: str


class MappedInput(NamedTuple):
    """An input of a mapped node, as in ``StepInput``."""

    name: str
    sources: tuple[NodeSource, ...]
    is_fan_in: bool
    is_nothing: bool

    @property
    def collected(self) -> FromCollected | None:
        """What it collects, None where it does not."""
        first = self.sources[0] if self.sources else None
        return first if isinstance(first, FromCollected) else None


class MappedNode(NamedTuple):
    """A node that has a step for each value of dynamic outputs: those in ``fan_outs``, outermost
    first.

    ``key`` is its node path; the keys of its steps have the mapping keys behind it, in brackets.
    """

    key: str
    template: int
    inputs: tuple[MappedInput, ...]
    tags: Mapping[str, str]
    priority: int
    fan_outs: tuple[FanOut, ...]


class OpenInput(NamedTuple):
    """An input that no selected step feeds: run config may give it, and must where ``required``.

    ``is_cut`` tells that an op feeds it which the selection leaves out.
    """

    type: RuntimeType
    required: bool
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """What the steps of one op share, and what workers hold of them: the op, its hooks, its retry
    policy.
    """

    op: OpDefinition
    hooks: tuple[HookDefinition, ...]
    retry_policy: RetryPolicy | None


class Step(NamedTuple):
    """One step: ``key`` is its node path, ``template`` the place of its template, higher
    ``priority`` runs earlier.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a step
    key: str
    template: int
    inputs: tuple[StepInput, ...]
    tags: Mapping[str, str]
    priority: int


class Call(NamedTuple):
    """One attempt to be made: the step's index, and the number of the attempt, 0 for the first."""

    step: int
    attempt: int


@dataclass(frozen=True)
class Plan:
    """The steps of a job (or of a selection from it) in an order in which each follows those it
    depends on.

    ``successors[i]`` are the steps that take anything from step i, ``in_degrees[i]`` counts those
    step i takes from. ``outputs`` maps (node path, output name) of every graph, the job's own at
    ``""``, to what is behind it. ``node_paths`` are all nodes of the job, selected or not.
    ``mapped_nodes`` are the nodes whose steps are known only when dynamic outputs are, each behind those
    it takes from; ``collected_inputs`` tells which inputs of steps, by (step, place of the input), are lists
    of values below dynamic outputs. ``selected_keys`` narrows dynamic outputs to values with certain mapping
    keys, outermost first, of which "?" is any.
    """

    job_name: str
    steps: Sequence[Step]
    templates: tuple[Template, ...]
    successors: Sequence[Sequence[int]]
    in_degrees: Sequence[int]
    outputs: Mapping[tuple[str, str], NodeSource]
    open_inputs: Mapping[tuple[str, str], OpenInput]
    node_paths: Mapping[str, Any] = field(repr=False)
    mapped_nodes: tuple[MappedNode, ...] = ()
    collected_inputs: Mapping[tuple[int, int], FromCollected] = field(default_factory=dict)
    selected_keys: Mapping[FanOut, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    @cached_property
    def by_key(self) -> Mapping[str, int]:
        """Step indices by step key."""
        return {step.key: step.index for step in self.steps}

    @property
    def collecting_steps(self) -> Collection[int]:
        """The steps that wait to be told what they collect."""
        return ()

    @property
    def future_sources(self) -> Mapping[int, tuple[int, ...]]:
        """For steps with dynamic outputs those from which what will be below them takes."""
        return {}

    def close_collected(self, step: int) -> None:
        """Fix what a step collects, now that all of it is known."""

    def sources_of(self, step: int) -> Iterator[FromStep]:
        """Yield the outputs of steps whose values a step takes, of what it collects as much as is
        known.
        """
        for each in self.steps[step].inputs:
            if not each.is_nothing:
                for source in each.sources:
                    if type(source) is FromStep:
                        yield source

    def steps_of_node(self, place: int, first: int = 0) -> Iterable[Step]:
        """Return the steps that there are, from ``first`` on, of the mapped node at ``place``."""
        return ()

    @cached_property
    def fan_out_steps(self) -> Collection[int]:
        """The steps whose dynamic outputs others are mapped over or collect."""
        fans = {node.fan_outs[-1].node for node in self.mapped_nodes}
        for step, place in self.collected_inputs:
            (source,) = self.steps[step].inputs[place].sources
            if isinstance(source, FromStep):
                fans.add(source.step)
        return frozenset([node for node in fans if node >= 0])

    @cached_property
    def dynamic_templates(self) -> frozenset[int]:
        """The places of templates whose ops have dynamic outputs."""
        return frozenset([place for place, each in enumerate(self.templates) if each.op.is_dynamic])

    @cached_property
    def predecessors(self) -> Sequence[Sequence[int]]:
        """For each step those that it takes anything from, in the order of the plan."""
        before: list[list[int]] = [[] for _ in self.steps]
        for index, following in enumerate(self.successors):
            for each in following:
                before[each].append(index)
        return tuple(map(tuple, before))

    @cached_property
    def feeds(self) -> Sequence[tuple[FromStep, ...] | None]:
        """For each step what its inputs take, in their order, where each takes the output of one
        step; else None.
        """
        return tuple([feeds_of(step.inputs) for step in self.steps])

    @cached_property
    def chain_inputs(self) -> Sequence[tuple[str, ...] | None]:
        """For each step what it takes from the only step before it, one output an input; None where
        it takes otherwise.

        Steps that take the same share one tuple.
        """
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        found: list[tuple[str, ...] | None] = []
        for sources, before in zip(self.feeds, self.in_degrees, strict=True):
            if sources is None or before != 1 or len(set(sources)) < len(sources):
                found.append(None)
            else:
                outputs = tuple([source.output for source in sources])
                found.append(known.setdefault(outputs, outputs))
        return tuple(found)

    @cached_property
    def template_of(self) -> Sequence[int]:
        """The place of each step's template."""
        return tuple([step.template for step in self.steps])

    @cached_property
    def first_calls(self) -> Sequence[Call]:
        """The first attempt of each step, made once for all runs of the plan."""
        return tuple([Call(index, 0) for index in range(len(self.steps))])

    @cached_property
    def output_records(self) -> Sequence[tuple[OutputRecord, ...]]:
        """For each step the records of all its outputs, as it yields them where nothing special
        happens.
        """
        by_template = self.records_by_template
        return tuple([by_template[step.template] for step in self.steps])

    @cached_property
    def records_by_template(self) -> tuple[tuple[OutputRecord, ...], ...]:
        """For each template the records of its op's outputs."""
        return tuple([tuple(map(OutputRecord, template.op.outs)) for template in self.templates])

    @cached_property
    def ops_by_key(self) -> Mapping[str, OpDefinition]:
        """The op behind each node, mapped ones too, by the node's path."""
        nodes: list[Step | MappedNode] = [*self.steps, *self.mapped_nodes]
        return {node.key: self.templates[node.template].op for node in nodes}

    @cached_property
    def heights(self) -> tuple[int, ...]:
        """The number of steps on the longest path from each step to an end of the plan, itself
        included.
        """
        heights = [1] * len(self.steps)
        for index in range(len(self.steps) - 1, -1, -1):
            following = self.successors[index]
            if following:
                heights[index] = 1 + max(map(heights.__getitem__, following))
        return tuple(heights)

    @cached_property
    def chain_next(self) -> Sequence[int]:
        """For each step the one that follows it in a chain, or -1: its only successor, which takes
        from it alone.

        Nothing follows a dynamic output in a chain, since it is not known before what will.
        """
        in_degrees, fan_out_steps = self.in_degrees, self.fan_out_steps
        return tuple(
            [
                following[0]
                if len(following) == 1
                and in_degrees[following[0]] == 1
                and index not in fan_out_steps
                else -1
                for index, following in enumerate(self.successors)
            ]
        )

    @cached_property
    def priorities(self) -> Sequence[int] | None:
        """The priority of each step; None where all are the same."""
        found = [step.priority for step in self.steps]
        return (
            tuple(found)
            if len({*found, *(node.priority for node in self.mapped_nodes)}) > 1
            else None
        )

    @cached_property
    def depth_order(self) -> Sequence[Any]:
        """The place of each step where one worker runs the plan depth-first.

        Of the steps that one makes ready, that with the longest path behind it goes first.
        """
        heights, successors = self.heights, self.successors
        waiting = list(self.in_degrees)
        places = [0] * len(self.steps)
        stack = [step for step, count in enumerate(waiting) if count == 0]
        stack.sort(key=lambda step: (heights[step], -step))
        for place in range(len(places)):
            step = stack.pop()
            places[step] = place
            released = []
            for each in successors[step]:
                waiting[each] -= 1
                if waiting[each] == 0:
                    released.append(each)
            if len(released) > 1:
                released.sort(key=lambda each: (heights[each], -each))
            stack += released
        return tuple(places)

    @cached_property
    def starting_orders(self) -> dict[int, list[int]]:
        """The order in which a run starts its steps while nothing is known of them, by slots; kept
        for later runs.
        """
        return {}

    def op_of(self, step: int) -> OpDefinition:
        """Return the op that the step at this index calls."""
        return self.templates[self.steps[step].template].op

    def index_of(self, key: str) -> int:
        """Return the index of the step with this key; raises StepNotFoundError where there is none."""
        try:
            return self.by_key[key]
        except KeyError:
            raise StepNotFoundError(
                f"{self.job_name} has no step {key!r}.{nearest(key, self.by_key)}"
            ) from None

    def fan_outs_of(self, symbol: NodeSource) -> tuple[FanOut, ...]:
        """Return the dynamic outputs that make up how many values ``symbol`` is, outermost first."""
        return fan_outs_of(symbol, self.steps, self.mapped_nodes, self.templates)

    def upstream_names(self, step: int) -> tuple[str, ...]:
        """Return the names of the inputs of a step that take values of other steps."""
        names = []
        for each in self.steps[step].inputs:
            if each.is_nothing:
                continue
            for source in each.sources:
                if type(source) is FromStep:
                    names.append(each.name)
                    break
        return tuple(names)


def feeds_of(inputs: Sequence[StepInput]) -> tuple[FromStep, ...] | None:
    """Return what inputs take, in their order, where each takes the output of one step; else None."""
    found: list[FromStep] = []
    for each in inputs:
        source = each.sources[0] if len(each.sources) == 1 and not each.is_fan_in else None
        if each.is_nothing or type(source) is not FromStep:
            return None
        found.append(source)
    return tuple(found)


def fan_outs_of(
    symbol: NodeSource,
    steps: Sequence[Step],
    mapped_nodes: Sequence[MappedNode],
    templates: Sequence[Template],
) -> tuple[FanOut, ...]:
    """Return the dynamic outputs that make up how many values ``symbol`` is, outermost first."""
    if type(symbol) is FromCollected:
        return fan_outs_of(symbol.source, steps, mapped_nodes, templates)[:-1]
    if type(symbol) is FromMapped:
        node = mapped_nodes[symbol.node]
        below = (
            (FanOut(-1 - symbol.node, symbol.output),)
            if templates[node.template].op.outs[symbol.output].is_dynamic
            else ()
        )
        return (*node.fan_outs, *below)
    if type(symbol) is FromStep:
        is_dynamic = templates[steps[symbol.step].template].op.outs[symbol.output].is_dynamic
        return (FanOut(symbol.step, symbol.output),) if is_dynamic else ()
    return ()


def innermost(gathered: FromCollected) -> FromStep | FromMapped:
    """Return what is gathered in the end, also where it is gathered into lists of lists."""
    source: FromStep | FromMapped | FromCollected = gathered
    while isinstance(source, FromCollected):
        source = source.source
    return source

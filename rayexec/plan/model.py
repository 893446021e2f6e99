"""Parts of a plan: steps, mapped nodes, and the sources of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.types.dagster_type import DagsterType

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
    "Source",
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
    """The input ``name`` of the node at ``path``, given by run config or a default.

    The job itself is the node at ``""``.
    """

    path: str
    name: str


#: The source of a step's input.
Source: TypeAlias = FromStep | FromConfig

#: The lists of a fan-in of lists. Each member has the number of its sources, or a shape of its own
#: where it is a list of lists, or None where it is a single value.
ListShape: TypeAlias = "tuple[int | ListShape | None, ...]"


class StepInput(NamedTuple):
    """An input of a step, with its sources."""

    name: str
    sources: tuple[Source, ...]
    #: The input is a list of the values of its sources.
    is_fan_in: bool = False
    #: The input orders steps and passes no value.
    is_nothing: bool = False
    #: The shape of a fan-in of lists; None for a flat list.
    shape: ListShape | None = None


class FromMapped(NamedTuple):
    """The output ``output`` of the mapped node at index ``node``, for the same mapping keys."""

    node: int
    output: str


class FromCollected(NamedTuple):
    """All values below a dynamic output, as a list in the order of their mapping keys."""

    source: FromStep | FromMapped | FromCollected


#: The source of a node's input. It holds before the steps of mapped nodes exist.
NodeSource: TypeAlias = FromStep | FromMapped | FromCollected | FromConfig


class FanOut(NamedTuple):
    """A dynamic output: its node yields any number of values, each under a mapping key."""

    #: The index of the step; for a mapped node -1 minus the node's index.
    node: int
    output: str


class MappedInput(NamedTuple):
    """An input of a mapped node; its fields are those of ``StepInput``."""

    name: str
    sources: tuple[NodeSource, ...]
    is_fan_in: bool
    is_nothing: bool

    @property
    def collected(self) -> FromCollected | None:
        """The collected values of this input, None where it collects nothing."""
        first = self.sources[0] if self.sources else None
        return first if isinstance(first, FromCollected) else None


class MappedNode(NamedTuple):
    """A node with one step for each value of a dynamic output."""

    #: The path of the node. Its steps append their mapping keys, in brackets.
    key: str
    template: int
    inputs: tuple[MappedInput, ...]
    tags: Mapping[str, str]
    priority: int
    #: The dynamic outputs above the node, outermost first.
    fan_outs: tuple[FanOut, ...]


class OpenInput(NamedTuple):
    """An input without a selected step as its source, left to run config or its default."""

    type: DagsterType
    #: Run config must give the input.
    required: bool
    #: The selection leaves out the op that feeds the input.
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """The part that all steps of an op share; workers hold one of each."""

    op: OpDefinition
    hooks: tuple[HookDefinition, ...]
    retry_policy: RetryPolicy | None


class Step(NamedTuple):
    """One step of a plan."""

    index: int  # type: ignore[assignment]  # hides tuple.index, unused on steps
    #: The path of the step's node, with mapping keys in brackets where the node is mapped.
    key: str
    #: The index of the step's template.
    template: int
    inputs: tuple[StepInput, ...]
    tags: Mapping[str, str]
    #: Steps of a higher priority run earlier.
    priority: int


class Call(NamedTuple):
    """One attempt to make."""

    step: int
    #: The attempt's number, 0 for the first.
    attempt: int


def feeds_of(inputs: Sequence[StepInput]) -> tuple[FromStep, ...] | None:
    """Return the source of each input, or None unless each input has one step as its source."""
    feeds: list[FromStep] = []
    for step_input in inputs:
        sources = step_input.sources
        source = sources[0] if len(sources) == 1 and not step_input.is_fan_in else None
        if step_input.is_nothing or type(source) is not FromStep:
            return None
        feeds.append(source)
    return tuple(feeds)


def fan_outs_of(
    source: NodeSource,
    steps: Sequence[Step],
    mapped_nodes: Sequence[MappedNode],
    templates: Sequence[Template],
) -> tuple[FanOut, ...]:
    """Return the dynamic outputs that multiply a source, outermost first."""
    if type(source) is FromCollected:
        return fan_outs_of(source.source, steps, mapped_nodes, templates)[:-1]
    if type(source) is FromMapped:
        node = mapped_nodes[source.node]
        own = (
            (FanOut(-1 - source.node, source.output),)
            if templates[node.template].op.outs[source.output].is_dynamic
            else ()
        )
        return (*node.fan_outs, *own)
    if type(source) is FromStep:
        is_dynamic = templates[steps[source.step].template].op.outs[source.output].is_dynamic
        return (FanOut(source.step, source.output),) if is_dynamic else ()
    return ()


def innermost(collected: FromCollected) -> FromStep | FromMapped:
    """Return the output behind a collected list, or behind a list of such lists."""
    source: FromStep | FromMapped | FromCollected = collected
    while isinstance(source, FromCollected):
        source = source.source
    return source

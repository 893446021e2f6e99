"""Wiring of graphs as data: dependencies of nodes, and mappings of a graph's inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError

__all__ = [
    "Dependencies",
    "Dependency",
    "DependencyDefinition",
    "DynamicCollectDependencyDefinition",
    "InputMapping",
    "InputPointer",
    "MappedInputPlaceholder",
    "MultiDependencyDefinition",
    "NodeInvocation",
    "OutputMapping",
    "OutputPointer",
]


class MappedInputPlaceholder:
    """Member of a fan-in that an input of the graph gives."""


@dataclass(frozen=True)
class NodeInvocation:
    """A node as a key of ``dependencies``: the definition's name, and settings of this call."""

    name: str
    alias: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    hook_defs: frozenset[HookDefinition] = frozenset()
    retry_policy: RetryPolicy | None = None

    def __post_init__(self) -> None:
        where = f"NodeInvocation({self.name!r})"
        if not isinstance(self.name, str):
            raise DefinitionError(f"{where}: a node is named by the name of an op or graph.")
        object.__setattr__(self, "tags", normalize_tags(self.tags, where))
        object.__setattr__(self, "hook_defs", frozenset(self.hook_defs or ()))

    def __hash__(self) -> int:
        tags = tuple(sorted(self.tags.items()))
        return hash((self.name, self.alias, tags, self.hook_defs, self.retry_policy))

    @property
    def node_name(self) -> str:
        """The name of the node in its graph."""
        return self.alias or self.name


@dataclass(frozen=True)
class DependencyDefinition:
    """An output of another node, as the source of an input."""

    node: str
    output: str = "result"
    description: str | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.node, str) and isinstance(self.output, str)):
            raise DefinitionError(
                f"DependencyDefinition takes the names of a node and of its output, got "
                f"{self.node!r} and {self.output!r}."
            )

    def get_node_dependencies(self) -> Sequence[DependencyDefinition]:
        """Return the outputs that the input takes: this one."""
        return [self]

    def is_fan_in(self) -> bool:
        """Whether the input takes a list of outputs: not so."""
        return False


@dataclass(frozen=True)
class MultiDependencyDefinition:
    """Outputs of other nodes, as a list for one input."""

    dependencies: Sequence[DependencyDefinition | type[MappedInputPlaceholder]]

    def __post_init__(self) -> None:
        seen: set[tuple[str, str]] = set()
        for member in self.dependencies:
            if member is MappedInputPlaceholder:
                continue
            if not isinstance(member, DependencyDefinition):
                raise DefinitionError(
                    f"MultiDependencyDefinition takes a list of DependencyDefinition, got "
                    f"{member!r}."
                )
            if (member.node, member.output) in seen:
                raise DefinitionError(
                    f"MultiDependencyDefinition has output {member.output!r} of node "
                    f"{member.node!r} twice; name it once."
                )
            seen.add((member.node, member.output))

    def get_node_dependencies(self) -> Sequence[DependencyDefinition]:
        """Return the outputs in the list, without members that an input of the graph gives."""
        return [each for each in self.dependencies if isinstance(each, DependencyDefinition)]

    def get_dependencies_and_mappings(
        self,
    ) -> Sequence[DependencyDefinition | type[MappedInputPlaceholder]]:
        """Return all members of the list."""
        return self.dependencies

    def is_fan_in(self) -> bool:
        """Whether the input takes a list of outputs: so it is."""
        return True


class DynamicCollectDependencyDefinition(NamedTuple):
    """All values of a dynamic output, as a list for one input."""

    node_name: str
    output_name: str

    def get_node_dependencies(self) -> Sequence[DependencyDefinition]:
        """Return the output whose values the list has."""
        return [DependencyDefinition(self.node_name, self.output_name)]

    def is_fan_in(self) -> bool:
        """Whether the input takes a list: so it is."""
        return True


Dependency: TypeAlias = (
    DependencyDefinition | MultiDependencyDefinition | DynamicCollectDependencyDefinition
)
#: The source of each input of each node; nodes without inputs may be absent.
Dependencies: TypeAlias = Mapping[NodeInvocation, Mapping[str, Dependency]]


class InputPointer(NamedTuple):
    """An input of a node in a graph; with ``fan_in_index`` a member of the list that it takes."""

    node_name: str
    input_name: str
    fan_in_index: int | None = None


class OutputPointer(NamedTuple):
    """An output of a node in a graph."""

    node_name: str
    output_name: str


@dataclass(frozen=True)
class InputMapping:
    """An input of a graph, and the input of a node in it that takes the value.

    ``dagster_type`` is there for Dagster's files; the type of the node's input holds.
    """

    graph_input_name: str
    mapped_node_name: str
    mapped_node_input_name: str
    fan_in_index: int | None = None
    graph_input_description: str | None = None
    dagster_type: Any = None

    @property
    def maps_to(self) -> InputPointer:
        """The input of a node that takes the value."""
        return InputPointer(self.mapped_node_name, self.mapped_node_input_name, self.fan_in_index)

    @property
    def maps_to_fan_in(self) -> bool:
        """Whether the value is a member of a list."""
        return self.fan_in_index is not None


@dataclass(frozen=True)
class OutputMapping:
    """An output of a graph, and the output of a node in it that gives the value.

    ``dagster_type`` and ``from_dynamic_mapping`` are there for Dagster's files: the node's output
    tells both.
    """

    graph_output_name: str
    mapped_node_name: str
    mapped_node_output_name: str
    graph_output_description: str | None = None
    dagster_type: Any = None
    from_dynamic_mapping: bool = False

    @property
    def maps_from(self) -> OutputPointer:
        """The output of a node that gives the value."""
        return OutputPointer(self.mapped_node_name, self.mapped_node_output_name)

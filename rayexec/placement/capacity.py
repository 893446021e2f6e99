"""What a Ray has to give, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Capacity", "NodeGroup"]

# Amounts are sums of fractions of 1e-4, the resolution that Ray counts in.
_EXACTLY = 1e-6


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A kind of node that an autoscaler may add: its name and what each node of it has."""

    name: str
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The resources, labels and ids of each node by Ray's names, and whether this process started
    that Ray.

    ``implicit_prefix`` begins the names of resources of which every node has 1.0 without declaring
    them, None where this Ray knows none. ``groups`` are what an autoscaler may add: empty where
    there is none, None where there is one that does not say. ``near`` are the ids of the nodes on
    this process's machine, None where all are. ``runtime_env`` is what all tasks of this process
    have, since it was set when Ray was attached.
    """

    nodes: tuple[Mapping[str, float], ...]
    is_own: bool
    labels: tuple[Mapping[str, str], ...] = ()
    node_ids: tuple[str, ...] = ()
    implicit_prefix: str | None = None
    groups: tuple[NodeGroup, ...] | None = ()
    near: frozenset[str] | None = None
    runtime_env: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cpus(self) -> float:
        """The CPUs of all nodes together."""
        return sum(node.get("CPU", 0) for node in self.nodes)

    @property
    def is_one_node(self) -> bool:
        """Whether there is a single node, and no autoscaler that would add another."""
        return len(self.nodes) == 1 and self.groups == ()

    @property
    def is_spread(self) -> bool:
        """Whether steps may run on another machine than this process's: on a node there, or one yet
        to be added.
        """
        return self.near is not None and (
            self.groups != () or not self.near.issuperset(self.node_ids)
        )

    @property
    def takes_tokens(self) -> bool:
        """Whether implicit resources can stand for limits: on a Ray of our own, whose one node they
        are tied to.
        """
        return self.is_own and len(self.nodes) == 1 and self.implicit_prefix is not None

    def total(self, name: str) -> float:
        """Return how much of a resource all nodes have together."""
        return sum(node.get(name, 0) for node in self.nodes)

    def fits(self, amounts: Mapping[str, float]) -> float:
        """Return how many requests like this one the nodes can hold at once; infinite for one that
        asks for nothing.
        """
        wanted = [(name, amount) for name, amount in amounts.items() if amount > 0]
        if not wanted:
            return float("inf")
        return sum(
            min(int(node.get(name, 0) / amount + _EXACTLY) for name, amount in wanted)
            for node in self.nodes
        )

    def slots_for(self, amounts: Mapping[str, float], most: int) -> int:
        """Return how many of ``most`` requests can run at once.

        With an autoscaler, all of them can. Without one, nodes may still join by hand. These count
        as bringing CPUs, and as bringing nothing that only few nodes have.
        """
        if not self.nodes or self.groups != ():
            return most
        if not self.is_one_node:
            amounts = {name: amount for name, amount in amounts.items() if name != "CPU"}
        return max(1, int(min(most, self.fits(amounts))))

    def less(self, node_id: str, held: Mapping[str, float]) -> Capacity:
        """Return what is left where so much of a node's resources is held."""
        nodes = [
            {name: amount - held.get(name, 0) for name, amount in node.items()}
            if each == node_id
            else node
            for node, each in zip(self.nodes, self.node_ids, strict=True)
        ]
        return replace(self, nodes=tuple(nodes))

    def most_beside(
        self, name: str, amounts: Mapping[str, float], selector: Mapping[str, str]
    ) -> float:
        """Return the most of a resource that a node has which can meet the rest of a request; 0
        where none can.
        """
        rest = {other: amount for other, amount in amounts.items() if other != name}
        found = sorted({node.get(name, 0) for node in self.nodes}, reverse=True)
        return next(
            (most for most in found if self.lacks({**rest, name: most}, selector) is None), 0
        )

    def lacks(
        self, amounts: Mapping[str, float], selector: Mapping[str, str] | None = None
    ) -> str | None:
        """Return why no node can ever meet a request, or None where one can."""
        wanted_labels = selector or {}
        labels = self.labels or ({},) * len(self.nodes)

        def has_labels(place: int) -> bool:
            return all(
                _is_met(condition, labels[place].get(name))
                for name, condition in wanted_labels.items()
            )

        fitting = [
            place
            for place, node in enumerate(self.nodes)
            if all(node.get(name, 0) >= amount for name, amount in amounts.items())
        ]
        if any(has_labels(place) for place in fitting):
            return None
        short = [
            f"{amount:g} {name} (the largest node has "
            f"{max((node.get(name, 0) for node in self.nodes), default=0):g})"
            for name, amount in amounts.items()
            if all(node.get(name, 0) < amount for node in self.nodes)
        ]
        if not any(has_labels(place) for place in range(len(self.nodes))):
            short += [f"label {name}={condition}" for name, condition in wanted_labels.items()]
        if short:
            return ", ".join(short)
        wanted = [f"{amount:g} {name}" for name, amount in amounts.items()]
        wanted += [f"label {name}={condition}" for name, condition in wanted_labels.items()]
        return f"{' and '.join(wanted)} on one node, which no single node has"


def _is_met(condition: str, label: str | None) -> bool:
    """Whether a node's label, None where it has none, meets one of Ray's conditions: ``a``, ``!a``,
    ``in(a, b)``.
    """
    allowed = condition.removeprefix("!")
    values = allowed[len("in(") : -1].split(",") if allowed.startswith("in(") else [allowed]
    return (label in [each.strip() for each in values]) != condition.startswith("!")

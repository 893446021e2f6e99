"""Capacity of a Ray: resources and labels of its nodes, and its autoscaler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Capacity", "NodeGroup"]

# Amounts are sums of fractions of 1e-4, which is Ray's resolution.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A kind of node that an autoscaler may add."""

    #: Its name in the autoscaler's configuration.
    name: str
    #: The resources of each of its nodes.
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The nodes of a Ray."""

    #: The resources of each node, by Ray's names.
    nodes: tuple[Mapping[str, float], ...]
    #: Whether this process started the Ray.
    is_own: bool
    #: The labels of each node.
    labels: tuple[Mapping[str, str], ...] = ()
    #: The id of each node.
    node_ids: tuple[str, ...] = ()
    #: The prefix of undeclared resources with 1.0 on every node, None where this Ray has none.
    implicit_prefix: str | None = None
    #: The kinds of nodes to come, empty without an autoscaler, None for a silent autoscaler.
    groups: tuple[NodeGroup, ...] | None = ()
    #: The ids of the nodes on this machine, None where all nodes are.
    near: frozenset[str] | None = None
    #: The environment of all tasks of this process, given when it attached to the Ray.
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    #: Whether rayexec started the Ray on this machine, with one node, for other processes too.
    is_marked: bool = False
    #: The id of this process's use of the Ray, where others use it at the same time.
    user_id: str = ""
    #: The id of the node of this process.
    own_node: str = ""

    @property
    def cpus(self) -> float:
        """The CPUs of all nodes together."""
        return sum(node.get("CPU", 0) for node in self.nodes)

    @property
    def is_one_node(self) -> bool:
        """Whether there is a single node, and no autoscaler to add another."""
        return len(self.nodes) == 1 and self.groups == ()

    @property
    def is_spread(self) -> bool:
        """Whether steps may run on another machine, now or once an autoscaler adds a node."""
        return self.near is not None and (
            self.groups != () or not self.near.issuperset(self.node_ids)
        )

    @property
    def takes_tokens(self) -> bool:
        """Whether undeclared resources can hold the limits of a run.

        They belong to one node, of a Ray that this process or another rayexec has started.
        """
        is_ours = self.is_own or self.is_marked
        return is_ours and len(self.nodes) == 1 and self.implicit_prefix is not None

    def total(self, name: str) -> float:
        """Return the amount of a resource on all nodes together."""
        return sum(node.get(name, 0) for node in self.nodes)

    def fits(self, amounts: Mapping[str, float]) -> float:
        """Return the number of such requests that fit the nodes; infinity for an empty one."""
        positive = [(name, amount) for name, amount in amounts.items() if amount > 0]
        if not positive:
            return float("inf")
        return sum(
            min(int(node.get(name, 0) / amount + _TOLERANCE) for name, amount in positive)
            for node in self.nodes
        )

    def slots_for(self, amounts: Mapping[str, float], most: int) -> int:
        """Return how many of ``most`` requests can run at once.

        With an autoscaler, all of them can. Without one, nodes may still join by hand. They are
        expected to bring CPUs, and no scarce resources.
        """
        if not self.nodes or self.groups != ():
            return most
        if not self.is_one_node:
            amounts = {name: amount for name, amount in amounts.items() if name != "CPU"}
        return max(1, int(min(most, self.fits(amounts))))

    def less(self, node_id: str, held: Mapping[str, float]) -> Capacity:
        """Return the capacity without some of the resources of one node."""
        nodes = [
            {name: amount - held.get(name, 0) for name, amount in node.items()}
            if other_id == node_id
            else node
            for node, other_id in zip(self.nodes, self.node_ids, strict=True)
        ]
        return replace(self, nodes=tuple(nodes))

    def most_beside(
        self, name: str, amounts: Mapping[str, float], selector: Mapping[str, str]
    ) -> float:
        """Return the greatest amount of a resource that a request can add to its rest.

        The answer is 0 if no node meets the rest.
        """
        rest = {other: amount for other, amount in amounts.items() if other != name}
        choices = sorted({node.get(name, 0) for node in self.nodes}, reverse=True)
        return next(
            (most for most in choices if self.lacks({**rest, name: most}, selector) is None), 0
        )

    def lacks(
        self, amounts: Mapping[str, float], selector: Mapping[str, str] | None = None
    ) -> str | None:
        """Return the reason why no node can ever meet a request, None for a request that fits."""
        conditions = selector or {}
        labels = self.labels or ({},) * len(self.nodes)

        def has_labels(index: int) -> bool:
            return all(
                _is_met(condition, labels[index].get(name))
                for name, condition in conditions.items()
            )

        fitting = [
            index
            for index, node in enumerate(self.nodes)
            if all(node.get(name, 0) >= amount for name, amount in amounts.items())
        ]
        if any(has_labels(index) for index in fitting):
            return None
        short = [
            f"{amount:g} {name} (the largest node has "
            f"{max((node.get(name, 0) for node in self.nodes), default=0):g})"
            for name, amount in amounts.items()
            if all(node.get(name, 0) < amount for node in self.nodes)
        ]
        if not any(has_labels(index) for index in range(len(self.nodes))):
            short += [f"label {name}={condition}" for name, condition in conditions.items()]
        if short:
            return ", ".join(short)
        parts = [f"{amount:g} {name}" for name, amount in amounts.items()]
        parts += [f"label {name}={condition}" for name, condition in conditions.items()]
        return f"{' and '.join(parts)} on one node, which no single node has"


def _is_met(condition: str, label: str | None) -> bool:
    """Return whether a label meets one of Ray's conditions: ``a``, ``!a``, ``in(a, b)``.

    A node without the label has None.
    """
    allowed = condition.removeprefix("!")
    values = allowed[len("in(") : -1].split(",") if allowed.startswith("in(") else [allowed]
    return (label in [value.strip() for value in values]) != condition.startswith("!")

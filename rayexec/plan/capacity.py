"""What a Ray has to give, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Capacity"]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The resources, labels and ids of each node by Ray's names, and whether this process started that Ray."""

    nodes: tuple[Mapping[str, float], ...]
    is_own: bool
    labels: tuple[Mapping[str, str], ...] = ()
    node_ids: tuple[str, ...] = ()

    @property
    def cpus(self) -> float:
        """The CPUs of all nodes together."""
        return sum(node.get("CPU", 0) for node in self.nodes)

    @property
    def slots(self) -> int | None:
        """How many steps of one CPU run at once on a single node; None on several, where Ray's CPUs are the limit."""
        return max(1, int(self.cpus)) if len(self.nodes) == 1 else None

    def lacks(self, amounts: Mapping[str, float]) -> str | None:
        """Return why no node can ever meet a request, or None where one can."""
        if any(all(node.get(name, 0) >= amount for name, amount in amounts.items()) for node in self.nodes):
            return None
        short = [
            f"{amount:g} {name} (the largest node has {max((node.get(name, 0) for node in self.nodes), default=0):g})"
            for name, amount in amounts.items()
            if all(node.get(name, 0) < amount for node in self.nodes)
        ]
        return ", ".join(short) or "all of it on one node"

    def lacks_labels(self, selector: Mapping[str, str]) -> str | None:
        """Return the labels of a selector that no node has, or None; conditions (``!``, ``in()``) are left to Ray."""
        plain = {name: value for name, value in selector.items() if not value.startswith("!") and "(" not in value}
        if not plain or any(all(node.get(name) == value for name, value in plain.items()) for node in self.labels):
            return None
        return ", ".join(f"label {name}={value}" for name, value in plain.items())

"""Specification of a cluster on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.concurrency import limit_resource, pool_resource

__all__ = ["ClusterSpec"]


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """Size of a cluster, and its limits.

    ``num_cpus`` is per node. ``limits`` has tags, as ``KEY`` or ``KEY=VALUE``, and ``pools`` has
    names. ``given`` names the requested fields; the others have defaults.
    """

    nodes: int = 1
    num_cpus: int | None = None
    port: int | None = None
    dashboard: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def resources(self) -> dict[str, int]:
        """Return the custom resources of the limits and pools."""
        limits = {limit_resource(name): limit for name, limit in self.limits.items()}
        return limits | {pool_resource(name): slots for name, slots in self.pools.items()}

    def differences(self, other: ClusterSpec) -> list[str]:
        """Return the differences of ``other`` from the requested fields, as text."""
        return [
            f"{name} {_text(getattr(self, name))} is asked for, and it has "
            f"{_text(getattr(other, name))}"
            for name in ("nodes", "num_cpus", "port", "dashboard", "limits", "pools")
            if name in self.given and getattr(self, name) != getattr(other, name)
        ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{limit}" for name, limit in value.items()) or "none"
    return str(value)

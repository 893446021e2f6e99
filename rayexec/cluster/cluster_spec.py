"""Specification of a cluster on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.limits import limit_resource, pool_resource

__all__ = ["ClusterSpec"]


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What a cluster shall have.

    ``num_cpus`` is per node; ``limits`` goes by ``KEY`` or ``KEY=VALUE`` of a tag, ``pools`` by
    name. ``given`` names the fields that were asked for, in contrast to those that are as they are
    by default.
    """

    nodes: int = 1
    num_cpus: int | None = None
    port: int | None = None
    dashboard: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def resources(self) -> dict[str, int]:
        """Return the custom resources that stand for the limits and pools."""
        limits = {limit_resource(name): number for name, number in self.limits.items()}
        return limits | {pool_resource(name): number for name, number in self.pools.items()}

    def differences(self, other: ClusterSpec) -> list[str]:
        """Return in words where ``other`` is not what was asked for here."""
        return [
            f"{name} {_worded(getattr(self, name))} is asked for, and it has "
            f"{_worded(getattr(other, name))}"
            for name in ("nodes", "num_cpus", "port", "dashboard", "limits", "pools")
            if name in self.given and getattr(self, name) != getattr(other, name)
        ]


def _worded(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{number}" for name, number in value.items()) or "none"
    return str(value)

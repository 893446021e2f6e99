"""Paths in run config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from rayexec.definitions.types import DagsterType

__all__ = ["OpenInputs", "config_path"]

#: Unconnected inputs by (node path, input name): the type, whether run config must give the input,
#: and whether the selection leaves out the op that feeds it.
OpenInputs: TypeAlias = Mapping[tuple[str, str], tuple[DagsterType, bool, bool]]


def config_path(node: str, *rest: str) -> tuple[str, ...]:
    """Return the path of a node's section in run config, followed by ``rest``."""
    return (*(part for name in node.split(".") if name for part in ("ops", name)), *rest)

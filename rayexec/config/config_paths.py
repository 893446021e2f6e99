"""Paths in run config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.types.dagster_type import DagsterType

__all__ = ["OpenInputs", "config_path", "mapped_graphs"]

#: Unconnected inputs by (node path, input name): the type, whether run config must give the input,
#: and whether the selection leaves out the op that feeds it.
OpenInputs: TypeAlias = Mapping[tuple[str, str], tuple[DagsterType, bool, bool]]


def mapped_graphs(graph: GraphDefinition, prefix: str = "") -> Iterator[tuple[str, ConfigMapping]]:
    """Yield the path and the config mapping of each graph whose config a run gives as a whole.

    The path of the graph itself is empty.
    """
    if graph.config is not None:
        yield prefix.removesuffix("."), graph.config
        return
    for name, inner in graph.mapped_graphs.items():
        yield from mapped_graphs(inner, f"{prefix}{name}.")


def config_path(node: str, *rest: str) -> tuple[str, ...]:
    """Return the path of a node's section in run config, followed by ``rest``."""
    return (*(part for name in node.split(".") if name for part in ("ops", name)), *rest)

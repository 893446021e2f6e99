"""A drawing of a graph, as the pages of jobs and of runs get it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rayexec.web.models.base import Model

__all__ = ["LayoutAnswer", "LayoutEdge", "LayoutNode"]


class LayoutNode(Model):
    """A node of a drawing, in pixels."""

    id: str
    label: str
    kind: Literal["op", "graph", "stack", "group"]
    x: float
    y: float
    w: float
    h: float
    is_open: bool
    inner: int
    is_mapped: bool
    marks: list[str]
    depth: int
    is_selected: bool
    members: list[str]


class LayoutEdge(Model):
    """A line from one node of a drawing to another."""

    from_: str = Field(alias="from")
    to: str
    points: list[list[float]]
    label: str
    is_dynamic: bool
    is_collected: bool


class LayoutAnswer(Model):
    """A drawing of a graph, in pixels."""

    width: float
    height: float
    nodes: list[LayoutNode]
    edges: list[LayoutEdge]
    folded: list[str]
    total_ops: int

"""A drawing of a graph, as the pages of jobs and of runs get it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rayexec.web.models.base import Model

__all__ = ["LayoutAnswer", "LayoutEdge", "LayoutNode"]


class LayoutNode(Model):
    """A node of a drawing, in pixels."""

    id: str = Field(
        description="Path of the node; for a stack or group that of its first part, `*`, a number.",
        examples=["load_1*100"],
    )
    label: str = Field(description="What the box shows.", examples=["load"])
    kind: Literal["op", "graph", "stack", "group"] = Field(
        description="op, graph, stack: many calls of an op, or group: neighbours in a large graph.",
        examples=["op"],
    )
    x: float = Field(description="Left edge in pixels.", examples=[40.0])
    y: float = Field(description="Upper edge in pixels.", examples=[120.0])
    w: float = Field(description="Width in pixels.", examples=[132.0])
    h: float = Field(description="Height in pixels.", examples=[48.0])
    is_open: bool = Field(description="Whether its nodes are in it.", examples=[False])
    inner: int = Field(description="Number of ops inside, 1 for an op.", examples=[1])
    is_mapped: bool = Field(
        description="Whether it runs once for each dynamic output.", examples=[False]
    )
    marks: list[str] = Field(
        description="What to know at a glance.", examples=[["cached", "pool:licence"]]
    )
    depth: int = Field(description="Number of open boxes around it.", examples=[0])
    is_selected: bool = Field(description="Whether an op of it is selected.", examples=[True])
    members: list[str] = Field(description="Paths of the nodes in a stack or group.", examples=[[]])


class LayoutEdge(Model):
    """A line from one node of a drawing to another."""

    from_: str = Field(
        alias="from", description="Id of the node where it begins.", examples=["load"]
    )
    to: str = Field(description="Id of the node where it ends.", examples=["clean"])
    points: list[list[float]] = Field(
        description="Its corners: x and y in pixels.", examples=[[[106.0, 48.0], [106.0, 96.0]]]
    )
    label: str = Field(description="Names of outputs, if there are several.", examples=[""])
    is_dynamic: bool = Field(
        description="Whether the target runs once for each value.", examples=[False]
    )
    is_collected: bool = Field(
        description="Whether the target takes all values as a list.", examples=[False]
    )


class LayoutAnswer(Model):
    """A drawing of a graph, in pixels."""

    width: float = Field(description="Width in pixels.", examples=[640.0])
    height: float = Field(description="Height in pixels.", examples=[480.0])
    nodes: list[LayoutNode] = Field(description="Nodes; an open box precedes what is in it.")
    edges: list[LayoutEdge] = Field(description="Lines between nodes.")
    folded: list[str] = Field(
        description="Ids of closed graphs, stacks and groups.", examples=[["region_1"]]
    )
    total_ops: int = Field(description="Number of ops of the whole graph.", examples=[1000])

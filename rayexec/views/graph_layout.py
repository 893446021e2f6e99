"""Drawing of a graph of ops: rows from top to bottom, with nested graphs as boxes to open.

It is code of our own since igraph's ``layout_sugiyama`` (a wheel of 3 MB) knows no boxes and no
sizes of nodes, and grandalf is slow and without care since 2023; the rows are in
``layered_rows.py``. A layout is a function of its arguments, so callers may hold it for reuse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from typing import Any

from rayexec.views.graph_folding import Part, folded_tree
from rayexec.views.graph_model import GraphModel
from rayexec.views.layered_rows import FIRST_ROW, LAST_ROW, Item, Wire, laid_out

__all__ = ["Layout", "LayoutEdge", "LayoutNode", "layout_of"]

_CHARACTER = 7.2
_LEAST_WIDTH, _MOST_WIDTH = 132.0, 264.0
_NODE_HEIGHT = 48.0
_PADDING, _HEADER = 16.0, 36.0
_PORT_WIDTH = 8.0

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LayoutNode:
    """A node of the drawing, in pixels; the box of an open graph is before its nodes."""

    #: The path; of a stack or group that of its first part with ``*`` and the number of parts.
    id: str
    label: str
    #: ``op``, ``graph``, ``stack``: many calls of one op, side by side, or ``group``: neighbours
    #: in a graph of too many parts.
    kind: str
    x: float
    y: float
    w: float
    h: float
    is_open: bool
    #: Number of ops inside, 1 for an op.
    inner: int
    is_mapped: bool
    marks: tuple[str, ...]
    #: Number of open boxes around it.
    depth: int
    #: Whether an op of it is selected.
    is_selected: bool
    #: Paths of the nodes in a stack or group, empty for the others.
    members: tuple[str, ...] = ()


_FIELDS = [each.name for each in fields(LayoutNode)]


@dataclass(frozen=True, slots=True)
class LayoutEdge:
    """A line from one node of the drawing to another."""

    source: str
    target: str
    points: tuple[_Point, ...]
    label: str
    #: The target runs once for each value.
    is_dynamic: bool
    #: The target takes all values as a list.
    is_collected: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "from": self.source,
            "to": self.target,
            "points": [list(point) for point in self.points],
            "label": self.label,
            "is_dynamic": self.is_dynamic,
            "is_collected": self.is_collected,
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing of a graph."""

    width: float
    height: float
    nodes: tuple[LayoutNode, ...]
    edges: tuple[LayoutEdge, ...]
    #: The nodes to open: closed graphs and stacks.
    folded: tuple[str, ...]
    #: Number of ops in the whole graph, shown or not.
    total_ops: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "width": self.width,
            "height": self.height,
            "nodes": [
                {name: getattr(node, name) for name in _FIELDS}
                | {"marks": list(node.marks), "members": list(node.members)}
                for node in self.nodes
            ],
            "edges": [edge.to_dict() for edge in self.edges],
            "folded": list(self.folded),
            "total_ops": self.total_ops,
        }


def layout_of(
    model: GraphModel,
    *,
    opened: Collection[str] | None = None,
    focus: str | None = None,
    depth: int = 1,
    selected: Set[str] | None = None,
) -> Layout:
    """Return the layout of a graph.

    ``opened`` are the open boxes; None opens graphs as far as 60 nodes are in view. ``focus`` is
    the path of an op or graph, for its neighbours up to ``depth`` edges away only. ``selected`` are
    paths of ops; without it all are. Raises SelectionError for a focus on nothing.
    """
    total = len(model.ops)
    if focus:
        around = model.around(model.ops_at(focus.partition("*")[0]), max(0, depth))
        model = model.part(around)
    drawing = _Drawing(model, folded_tree(model, opened))
    return drawing.made(total, selected)


@dataclass(slots=True)
class _Line:
    """An edge between two parts in view, with the outputs of all edges that it stands for."""

    source: Part
    target: Part
    labels: dict[str, None] = field(default_factory=dict)
    is_dynamic: bool = False
    is_collected: bool = False
    points: list[_Point] = field(default_factory=list)


@dataclass(slots=True)
class _Box:
    """A laid out part: its size, and the x at which each line enters and leaves."""

    part: Part
    width: float
    height: float
    entries: Mapping[int, float] = field(default_factory=dict)
    exits: Mapping[int, float] = field(default_factory=dict)
    inner: list[tuple[_Box, _Point]] = field(default_factory=list)
    # Routes of lines inside, by line: between two parts, from a part out, and in to a part.
    routes: dict[int, list[_Point]] = field(default_factory=dict)
    leaving: Set[int] = frozenset()
    coming: Set[int] = frozenset()


class _Drawing:
    def __init__(self, model: GraphModel, root: Part) -> None:
        self._model = model
        self._root = root
        self._above: dict[int, tuple[Part, ...]] = {}  # by id of a part in view
        part_of: dict[int, Part] = {}
        self._walk(root, (), part_of)
        lines: dict[tuple[int, int], _Line] = {}
        for edge in model.edges:
            source, target = part_of[edge.source], part_of[edge.target]
            if source is target:
                continue
            line = lines.setdefault((id(source), id(target)), _Line(source, target))
            if edge.label:
                line.labels[edge.label] = None
            line.is_dynamic |= edge.is_dynamic
            line.is_collected |= edge.is_collected
        self._lines = list(lines.values())

    def _walk(self, part: Part, above: tuple[Part, ...], part_of: dict[int, Part]) -> None:
        above = (*above, part)
        if part.is_open:
            for child in part.children:
                self._walk(child, above, part_of)
        else:
            self._above[id(part)] = above
            part_of.update(dict.fromkeys(part.ops, part))

    def made(self, total: int, selected: Set[str] | None) -> Layout:
        root = self._placed(self._root, 0, range(len(self._lines)), (), ())
        nodes: list[LayoutNode] = []
        self._draw(root, -_PADDING, -_HEADER, -1, nodes, selected)
        return Layout(
            width=round(root.width - 2 * _PADDING, 1),
            height=round(root.height - _HEADER - _PADDING, 1),
            nodes=tuple(nodes),
            edges=tuple(
                LayoutEdge(
                    line.source.id,
                    line.target.id,
                    _straightened(line.points),
                    ", ".join(line.labels),
                    line.is_dynamic,
                    line.is_collected,
                )
                for line in self._lines
            ),
            folded=tuple(node.id for node in nodes if node.kind != "op" and not node.is_open),
            total_ops=total,
        )

    def _placed(
        self,
        part: Part,
        depth: int,
        inner: Collection[int],
        leaving: Collection[int],
        coming: Collection[int],
    ) -> _Box:
        """Lay out a part; the lines are those within it, those that leave it, those that come."""
        if not part.is_open:
            return _Box(part, _width(part), _NODE_HEIGHT)
        index_of = {id(child): index for index, child in enumerate(part.children)}
        sides: dict[int, tuple[int | None, int | None]] = {}
        within: list[list[int]] = [[] for _ in part.children]
        outward: list[list[int]] = [[] for _ in part.children]
        inward: list[list[int]] = [[] for _ in part.children]
        for line in inner:
            source = index_of[id(self._chain(self._lines[line].source)[depth + 1])]
            target = index_of[id(self._chain(self._lines[line].target)[depth + 1])]
            if source == target:
                within[source].append(line)
                continue
            sides[line] = source, target
            outward[source].append(line)
            inward[target].append(line)
        for line in leaving:
            source = index_of[id(self._chain(self._lines[line].source)[depth + 1])]
            sides[line] = source, None
            outward[source].append(line)
        for line in coming:
            target = index_of[id(self._chain(self._lines[line].target)[depth + 1])]
            sides[line] = None, target
            inward[target].append(line)
        boxes = [
            self._placed(child, depth + 1, within[index], outward[index], inward[index])
            for index, child in enumerate(part.children)
        ]
        items = [Item(box.width, box.height) for box in boxes]
        coming_ports = self._ports(coming, items, FIRST_ROW)
        leaving_ports = self._ports(leaving, items, LAST_ROW)
        wires: dict[Wire, int] = {}
        wire_of: dict[int, int] = {}
        for line, (above, below) in sides.items():
            upper = coming_ports[line] if above is None else above
            lower = leaving_ports[line] if below is None else below
            middle = _PORT_WIDTH / 2
            upper_x = middle if above is None else _x(boxes[above], boxes[above].exits, line)
            lower_x = middle if below is None else _x(boxes[below], boxes[below].entries, line)
            wire_of[line] = wires.setdefault(Wire(upper, lower, upper_x, lower_x), len(wires))
        content = laid_out(items, list(wires))
        width = max(content.width, _width(part) - 2 * _PADDING)
        shift = _PADDING + (width - content.width) / 2

        def port_x(ports: Mapping[int, int]) -> dict[int, float]:
            return {
                line: content.corners[port][0] + shift + _PORT_WIDTH / 2
                for line, port in ports.items()
            }

        return _Box(
            part,
            width + 2 * _PADDING,
            content.height + _HEADER + _PADDING,
            entries=port_x(coming_ports),
            exits=port_x(leaving_ports),
            inner=[
                (box, (x + shift, y + _HEADER))
                for box, (x, y) in zip(boxes, content.corners, strict=False)
            ],
            routes={
                line: [(x + shift, y + _HEADER) for x, y in content.routes[wire]]
                for line, wire in wire_of.items()
            },
            leaving=frozenset(leaving),
            coming=frozenset(coming),
        )

    def _chain(self, part: Part) -> tuple[Part, ...]:
        return self._above[id(part)]

    def _ports(self, lines: Collection[int], items: list[Item], border: int) -> dict[int, int]:
        """Add items at the border of a box for the lines that pass it; the fewest that do."""
        sources = {line: id(self._lines[line].source) for line in lines}
        targets = {line: id(self._lines[line].target) for line in lines}
        fewest = min(sources, targets, key=lambda ends: len(set(ends.values())))
        ports: dict[int, int] = {}
        for line in lines:
            if fewest[line] not in ports:
                ports[fewest[line]] = len(items)
                items.append(Item(_PORT_WIDTH, 0.0, border))
        return {line: ports[fewest[line]] for line in lines}

    def _draw(
        self,
        box: _Box,
        x: float,
        y: float,
        depth: int,
        nodes: list[LayoutNode],
        selected: Set[str] | None,
    ) -> None:
        """Add a box and its content, its left upper corner at x and y; finish lines in it."""
        if depth >= 0:
            nodes.append(self._node(box, x, y, depth, selected))
        for line, route in box.routes.items():
            points = [(left + x, top + y) for left, top in route]
            if line in box.leaving:
                self._lines[line].points[:0] = points
            else:
                self._lines[line].points += points
        for inner, (left, top) in box.inner:
            self._draw(inner, x + left, y + top, depth + 1, nodes, selected)

    def _node(
        self, box: _Box, x: float, y: float, depth: int, selected: Set[str] | None
    ) -> LayoutNode:
        part, ops = box.part, [self._model.ops[op] for op in box.part.ops]
        return LayoutNode(
            id=part.id,
            label=part.label,
            kind=part.kind,
            x=round(x, 1),
            y=round(y, 1),
            w=round(box.width, 1),
            h=round(box.height, 1),
            is_open=part.is_open,
            inner=len(ops),
            is_mapped=all(node.is_mapped for node in ops),
            # Tags of an op alone: a box of many would be a list of tags.
            marks=(
                *sorted({mark for node in ops for mark in node.marks}),
                *(ops[0].tags if len(ops) == 1 else ()),
            ),
            depth=depth,
            is_selected=selected is None or any(node.path in selected for node in ops),
            members=part.members,
        )


def _x(box: _Box, places: Mapping[int, float], line: int) -> float:
    return places.get(line, box.width / 2)


def _width(part: Part) -> float:
    return min(_MOST_WIDTH, max(_LEAST_WIDTH, round(_CHARACTER * len(part.label)) + 36.0))


def _straightened(points: Sequence[_Point]) -> tuple[_Point, ...]:
    """Return the points in whole pixels' tenths, without those on the way of a vertical line."""
    rounded = [(round(x, 1), round(y, 1)) for x, y in points]
    left: list[_Point] = []
    for point in rounded:
        if left and point == left[-1]:
            continue
        if len(left) > 1 and left[-2][0] == left[-1][0] == point[0]:
            left[-1] = point
        else:
            left.append(point)
    return tuple(left)

"""Folding of a graph of ops: open graphs, calls of one op in stacks, and groups of many others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rayexec.views.graph_model import GraphModel

__all__ = ["Part", "folded_tree"]

#: Nodes in view above which graphs begin closed, and siblings become stacks.
MOST_IN_VIEW = 60
#: Siblings of one op in one row that are few enough to show each.
MOST_ALIKE = 8
#: Siblings above which neighbours of the same rows become closed groups, about 60 of them. More
#: nodes than these are slow to lay out and to draw, and nobody can read them.
MOST_SIBLINGS = 300
_GROUPS = 60

_COUNTER = re.compile(r"_\d+\Z")


@dataclass(eq=False, slots=True)
class Part:
    """A node in view or a box around nodes."""

    id: str
    label: str
    kind: str
    #: Indices of the ops inside.
    ops: list[int] = field(default_factory=list)
    children: list[Part] = field(default_factory=list)
    is_open: bool = False
    #: Paths of the nodes of a stack or group.
    members: tuple[str, ...] = ()


def folded_tree(model: GraphModel, opened: Collection[str] | None) -> Part:
    """Return the job as an open part, with the parts in it open or closed.

    Without ``opened``, graphs are open level by level while at most 60 nodes are in view.
    """
    root = _tree(model)
    root.is_open = True
    if opened is None:
        _open_levels(root)
        opened = ()
    else:
        above = {path.partition("*")[0] for path in opened} - {""}
        above |= {path[:end] for path in above for end in _dots(path)}
        # A stack's own id opens the stack, but not the first graph in it.
        closed = {path.partition("*")[0] for path in opened if "*" in path} - set(opened)
        _open_paths(root, above - closed)
    _stack(root, model, [(edge.source, edge.target) for edge in model.edges], frozenset(opened))
    return root


def _dots(path: str) -> Iterator[int]:
    return (index for index, character in enumerate(path) if character == ".")


def _tree(model: GraphModel) -> Part:
    root = Part("", "", "graph")
    graphs = {"": root}
    for index, node in enumerate(model.ops):
        parent = root
        parent.ops.append(index)
        name = node.path
        if "." in name:
            for end in _dots(node.path):
                path = node.path[:end]
                if path not in graphs:
                    graphs[path] = Part(path, path.rpartition(".")[2], "graph")
                    parent.children.append(graphs[path])
                parent = graphs[path]
                parent.ops.append(index)
            name = node.path.rpartition(".")[2]
        parent.children.append(Part(node.path, name, "op", [index]))
    return root


def _open_levels(root: Part) -> None:
    in_view = root.children
    while True:
        graphs = [part for part in in_view if part.kind == "graph"]
        following = [child for part in graphs for child in part.children]
        leaves = len(in_view) - len(graphs)
        if not graphs or leaves + len(following) > MOST_IN_VIEW:
            return
        for part in graphs:
            part.is_open = True
        in_view = [part for part in in_view if part.kind != "graph"] + following


def _open_paths(part: Part, paths: Collection[str]) -> None:
    for child in part.children:
        if child.kind == "graph" and child.id in paths:
            child.is_open = True
            _open_paths(child, paths)


def _stack(
    part: Part, model: GraphModel, edges: Sequence[tuple[int, int]], opened: Collection[str]
) -> None:
    """Make stacks of equal siblings in a part with many children, and in the open ones of it."""
    owner = {op: index for index, child in enumerate(part.children) for op in child.ops}
    inner: dict[int, list[tuple[int, int]]] = {}
    across: list[tuple[int, int]] = []
    for source, target in edges:
        if owner[source] == owner[target]:
            inner.setdefault(owner[source], []).append((source, target))
        else:
            across.append((owner[source], owner[target]))
    for index, child in enumerate(part.children):
        if child.is_open:
            _stack(child, model, inner.get(index, []), opened)
    if len(part.children) > MOST_IN_VIEW:
        ranks = _ranks(len(part.children), across)
        alike: dict[tuple[int, tuple[object, ...]], list[Part]] = {}
        for child, rank in zip(part.children, ranks, strict=True):
            alike.setdefault((rank, _form(child, model)), []).append(child)
        rows: dict[int, list[Part]] = {}
        for (rank, _), group in alike.items():
            rows.setdefault(rank, []).extend(_stacked(group, opened))
        part.children = _grouped([rows[rank] for rank in sorted(rows)], opened)


def _stacked(group: list[Part], opened: Collection[str]) -> list[Part]:
    if len(group) <= MOST_ALIKE:
        return group
    label = f"{_COUNTER.sub('', group[0].label)} \N{MULTIPLICATION SIGN} {len(group)}"
    stack = _holder("stack", label, group, opened)
    stack.children = _grouped([group], opened)
    return [stack]


def _holder(kind: str, label: str, parts: list[Part], opened: Collection[str]) -> Part:
    """Return a stack or group; a stack that is a part of it adds what it has."""
    name = f"{parts[0].id}*{len(parts)}"
    ops = [op for part in parts for op in part.ops]
    members = tuple(member for part in parts for member in part.members or (part.id,))
    return Part(name, label, kind, ops, parts, name in opened, members)


def _grouped(rows: list[list[Part]], opened: Collection[str]) -> list[Part]:
    """Return the parts of all rows; too many of them in groups, which edges only leave downward.

    A group has neighbours of one row, or several short rows. One that opens has groups inside, if
    it still has too many parts.
    """
    count = sum(map(len, rows))
    if count <= MOST_SIBLINGS:
        return [part for row in rows for part in row]
    size = -(-count // _GROUPS)
    groups: list[list[list[Part]]] = []
    held = size
    for row in rows:
        pieces = -(-len(row) // size)
        for piece in range(pieces):
            cut = row[piece * len(row) // pieces : (piece + 1) * len(row) // pieces]
            if held + len(cut) > size:
                groups.append([])
                held = 0
            groups[-1].append(cut)
            held += len(cut)
    return [part for group in groups for part in _group(group, opened)]


def _group(rows: list[list[Part]], opened: Collection[str]) -> list[Part]:
    parts = [part for row in rows for part in row]
    if len(parts) == 1:
        return parts
    label = f"{parts[0].label} \N{HORIZONTAL ELLIPSIS} {parts[-1].label}"
    group = _holder("group", label, parts, opened)
    group.children = _grouped(rows, opened)
    return [group]


def _form(part: Part, model: GraphModel) -> tuple[object, ...]:
    """Return what two calls of one op, or of one graph, have in common."""
    if part.kind == "op":
        node = model.ops[part.ops[0]]
        return node.op, node.is_mapped
    start = len(part.id)
    return tuple((model.ops[op].path[start:], model.ops[op].op) for op in part.ops)


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> Sequence[int]:
    """Return the length of the longest path to each; in a cycle, where only nesting has one, 0."""
    below: Mapping[int, list[int]] = {index: [] for index in range(count)}
    waits = [0] * count
    for source, target in edges:
        below[source].append(target)
        waits[target] += 1
    ranks = [0] * count
    order = [index for index in range(count) if not waits[index]]
    for index in order:
        for target in below[index]:
            ranks[target] = max(ranks[target], ranks[index] + 1)
            waits[target] -= 1
            if not waits[target]:
                order.append(target)
    return ranks

"""Layered layout of one level of a graph: rows by longest path, few crossings, edges downward."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from rayexec.views.row_columns import columns_of

__all__ = ["FIRST_ROW", "LAST_ROW", "Item", "RowLayout", "Wire", "laid_out"]

#: Rows of an item that is at the border of its box.
FIRST_ROW, LAST_ROW = -1, 1

ROW_GAP = 56.0
# Room that an edge has on its way through a row.
_EDGE_WIDTH = 8.0
_SWEEPS = 8
# Rows of more items break into several rows.
_LEAST_ROW = 16
# Above this, counting the crossings of each sweep takes longer than the sweeps.
_MOST_COUNTED = 1_500
# Edges over several rows have bends, until the bends are this many for each item.
_BENDS_OF_ITEM = 3
_BENDS_AT_LEAST = 2_000


class Item(NamedTuple):
    """Something to lay out: a node, a box, or an end of an edge at the border of the box."""

    width: float
    height: float
    border: int = 0


class Wire(NamedTuple):
    """An edge from one item to another; it begins and ends at an x within them."""

    source: int
    target: int
    source_x: float
    target_x: float


@dataclass(slots=True)
class RowLayout:
    """Left upper corners of the items, and the points of each wire from its source on."""

    width: float
    height: float
    corners: list[tuple[float, float]]
    routes: list[list[tuple[float, float]]]


def laid_out(items: Sequence[Item], wires: Sequence[Wire]) -> RowLayout:
    """Return the layout of items and wires.

    1. Ranks by longest path. A cycle is cut at a wire, which then leads upward.
    2. Bends where a wire passes a row. Wires with a common end share them.
    3. The order in each row, by sweeps over the mean order of neighbours.
    4. Columns: as near to the neighbours as the gaps allow.
    """
    if not items:
        return RowLayout(0.0, 0.0, [], [])
    upward = _upward(len(items), wires)
    ends = [
        (wire.target, wire.source) if index in upward else (wire.source, wire.target)
        for index, wire in enumerate(wires)
    ]
    rows = _Rows(items, _broken_up(items, _ranks(items, ends)))
    chains = _bent(rows, wires, ends, upward)
    _sort_rows(rows)
    columns = columns_of(
        rows.rows,
        [rows.width(index) for index in range(len(rows.rank))],
        rows.above,
        rows.below,
        len(items),
    )
    return _drawn(rows, columns, wires, chains, upward)


class _Chain(NamedTuple):
    """Bends of one wire: a part of a trunk, from above to below."""

    trunk: Sequence[int]
    first: int
    end: int


_NO_BENDS = _Chain((), 0, 0)


@dataclass(slots=True)
class _Rows:
    """Items and, behind them, bends: each with its row, and its neighbours above and below."""

    items: Sequence[Item]
    rank: list[int]
    rows: list[list[int]] = field(init=False)
    #: By item or bend: neighbours in the row above, with the difference of the two attachments.
    above: list[list[tuple[int, float]]] = field(init=False)
    below: list[list[tuple[int, float]]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(max(self.rank) + 1)]
        for item, rank in enumerate(self.rank):
            self.rows[rank].append(item)
        self.above = [[] for _ in self.items]
        self.below = [[] for _ in self.items]

    def bend(self, rank: int) -> int:
        index = len(self.rank)
        self.rank.append(rank)
        self.rows[rank].append(index)
        self.above.append([])
        self.below.append([])
        return index

    def connect(self, upper: int, lower: int, upper_x: float, lower_x: float) -> None:
        """Note that a wire leads from an x of one to an x of the other, from their middles."""
        self.below[upper].append((lower, upper_x - lower_x))
        self.above[lower].append((upper, lower_x - upper_x))

    def width(self, index: int) -> float:
        return self.items[index].width if index < len(self.items) else _EDGE_WIDTH


def _upward(count: int, wires: Sequence[Wire]) -> set[int]:
    """Return the wires that close a cycle; a job has none, a graph of graphs may."""
    below: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    waits = [0] * count
    for index, wire in enumerate(wires):
        below[wire.source].append((wire.target, index))
        waits[wire.target] += 1
    open_wires = set(range(len(wires)))
    upward: set[int] = set()
    ready = [item for item in range(count - 1, -1, -1) if not waits[item]]
    left = iter(range(count))
    done = [False] * count
    while True:
        if not ready:
            cut = next((item for item in left if not done[item]), None)
            if cut is None:
                return upward
            upward.update(index for index in open_wires if wires[index].target == cut)
            ready.append(cut)
        item = ready.pop()
        if done[item]:
            continue
        done[item] = True
        for target, index in below[item]:
            open_wires.discard(index)
            waits[target] -= 1
            if not waits[target] and not done[target]:
                ready.append(target)


def _ranks(items: Sequence[Item], ends: Sequence[tuple[int, int]]) -> list[int]:
    """Return the row of each item: below all of its sources, and near to its targets."""
    count = len(items)
    below: list[list[int]] = [[] for _ in range(count)]
    waits = [0] * count
    for source, target in ends:
        below[source].append(target)
        waits[target] += 1
    has_source = [bool(each) for each in waits]
    ranks = [0] * count
    order = [item for item in range(count) if not waits[item]]
    for item in order:
        for target in below[item]:
            ranks[target] = max(ranks[target], ranks[item] + 1)
            waits[target] -= 1
            if not waits[target]:
                order.append(target)
    for item in reversed(order):
        if not has_source[item] and below[item]:
            ranks[item] = min(ranks[target] for target in below[item]) - 1
    inner = [item for item in range(count) if not items[item].border]
    first = any(item.border == FIRST_ROW for item in items)
    low = min((ranks[item] for item in inner), default=0) - first
    last = max((ranks[item] for item in inner), default=0) + 1
    for index, border_item in enumerate(items):
        if border_item.border:
            ranks[index] = low if border_item.border == FIRST_ROW else last
    return [rank - low for rank in ranks]


def _broken_up(items: Sequence[Item], ranks: list[int]) -> list[int]:
    """Return the ranks with rows of many items broken into several, about as wide as high."""
    inside: dict[int, list[int]] = {}
    for item, rank in enumerate(ranks):
        inside.setdefault(rank, []).append(item)
    most = max(_LEAST_ROW, int(0.9 * len(items) ** 0.5))
    broken, base = list(ranks), 0
    for rank in range(max(ranks) + 1):
        row = inside.get(rank, [])
        count = 1 if row and items[row[0]].border else -(-len(row) // most) or 1
        share = -(-len(row) // count) or 1
        for position, item in enumerate(row):
            broken[item] = base + position // share
        base += count
    return broken


def _bent(
    rows: _Rows,
    wires: Sequence[Wire],
    ends: Sequence[tuple[int, int]],
    upward: set[int],
) -> list[_Chain]:
    """Give bends to wires that pass rows; return the bends of each wire."""
    count = len(rows.items)
    leaving, entering = [0] * count, [0] * count
    for source, target in ends:
        leaving[source] += 1
        entering[target] += 1
    shared: dict[tuple[bool, int], list[int]] = {}
    chains: list[_Chain] = [_NO_BENDS] * len(wires)
    for index, (source, target) in enumerate(ends):
        if rows.rank[target] - rows.rank[source] > 1:
            by_source = leaving[source] >= entering[target]
            shared.setdefault((by_source, source if by_source else target), []).append(index)
        else:
            upper_x, lower_x = _attachments(rows, wires[index], index in upward)
            rows.connect(source, target, upper_x, lower_x)
    left = max(_BENDS_AT_LEAST, _BENDS_OF_ITEM * count)
    bundles = []
    for (by_source, _), group in shared.items():
        first = min(rows.rank[ends[index][0]] for index in group) + 1
        last = max(rows.rank[ends[index][1]] for index in group) - 1
        bundles.append((last - first + 1, by_source, first, group))
    for length, by_source, first, group in sorted(bundles, key=lambda bundle: bundle[0]):
        if length > left:
            break  # The rest are straight lines.
        left -= length
        trunk = [rows.bend(rank) for rank in range(first, first + length)]
        for upper, lower in pairwise(trunk):
            rows.connect(upper, lower, 0.0, 0.0)
        for index in group:
            source, target = ends[index]
            upper_x, lower_x = _attachments(rows, wires[index], index in upward)
            chain = _Chain(trunk, rows.rank[source] + 1 - first, rows.rank[target] - first)
            chains[index] = chain
            if not by_source or index == group[0]:
                rows.connect(source, trunk[chain.first], upper_x, 0.0)
            if by_source or index == group[0]:
                rows.connect(trunk[chain.end - 1], target, 0.0, lower_x)
    return chains


def _attachments(rows: _Rows, wire: Wire, is_upward: bool) -> tuple[float, float]:
    """Return the x of the upper and of the lower end, from the middles of the two items."""
    source = wire.source_x - rows.width(wire.source) / 2
    target = wire.target_x - rows.width(wire.target) / 2
    return (target, source) if is_upward else (source, target)


def _sort_rows(rows: _Rows) -> None:
    """Order each row by the mean order of its neighbours; the best of several sweeps stays."""
    ordinal = [0.0] * len(rows.rank)
    for row in rows.rows:
        for position, index in enumerate(row):
            ordinal[index] = float(position)
    is_counted = len(rows.rank) <= _MOST_COUNTED
    best, fewest = [list(row) for row in rows.rows], _crossings(rows) if is_counted else 0
    for sweep in range(_SWEEPS):
        if is_counted and not fewest:
            break
        down = sweep % 2 == 0
        neighbours = rows.above if down else rows.below
        for row in rows.rows if down else reversed(rows.rows):
            keys = {
                index: sum([ordinal[other] for other, _ in neighbours[index]])
                / len(neighbours[index])
                if neighbours[index]
                else ordinal[index]
                for index in row
            }
            row.sort(key=keys.__getitem__)
            for position, index in enumerate(row):
                ordinal[index] = float(position)
        if is_counted and (count := _crossings(rows)) < fewest:
            best, fewest = [list(row) for row in rows.rows], count
    if is_counted:
        rows.rows = best


def _crossings(rows: _Rows) -> int:
    """Count the pairs of wires that cross between two rows."""
    total = 0
    for row, following in pairwise(rows.rows):
        position = {index: at for at, index in enumerate(following)}
        seen: list[int] = []
        for index in row:
            targets = sorted(position[other] for other, _ in rows.below[index])
            total += sum(len(seen) - bisect_left(seen, target + 1) for target in targets)
            for target in targets:
                insort(seen, target)
    return total


def _drawn(
    rows: _Rows,
    middle: list[float],
    wires: Sequence[Wire],
    chains: Sequence[_Chain],
    upward: set[int],
) -> RowLayout:
    left = min(middle[index] - rows.width(index) / 2 for row in rows.rows for index in row)
    right = max(middle[index] + rows.width(index) / 2 for row in rows.rows for index in row)
    count = len(rows.items)
    tops: list[float] = []
    bottoms: list[float] = []
    y = 0.0
    last = len(rows.rows) - 1
    for rank, row in enumerate(rows.rows):
        tops.append(y)
        y += max((rows.items[index].height for index in row if index < count), default=0.0)
        bottoms.append(y)
        # Lines turn less at the border of a box.
        following = rows.rows[min(rank + 1, last)]
        is_border = any(index < count and rows.items[index].border for index in (*row, *following))
        y += ROW_GAP / 2 if is_border else ROW_GAP
    corners = [
        (middle[index] - item.width / 2 - left, tops[rows.rank[index]])
        for index, item in enumerate(rows.items)
    ]
    routes = []
    turns: dict[int, list[int]] = {}
    for index, (wire, chain) in enumerate(zip(wires, chains, strict=True)):
        is_upward = index in upward
        upper, lower = wire.source, wire.target
        upper_x, lower_x = wire.source_x, wire.target_x
        if is_upward:
            upper, lower, upper_x, lower_x = lower, upper, lower_x, upper_x
        x, top = corners[upper]
        points = [(x + upper_x, top + rows.items[upper].height)]
        bottom = bottoms[rows.rank[upper]]
        if bottom > points[0][1]:
            points.append((points[0][0], bottom))
        for bend in _turns(chain, middle, turns):
            x, rank = middle[bend] - left, rows.rank[bend]
            points.append((x, tops[rank]))
            if bottoms[rank] > tops[rank]:
                points.append((x, bottoms[rank]))
        points.append((corners[lower][0] + lower_x, corners[lower][1]))
        routes.append(points[::-1] if is_upward else points)
    return RowLayout(right - left, bottoms[-1], corners, routes)


def _turns(chain: _Chain, middle: Sequence[float], made: dict[int, list[int]]) -> Iterator[int]:
    """Yield the bends where a chain turns, and its ends; ``made`` has turns of earlier trunks."""
    trunk = chain.trunk
    if not trunk:
        return
    if id(trunk) not in made:
        made[id(trunk)] = [
            at
            for at in range(1, len(trunk) - 1)
            if not _are_equal(middle, trunk[at - 1], trunk[at], trunk[at + 1])
        ]
    turns, last = made[id(trunk)], chain.end - 1
    yield trunk[chain.first]
    for at in turns[bisect_right(turns, chain.first) : bisect_left(turns, last)]:
        yield trunk[at]
    if last > chain.first:
        yield trunk[last]


def _are_equal(middle: Sequence[float], before: int, here: int, after: int) -> bool:
    x = middle[here]
    return abs(middle[before] - x) < 0.05 and abs(middle[after] - x) < 0.05

"""Columns of a layered layout: an x for each item of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["columns_of"]

#: By item or bend: neighbours in one other row.
Neighbours: TypeAlias = list[list[tuple[int, float]]]

_GAP = 24.0
_SWEEPS = 8
# What a straight way of an edge over several rows weighs, beside the way of a node.
_STRAIGHT = 1e9


def columns_of(
    rows: Sequence[Sequence[int]],
    widths: Sequence[float],
    above: Neighbours,
    below: Neighbours,
    count: int,
) -> list[float]:
    """Return the middle of each item and bend: near to its neighbours, without overlap.

    The first ``count`` of all are items. Neighbours have with them the x of this one's attachment,
    from its middle, less the x of theirs.
    """
    middle = [0.0] * len(widths)
    steps: list[list[float]] = []
    for row in rows:
        offset, offsets = 0.0, []
        for position, index in enumerate(row):
            if position:
                gap = _GAP if index < count else _GAP / 2
                offset += (widths[row[position - 1]] + widths[index]) / 2 + gap
            offsets.append(offset)
            middle[index] = offset
        for index in row:
            middle[index] -= offset / 2
        steps.append(offsets)
    above, below = _pulls(above, count), _pulls(below, count)
    for sweep in range(_SWEEPS):
        last = sweep >= _SWEEPS - 2
        down = sweep % 2 == 0
        for rank in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
            row = rows[rank]
            wanted, weights = [], []
            for index in row:
                near = above[index] if down else below[index]
                if last:
                    near = above[index] + below[index]
                if near:
                    wish = sum([middle[other] - shift for other, shift in near]) / len(near)
                else:
                    wish = middle[index]
                wanted.append(wish)
                weights.append((1.0 if index < count else _STRAIGHT) if near else 0.2)
            for index, x in zip(row, _spread(wanted, weights, steps[rank]), strict=True):
                middle[index] = x
    return middle


def _pulls(neighbours: Neighbours, count: int) -> Neighbours:
    """Return the neighbours that pull at each: at a bend only other bends, where it has such."""
    return neighbours[:count] + [
        [other for other in near if other[0] >= count] or near for near in neighbours[count:]
    ]


def _spread(wanted: list[float], weights: list[float], offsets: list[float]) -> list[float]:
    """Return positions in order, at least as far apart as offsets are, as near as may be.

    It is a regression by pools of neighbours that would be too close.
    """
    pools: list[list[float]] = []  # weighted sum, weight, count
    for wish, weight, offset in zip(wanted, weights, offsets, strict=True):
        pools.append([(wish - offset) * weight, weight, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            pool = pools.pop()
            pools[-1] = [left + right for left, right in zip(pools[-1], pool, strict=True)]
    spread: list[float] = []
    for total, heft, count in pools:
        x = total / heft
        spread += [x + offsets[len(spread) + step] for step in range(int(count))]
    return spread

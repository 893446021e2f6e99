"""Graphs to select ops from."""

from __future__ import annotations

Parents = dict[str, list[str]]

# r = a(); rb = b(r); rc = c(r); rd = d(rb, rc); e(rd); lone(); sub(r), a graph of g1 -> g2;
# c.alias("c_alias")(r)
DIAMOND: Parents = {
    "a": [],
    "b": ["a"],
    "c": ["a"],
    "d": ["b", "c"],
    "e": ["d"],
    "lone": [],
    "sub.g1": ["a"],
    "sub.g2": ["sub.g1"],
    "c_alias": ["a"],
}

# start -> outer(inner(x -> y) -> tail), then end from tail, and late from y: two ways out of one
# graph.
NESTED: Parents = {
    "start": [],
    "outer.inner.x": ["start"],
    "outer.inner.y": ["outer.inner.x"],
    "outer.tail": ["outer.inner.y"],
    "end": ["outer.tail"],
    "late": ["outer.inner.y"],
    "after": ["end"],
}

"""Random op selections, compared with a brute-force reading of the rules."""

from __future__ import annotations

import contextlib
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_graphs import DIAMOND, Parents

from rayexec.errors import SelectionError
from rayexec.selection import select

# The oracle reads clauses with Dagster's own regex, and takes hop counts from all-pairs distances.

DAGSTER_CLAUSE = re.compile(r"^(\*?\+*)?([./\w\d\[\]?_-]+)(\+*\*?)?$")


def distances(nodes: set[str], edges: set[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Hops from each node down to each other one, by Floyd and Warshall."""
    hops = {
        (x, y): 0.0 if x == y else 1.0 if (x, y) in edges else math.inf
        for x in nodes
        for y in nodes
    }
    for via in nodes:
        for x in nodes:
            for y in nodes:
                hops[x, y] = min(hops[x, y], hops[x, via] + hops[via, y])
    return hops


def reach(part: str) -> float:
    # Finite, so that a node that cannot be reached (an infinite distance) stays out.
    return 1e9 if "*" in part else part.count("+")


def within(op: str, node: str) -> bool:
    return op == node or op.startswith(node + ".")


def top_of(op: str) -> str:
    return op.partition(".")[0]


def oracle(clauses: list[str], parents: Parents) -> set[str] | None:
    """The selected ops, or None for a malformed clause."""
    if not clauses or [clause.strip() for clause in clauses] == ["*"]:
        return set(parents)
    edges = {(source, op) for op, sources in parents.items() for source in sources}
    op_hops = distances(set(parents), edges)
    top_hops = distances({top_of(op) for op in parents}, {(top_of(x), top_of(y)) for x, y in edges})
    selected: set[str] = set()
    for clause in clauses:
        match = DAGSTER_CLAUSE.match(clause.strip())
        if match is None:
            return None
        up, down = reach(match[1]), reach(match[3])
        name = match[2]
        starts = {op for op in parents if within(op, name)}
        if not starts:
            return None
        if "." in name:
            near = {
                op
                for x in starts
                for op in parents
                if op_hops[op, x] <= up or op_hops[x, op] <= down
            }
        else:
            tops = {
                top
                for top, _ in top_hops
                if top_hops[top, name] <= up or top_hops[name, top] <= down
            }
            near = {op for op in parents if top_of(op) in tops}
        selected |= near
    return selected


PATHS = ["a", "b", "c", "d", "s.x", "s.y", "s.z", "t.x", "t.u.x", "t.u.y", "t.u.v.x", "w.a"]
NODES = [*PATHS, "s", "t", "t.u", "t.u.v", "w"]


@st.composite
def jobs(draw: st.DrawFn) -> Parents:
    """Some of PATHS in any order, fed by any earlier ones."""
    ops = draw(st.lists(st.sampled_from(PATHS), unique=True, min_size=4))
    parents = {
        op: draw(st.lists(st.sampled_from(ops[:n]), unique=True)) if n else []
        for n, op in enumerate(ops)
    }
    return dict(draw(st.permutations(list(parents.items()))))


def clauses_of(parents: Parents) -> st.SearchStrategy[str]:
    names = sorted(node for node in NODES if any(within(op, node) for op in parents))
    up = st.sampled_from(["", "", "*", "+", "++", "+++", "*+"])
    down = st.sampled_from(["", "", "*", "+", "++", "+++", "+*"])
    return st.builds("{}{}{}".format, up, st.sampled_from(names), down)


@settings(max_examples=300)
@given(st.data())
def test_clauses_select_what_the_rules_say(data: st.DataObject) -> None:
    parents = data.draw(jobs())
    clauses = data.draw(st.lists(clauses_of(parents), max_size=4))
    assert {*select(clauses, parents)} == oracle(clauses, parents)


@given(st.data())
def test_a_selection_is_the_union_of_its_clauses_in_any_order(data: st.DataObject) -> None:
    parents = data.draw(jobs())
    clauses = data.draw(st.lists(clauses_of(parents), min_size=1, max_size=5))
    shuffled = [f" {clause} " for clause in data.draw(st.permutations(clauses + clauses[:2]))]
    expected = frozenset().union(*(select([clause], parents) for clause in clauses))
    assert select(clauses, parents) == select(shuffled, parents) == expected


@given(jobs(), st.lists(st.text("abstx.*+ ,-[?:", max_size=6), max_size=3))
def test_any_text_selects_or_fails_as_a_selection_error(
    parents: Parents, clauses: list[str]
) -> None:
    expected = oracle(clauses, parents)
    if expected is not None:
        assert select(clauses, parents) == expected
        return
    with pytest.raises(SelectionError) as caught:
        select(clauses, parents)
    bad = [
        clause for clause in clauses if clause.strip() == "*" or oracle([clause], parents) is None
    ]
    assert caught.value.clause == bad[0]
    assert all(repr(clause) in str(caught.value) for clause in bad)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=3))
def test_no_text_at_all_makes_another_kind_of_error(clauses: list[str]) -> None:
    with contextlib.suppress(SelectionError):
        assert select(clauses, DIAMOND)

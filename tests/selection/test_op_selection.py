"""Op selection: a table of forms."""

from __future__ import annotations

import time

import pytest
from selection_graphs import DIAMOND, NESTED, Parents

from rayexec.errors import SelectionError
from rayexec.selection import select

ALL = " ".join(DIAMOND)


@pytest.mark.parametrize(
    ("clauses", "selected"),
    [
        (["a"], "a"),
        (["a", "lone", "a"], "a lone"),
        (["*d"], "a b c d"),
        (["a*"], "a b c d e c_alias sub.g1 sub.g2"),
        (["a+"], "a b c c_alias sub.g1 sub.g2"),
        (["a++"], "a b c d c_alias sub.g1 sub.g2"),
        (["++d"], "a b c d"),
        (["+++++++e"], "a b c d e"),
        (["e+++++++"], "e"),
        (["+d"], "b c d"),
        (["+d+"], "b c d e"),
        (["*d*"], "a b c d e"),
        (["*b*"], "a b d e"),
        (["a*", "*e"], "a b c d e c_alias sub.g1 sub.g2"),
        (["b", "+e"], "b d e"),
        (["*"], ALL),
        ([" * "], ALL),
        ([], ALL),
        ((), ALL),
        (["*+b"], "a b"),
        (["*+e"], "a b c d e"),
        (["a+*"], "a b c d e c_alias sub.g1 sub.g2"),
        (["a "], "a"),
        ([" a"], "a"),
        (["\t++d\n"], "a b c d"),
        (["sub"], "sub.g1 sub.g2"),
        (["*sub"], "a sub.g1 sub.g2"),
        (["+sub"], "a sub.g1 sub.g2"),
        (["sub*"], "sub.g1 sub.g2"),
        (["c_alias"], "c_alias"),
        (["*c_alias"], "a c_alias"),
        (["c"], "c"),
        (["a", "sub.g1"], "a sub.g1"),
        # Dagster refuses these: a dotted path with a reach, and one next to a clause with a reach.
        (["*sub.g1"], "a sub.g1"),
        (["*sub.g2"], "a sub.g1 sub.g2"),
        (["+sub.g2"], "sub.g1 sub.g2"),
        (["sub.g1+"], "sub.g1 sub.g2"),
        (["sub.g1", "a*"], "a b c d e c_alias sub.g1 sub.g2"),
        (["sub.g1", "*d", "lone"], "a b c d lone sub.g1"),
        (["sub", "sub.g2"], "sub.g1 sub.g2"),
    ],
)
def test_what_a_list_of_clauses_selects(clauses: list[str], selected: str) -> None:
    assert select(clauses, DIAMOND) == frozenset(selected.split())


@pytest.mark.parametrize(
    ("clauses", "selected"),
    [
        (["outer"], "outer.inner.x outer.inner.y outer.tail"),
        (["outer.inner"], "outer.inner.x outer.inner.y"),
        (["outer.inner.x"], "outer.inner.x"),
        # From a dotted clause each op is a hop, and the borders of graphs do not count.
        (["outer.inner+"], "outer.inner.x outer.inner.y outer.tail late"),
        (["+outer.inner"], "start outer.inner.x outer.inner.y"),
        (["outer.inner++"], "outer.inner.x outer.inner.y outer.tail late end"),
        (["+outer.tail"], "outer.inner.y outer.tail"),
        (["*outer.tail"], "start outer.inner.x outer.inner.y outer.tail"),
        (["outer.inner.y*"], "outer.inner.y outer.tail end late after"),
        # From an undotted one a graph is one hop.
        (["start+"], "start outer.inner.x outer.inner.y outer.tail"),
        (["start++"], "start outer.inner.x outer.inner.y outer.tail end late"),
        (["+end"], "outer.inner.x outer.inner.y outer.tail end"),
        (["++after"], "outer.inner.x outer.inner.y outer.tail end after"),
        (["*late"], "start outer.inner.x outer.inner.y outer.tail late"),
        # The same reach at both scales stays apart.
        (["outer.tail+", "start"], "start outer.tail end"),
        (["+end", "+outer.inner.x"], "start outer.inner.x outer.inner.y outer.tail end"),
    ],
)
def test_hops_count_ops_from_a_dotted_path_and_top_level_nodes_otherwise(
    clauses: list[str], selected: str
) -> None:
    assert select(clauses, NESTED) == frozenset(selected.split())


@pytest.mark.parametrize(
    ("clauses", "selected"),
    [
        (["one+"], "one.p two.q two.r"),
        (["one++"], "one.p two.q two.r last"),
        (["+two"], "one.p two.q two.r"),
        (["*last"], "one.p two.q two.r last"),
        (["one.p+"], "one.p two.q"),
        (["one.p*"], "one.p two.q"),
        (["*two.r"], "two.r"),
    ],
)
def test_a_graph_that_is_reached_in_part_comes_whole_only_among_top_level_nodes(
    clauses: list[str], selected: str
) -> None:
    parents: Parents = {"one.p": [], "two.q": ["one.p"], "two.r": [], "last": ["two.r"]}
    assert select(clauses, parents) == frozenset(selected.split())


def test_the_result_is_a_frozenset_and_the_parents_stay_as_they_were() -> None:
    parents = {op: frozenset(sources) for op, sources in DIAMOND.items()}
    before = dict(parents)
    assert isinstance(select(["*d"], parents), frozenset)
    assert parents == before


def test_a_job_without_ops() -> None:
    assert select([], {}) == select(["*"], {}) == frozenset()
    with pytest.raises(SelectionError, match="no op or graph has this name"):
        select(["a"], {})


@pytest.mark.parametrize(
    "clauses",
    [
        ["*n9999"],
        ["n0*"],
        ["*g.m9999"],
        ["g*"],
        ["+" * 20_000 + "n9999"],
        [f"*n{index}" for index in range(10_000)],
        [f"g.m{index}*" for index in range(10_000)],
    ],
    ids=["up", "down", "dotted", "graph", "deep", "many", "many dotted"],
)
def test_a_job_of_many_ops_takes_no_quadratic_time(clauses: list[str]) -> None:
    parents: Parents = {"n0": [], "g.m0": ["n9999"]}
    parents |= {f"n{index}": [f"n{index - 1}"] for index in range(1, 10_000)}
    parents |= {f"g.m{index}": [f"g.m{index - 1}"] for index in range(1, 10_000)}
    started = time.process_time()
    assert len(select(clauses, parents)) >= 10_000
    assert time.process_time() - started < 5

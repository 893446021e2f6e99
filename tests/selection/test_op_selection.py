"""Op selection: a table of forms, and a comparison with a brute-force reading of the rules."""

from __future__ import annotations

import contextlib
import math
import re
import time
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayexec.errors import SelectionError
from rayexec.selection import select

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
    ("clauses", "at_fault", "message"),
    [
        # Names
        (["nope"], "nope", "no op or graph has this name."),
        (["a", "nope"], "nope", "'nope': no op or graph has this name."),
        (["A"], "A", "Did you mean 'a'?"),
        (["lonr"], "lonr", "Did you mean 'lone'?"),
        (["*lonr+"], "*lonr+", "'*lonr+': no op or graph has this name. Did you mean 'lone'?"),
        (["sbu.g1"], "sbu.g1", "Did you mean 'sub.g1'?"),
        (["a", "sub.nope"], "sub.nope", "the graph 'sub' has no 'nope' in it."),
        (["sub.G2"], "sub.G2", "Did you mean 'sub.g2'?"),
        (["a", "lone.x"], "lone.x", "'lone' is an op, not a graph"),
        (["sub.g1.x"], "sub.g1.x", "'sub.g1' is an op, not a graph"),
        (["g1"], "g1", "'g1' is inside a graph and needs its full path. Did you mean 'sub.g1'?"),
        (["*g2"], "*g2", "Did you mean 'sub.g2'?"),
        # Forms
        (["*", "a"], "*", "stands alone: write ['*']"),
        (["a", "*"], "*", "stands alone: write ['*']"),
        (["*", "*"], "*", "stands alone"),
        (["+*b"], "+*b", "'*' and '+' go around one whole name"),
        (["a*+"], "a*+", "'*' and '+' go around one whole name"),
        (["**b"], "**b", "'*' and '+' go around one whole name"),
        (["a**"], "a**", "'*' and '+' go around one whole name"),
        (["2+a"], "2+a", "'+' for each hop up"),
        (["l*e"], "l*e", "'*' and '+' go around one whole name"),
        ([""], "", "it is empty"),
        (["  "], "  ", "it is empty"),
        (["+"], "+", "it names no op"),
        (["**"], "**", "it names no op"),
        (["a,b"], "a,b", "write one clause per list item: ['a', 'b']."),
        (["*a, b+"], "*a, b+", "write one clause per list item: ['*a', 'b+']."),
        ([","], ",", "write one clause per list item, without commas."),
        (["a b"], "a b", "write one clause per list item"),
        (["a +"], "a +", "no space between a name and its '*' or '+'"),
        (
            ["a and b"],
            "a and b",
            "a selection is the union of its clauses, so write one clause per list item",
        ),
        (["a or b"], "a or b", "a selection is the union of its clauses"),
        (["not a"], "not a", "there is no 'and', 'or' or 'not'"),
        (["name:a"], "name:a", "write the name of the op alone"),
        (["-a"], "-a", "nothing can be taken out of a selection"),
        (["d[k 0]"], "d[k 0]", "mapping keys stand in brackets behind the op"),
        (["d[]"], "d[]", "mapping keys stand in brackets behind the op"),
        (["sub[?].g1"], "sub[?].g1", "mapping keys stand in brackets behind the op"),
        (["sub/g1"], "sub/g1", "unexpected '/'"),
        (["lon?"], "lon?", "unexpected '?'"),
        (["ä"], "ä", "unexpected 'ä'"),
        (["sub.*"], "sub.*", "write its name alone ('sub')"),
        ([".a"], ".a", "names joined by single dots"),
        (["sub..g1"], "sub..g1", "names joined by single dots"),
        (["."], ".", "names joined by single dots"),
        # Not lists of strings
        ("a", "a", 'write op_selection=["a"]'),
        ("*", "*", 'write op_selection=["*"]'),
        ("*a, b", "*a, b", 'write op_selection=["*a", "b"]'),
        ("", "", "is a list of clauses, not the string ''"),
        (cast("Any", [3]), "3", "a clause is a string"),
        (cast("Any", ["a", None]), "None", "a clause is a string"),
    ],
)
def test_a_bad_clause_fails_the_query_and_is_named(
    clauses: list[str], at_fault: str, message: str
) -> None:
    with pytest.raises(SelectionError) as caught:
        select(clauses, DIAMOND)
    assert caught.value.clause == at_fault
    assert message in str(caught.value)
    assert at_fault in str(caught.value)


def test_every_bad_clause_is_in_the_message_once_and_the_first_is_the_one_at_fault() -> None:
    with pytest.raises(SelectionError) as caught:
        select(["a", "nope", "b,c", "g1", "nope", "lone"], DIAMOND)
    assert caught.value.clause == "nope"
    assert str(caught.value).splitlines() == [
        "The op selection has 3 bad clauses:",
        "  'nope': no op or graph has this name.",
        "  'b,c': write one clause per list item: ['b', 'c'].",
        "  'g1': 'g1' is inside a graph and needs its full path. Did you mean 'sub.g1'?",
    ]


@pytest.mark.parametrize(
    ("clause", "message"),
    [
        ("x", "'x' is inside a graph and needs its full path. Did you mean 'outer.inner.x'?"),
        ("inner", "Did you mean 'outer.inner'?"),
        (
            "inner.x",
            "'inner.x' is inside a graph and needs its full path. Did you mean 'outer.inner.x'?",
        ),
        ("outer.x", "the graph 'outer' has no 'x' in it. Did you mean 'outer.inner.x'?"),
        ("outer.tial", "the graph 'outer' has no 'tial' in it. Did you mean 'outer.tail'?"),
        ("outer.inner.tial", "the graph 'outer.inner' has no 'tial' in it."),
        ("outer.iner.q", "the graph 'outer' has no 'iner.q' in it. Did you mean 'outer.inner.y'?"),
        ("oter.tail", "no op or graph has this name. Did you mean 'outer.tail'?"),
        ("outer.tail.x", "'outer.tail' is an op, not a graph: there is nothing inside it."),
        ("strat", "Did you mean 'start'?"),
        ("Outer", "Did you mean 'outer'?"),
        ("outer_tail", "Did you mean 'outer.tail'?"),
    ],
)
def test_what_is_suggested_for_a_path_that_is_not_there(clause: str, message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        select([clause], NESTED)
    assert message in str(caught.value)


def test_an_inner_name_in_many_graphs_shows_a_few_of_its_paths() -> None:
    parents: Parents = {f"graph{index}.load": [] for index in range(9)}
    with pytest.raises(
        SelectionError, match=r"Did you mean 'graph0\.load' or 'graph1\.load' or 'graph2\.load'\?$"
    ):
        select(["load"], parents)


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
    started = time.perf_counter()
    assert len(select(clauses, parents)) >= 10_000
    assert time.perf_counter() - started < 5


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

"""Bad clauses of an op selection, and the messages about them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from selection_graphs import DIAMOND, NESTED, Parents

from rayexec.errors import SelectionError
from rayexec.selection import select


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

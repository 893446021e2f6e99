"""Layout of graphs: nothing overlaps, edges lead down, boxes hold their nodes."""

from __future__ import annotations

import json
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayexec.errors import SelectionError
from rayexec.views.graph_layout import Layout, LayoutNode, layout_of
from rayexec.views.graph_model import GraphModel, OpEdge, OpNode

# Sums of floats are rounded to tenths.
SLACK = 0.3


@st.composite
def nested_graphs(draw: st.DrawFn, *, is_composed: bool) -> GraphModel:
    """Ops in nested graphs; composed as jobs are, or with ops of a graph anywhere between others.

    A job calls a graph once, so that nothing depends on one of its ops and feeds another.
    """
    prefixes = draw(st.lists(st.sampled_from(["", "a.", "a.b.", "a.c.", "d.", "d.e.f."])))
    if is_composed:
        prefixes.sort()
    names = draw(st.lists(st.sampled_from("xyz"), min_size=len(prefixes), max_size=len(prefixes)))
    ops = tuple(
        OpNode(f"{prefix}{name}_{index}", name)
        for index, (prefix, name) in enumerate(zip(prefixes, names, strict=True))
    )
    pairs = list(combinations(range(len(ops)), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return GraphModel(ops, tuple(OpEdge(*pair) for pair in chosen))


def graphs_of(model: GraphModel) -> list[str]:
    return sorted(
        {
            node.path[:end]
            for node in model.ops
            for end in range(len(node.path))
            if node.path[end] == "."
        }
    )


def is_inside(inner: LayoutNode, outer: LayoutNode) -> bool:
    return (
        outer.x <= inner.x + SLACK
        and outer.y <= inner.y + SLACK
        and inner.x + inner.w <= outer.x + outer.w + SLACK
        and inner.y + inner.h <= outer.y + outer.h + SLACK
    )


def overlap(one: LayoutNode, other: LayoutNode) -> bool:
    return (
        one.x + SLACK < other.x + other.w
        and other.x + SLACK < one.x + one.w
        and one.y + SLACK < other.y + other.h
        and other.y + SLACK < one.y + one.h
    )


def contains(outer: LayoutNode, inner: LayoutNode) -> bool:
    return inner.id.startswith(f"{outer.id}.") or inner.id in outer.members


def check_boxes(layout: Layout) -> None:
    for one, other in combinations(layout.nodes, 2):
        if contains(one, other):
            assert is_inside(other, one)
        else:
            assert not overlap(one, other), (one, other)
    for node in layout.nodes:
        assert node.x >= -SLACK
        assert node.y >= -SLACK
        assert node.x + node.w <= layout.width + SLACK
        assert node.y + node.h <= layout.height + SLACK


def check_edges(layout: Layout) -> None:
    at = {node.id: node for node in layout.nodes}
    for edge in layout.edges:
        source, target = at[edge.source], at[edge.target]
        first, last = edge.points[0], edge.points[-1]
        assert all(lower[1] >= upper[1] for upper, lower in pairwise(edge.points))
        assert first[1] == pytest.approx(source.y + source.h, abs=SLACK)
        assert last[1] == pytest.approx(target.y, abs=SLACK)
        assert source.x <= first[0] <= source.x + source.w
        assert target.x <= last[0] <= target.x + target.w
        assert last[1] > first[1]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_overlaps_and_edges_lead_down(data: st.DataObject) -> None:
    model = data.draw(nested_graphs(is_composed=True))
    graphs = graphs_of(model)
    opened = data.draw(st.none() | st.sets(st.sampled_from(graphs))) if graphs else None
    layout = layout_of(model, opened=opened)
    check_boxes(layout)
    check_edges(layout)
    assert layout == layout_of(model, opened=opened)
    shown = [node for node in layout.nodes if not node.is_open]
    assert sum(node.inner for node in shown) == len(model.ops) == layout.total_ops
    json.dumps(layout.to_dict())


@settings(max_examples=100, deadline=None)
@given(nested_graphs(is_composed=False))
def test_graphs_that_no_job_has_end_too(model: GraphModel) -> None:
    check_boxes(layout_of(model))
    check_boxes(layout_of(model, opened=()))


def flat(count: int, op: str = "load") -> GraphModel:
    """One op, then ``count`` others, then one."""
    inner = range(1, count + 1)
    ops = [OpNode("first", "first"), *(OpNode(f"{op}_{index}", op) for index in inner)]
    edges = [OpEdge(0, index) for index in inner] + [OpEdge(index, count + 1) for index in inner]
    return GraphModel((*ops, OpNode("last", "last")), tuple(edges))


def test_many_calls_of_one_op_are_a_stack() -> None:
    layout = layout_of(flat(1_000))
    assert [(node.id, node.label, node.kind, node.inner) for node in layout.nodes] == [
        ("first", "first", "op", 1),
        ("load_1*1000", "load \N{MULTIPLICATION SIGN} 1000", "stack", 1_000),
        ("last", "last", "op", 1),
    ]
    assert layout.folded == ("load_1*1000",)
    assert [(edge.source, edge.target) for edge in layout.edges] == [
        ("first", "load_1*1000"),
        ("load_1*1000", "last"),
    ]
    assert layout.nodes[1].members[:2] == ("load_1", "load_2")


def test_a_stack_opens() -> None:
    layout = layout_of(flat(100), opened=["load_1*100"])
    assert len(layout.nodes) == 103
    assert layout.nodes[1].is_open
    assert layout.folded == ()
    check_boxes(layout)
    check_edges(layout)


def test_a_row_of_many_different_ops_breaks_into_rows() -> None:
    ops = tuple(OpNode(f"op_{index}", f"op_{index}") for index in range(200))
    layout = layout_of(GraphModel(ops, ()))
    assert len({node.y for node in layout.nodes}) > 5
    assert layout.width < 4 * layout.height


def parts(count: int) -> GraphModel:
    """A chain of graphs of four ops each."""
    ops = tuple(OpNode(f"part_{index // 4}.op_{index % 4}", "op") for index in range(count))
    return GraphModel(ops, tuple(OpEdge(index - 1, index) for index in range(1, count)))


def test_graphs_are_folded_above_60_nodes() -> None:
    assert layout_of(parts(60)).folded == ()
    layout = layout_of(parts(64))
    assert len(layout.folded) == 16
    assert {node.kind for node in layout.nodes} == {"graph"}
    assert {node.inner for node in layout.nodes} == {4}
    opened = layout_of(parts(64), opened=["part_3"])
    assert [node.id for node in opened.nodes if node.depth] == [
        f"part_3.op_{index}" for index in range(4)
    ]


def test_a_focus_leaves_the_neighbours() -> None:
    layout = layout_of(parts(400), focus="part_3.op_0", depth=2)
    assert [node.id for node in layout.nodes if node.kind == "op"] == [
        "part_2.op_2",
        "part_2.op_3",
        "part_3.op_0",
        "part_3.op_1",
        "part_3.op_2",
    ]
    assert layout.total_ops == 400
    around = layout_of(parts(64), focus="part_3", depth=1)
    assert len([node for node in around.nodes if node.kind == "op"]) == 6
    with pytest.raises(SelectionError, match=r"no op and no graph at 'part_x'"):
        layout_of(parts(8), focus="part_x")


def test_unselected_nodes_have_a_flag() -> None:
    layout = layout_of(parts(64), selected={"part_1.op_2"})
    assert [node.id for node in layout.nodes if node.is_selected] == ["part_1"]


def test_flags_of_edges_are_on_their_lines() -> None:
    ops = (OpNode("split", "split"), OpNode("inc", "inc", is_mapped=True), OpNode("sum", "sum"))
    edges = (OpEdge(0, 1, "parts", is_dynamic=True), OpEdge(1, 2, is_collected=True))
    layout = layout_of(GraphModel(ops, edges))
    assert [(edge.label, edge.is_dynamic, edge.is_collected) for edge in layout.edges] == [
        ("parts", True, False),
        ("", False, True),
    ]
    assert [node.is_mapped for node in layout.nodes] == [False, True, False]


def different(count: int, chain: int) -> GraphModel:
    """Ops of their own kinds, in chains of a length."""
    ops = tuple(OpNode(f"op_{index}x", f"op_{index}x") for index in range(count))
    edges = tuple(OpEdge(index - 1, index) for index in range(1, count) if index % chain)
    return GraphModel(ops, edges)


@pytest.mark.parametrize("count", [301, 2_000, 20_000])
@pytest.mark.parametrize("chain", [1, 10, 100_000])
def test_many_different_ops_are_groups_of_rows(count: int, chain: int) -> None:
    layout = layout_of(different(count, chain))
    assert 40 <= len(layout.nodes) <= 120
    assert {node.kind for node in layout.nodes} <= {"group", "op"}
    assert not any(node.is_open for node in layout.nodes)
    members = [name for node in layout.nodes for name in node.members or (node.id,)]
    assert sorted(members) == sorted(f"op_{index}x" for index in range(count))
    assert sum(node.inner for node in layout.nodes) == count
    check_boxes(layout)
    check_edges(layout)


def test_a_group_opens_and_one_of_too_many_has_groups_inside() -> None:
    model = different(20_000, 100_000)
    first = layout_of(model).nodes[0]
    assert (first.id, first.label, first.inner) == (
        "op_0x*334", "op_0x \N{HORIZONTAL ELLIPSIS} op_333x", 334,
    )  # fmt: skip
    opened = layout_of(model, opened=[first.id])
    inside = [node for node in opened.nodes if node.depth == 1]
    assert 40 <= len(inside) <= 120
    assert inside[0].id == "op_0x*6"
    deeper = layout_of(model, opened=[first.id, inside[0].id])
    assert [node.id for node in deeper.nodes if node.depth == 2] == [
        f"op_{index}x" for index in range(6)
    ]
    for layout in (opened, deeper):
        check_edges(layout)


def test_an_open_stack_of_too_many_has_groups() -> None:
    layout = layout_of(flat(5_000), opened=["load_1*5000"])
    assert 50 <= len([node for node in layout.nodes if node.kind == "group"]) <= 70
    check_edges(layout)


def test_300_different_ops_are_all_in_view() -> None:
    layout = layout_of(different(300, 10))
    assert len(layout.nodes) == 300
    assert layout.folded == ()


@pytest.mark.long("lays out 5,000 ops")
@pytest.mark.parametrize("span", [3, 5_000])
def test_a_graph_of_5000_different_ops_ends(span: int) -> None:
    ops = tuple(OpNode(f"op_{index}", f"op_{index}") for index in range(5_000))
    edges = tuple(
        OpEdge(source, index)
        for index in range(1, 5_000)
        for source in {max(0, index - span + index * 7_919 % span), index * 31 % index}
    )
    layout = layout_of(GraphModel(ops, edges))
    assert 40 <= len(layout.nodes) <= 120
    assert sum(node.inner for node in layout.nodes) == 5_000
    check_edges(layout)


def test_an_op_has_its_tags_beside_its_marks_and_a_box_has_marks_alone() -> None:
    ops = tuple(
        OpNode(f"part.{name}", name, marks=("cached",), tags=(f"table={name}",)) for name in "ab"
    )
    model = GraphModel(ops, ())
    folded, opened = layout_of(model, opened=[]), layout_of(model, opened=["part"])
    assert [node.marks for node in folded.nodes] == [("cached",)]
    assert {node.id: node.marks for node in opened.nodes if node.kind == "op"} == {
        "part.a": ("cached", "table=a"),
        "part.b": ("cached", "table=b"),
    }

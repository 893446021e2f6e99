"""Runs of a part of a job: the selected steps, and the sources of inputs that it cuts off."""

from typing import Any

import pytest

from rayexec import ConfigError, In, InvariantError, Nothing, graph, job, op
from rayexec.definitions.graphs.job_definition import JobDefinition


@op
def one() -> int:
    return 1


@op
def add_one(n: int) -> int:
    return n + 1


@op
def listed(values: list[Any]) -> list[Any]:
    return values


@graph
def plus_two(n: Any) -> Any:
    return add_one(add_one(n))


def keys_of(result: Any, kind: str) -> list[str]:
    return [event.step_key for event in result.all_events if event.event_type_value == kind]


def selectable() -> JobDefinition:
    @op
    def fallback(n: int = 50) -> int:
        return n

    @op(ins={"start": In(Nothing)})
    def gated() -> int:
        return 4

    @job
    def diamond() -> None:
        root = one()
        left = add_one.alias("left")(root)
        right = add_one.alias("right")(root)
        listed.alias("both")([left, right])
        fallback(left)
        gated(start=left)
        plus_two.alias("sub")(left)

    return diamond


@pytest.mark.parametrize(
    ("selection", "ran"),
    [
        (["*left"], {"one", "left"}),
        (["one+"], {"one", "left", "right"}),
        (["*both"], {"one", "left", "right", "both"}),
        (
            ["one*"],
            {"one", "left", "right", "both", "fallback", "gated", "sub.add_one", "sub.add_one_2"},
        ),
        (["*sub"], {"one", "left", "sub.add_one", "sub.add_one_2"}),
        (["*sub.add_one"], {"one", "left", "sub.add_one"}),
        (["fallback", "gated"], {"fallback", "gated"}),
    ],
)
def test_a_selection_runs_what_it_names(execute: Any, selection: list[str], ran: set[str]) -> None:
    result = execute(selectable(), op_selection=selection)
    assert result.success
    assert set(keys_of(result, "STEP_SUCCESS")) == ran


def test_inputs_that_a_selection_cuts_off(execute: Any) -> None:
    diamond = selectable()
    assert execute(diamond, op_selection=["fallback"]).output_for_node("fallback") == 50
    assert execute(diamond, op_selection=["gated"]).output_for_node("gated") == 4
    assert execute(diamond, op_selection=["*left", "both"]).output_for_node("both") == [2]
    assert execute(diamond, op_selection=["both"]).output_for_node("both") == []
    given = execute(diamond, {"ops": {"left": {"inputs": {"n": 10}}}}, op_selection=["left", "sub"])
    assert given.output_for_node("sub") == 13
    into_graph = execute(diamond, {"ops": {"sub": {"inputs": {"n": 20}}}}, op_selection=["sub"])
    assert into_graph.output_for_node("sub") == 22
    with pytest.raises(ConfigError, match="root:ops:left:inputs:n"):
        execute(diamond, op_selection=["left"])


def test_what_was_not_selected_has_no_output_and_is_untouched(execute: Any) -> None:
    result = execute(selectable(), op_selection=["*left"])
    assert result.is_node_untouched("both")
    assert not result.is_node_success("both")
    with pytest.raises(
        InvariantError, match="No outputs found for output 'result' from node 'both'"
    ):
        result.output_for_node("both")

"""Runs of nested graphs, and input values of jobs."""

from dataclasses import dataclass
from typing import Any

import pytest
from small_ops import add_one, one, total

from rayexec import ConfigError, GraphOut, In, InvariantError, Nothing, graph, job, op


@graph
def plus_two(n: Any) -> Any:
    return add_one(add_one(n))


@graph(out={"small": GraphOut(), "big": GraphOut()})
def ends(n: Any) -> Any:
    return {"small": plus_two(n), "big": plus_two.alias("again")(plus_two.alias("inner")(n))}


def test_nested_graphs_have_dotted_keys_and_pass_values_through(execute: Any) -> None:
    @job
    def nested() -> None:
        outputs = ends(one())
        total([outputs.small, outputs.big])

    result = execute(nested)
    assert result.output_for_node("total") == 3 + 5
    assert result.output_for_node("ends.inner.add_one_2") == 3
    assert result.output_for_node("ends.again") == 5
    assert result.output_for_node("ends", "small") == 3
    assert {event.step_key for event in result.events_for_node("ends.inner")} == {
        "ends.inner.add_one",
        "ends.inner.add_one_2",
    }
    assert result.is_node_success("ends")


def test_a_graph_takes_fan_ins_nothing_and_defaults_through_its_inputs(execute: Any) -> None:
    @op(ins={"start": In(Nothing)})
    def gated(n: int = 40) -> int:
        return n

    @graph
    def inner(values: Any, start: Any, n: Any) -> Any:
        return add_one.alias("last")(
            total([total.alias("summed")(values), gated(start=start, n=n)])
        )

    @job
    def through() -> None:
        inner(values=[one(), add_one(one.alias("other")())], start=one.alias("gate")())

    assert execute(through).output_for_node("inner") == 1 + 2 + 40 + 1
    given = execute(through, {"ops": {"inner": {"inputs": {"n": 10}}}})
    assert given.output_for_node("inner") == 1 + 2 + 10 + 1


def test_a_graph_runs_as_a_job_with_outputs(execute: Any) -> None:
    result = execute(ends.to_job(name="as_job"), input_values={"n": 10})
    assert result.output_value("small") == 12
    assert result.output_value("big") == 14
    with pytest.raises(
        InvariantError,
        match=r"'result' is not an output of as_job; 2 outputs are defined: small, big",
    ):
        result.output_value()


def test_a_job_has_no_outputs_of_its_own(execute: Any) -> None:
    @job
    def plain() -> None:
        one()

    with pytest.raises(InvariantError, match="0 outputs are defined"):
        execute(plain).output_value()


def test_input_values_of_job_and_run(execute: Any) -> None:
    @dataclass
    class Thing:
        size: int

    @op
    def grow(thing: Thing, by: int) -> int:
        return thing.size + by

    @job(input_values={"by": 100})
    def takes(thing: Any, by: Any) -> None:
        grow(thing, by)

    assert execute(takes, input_values={"thing": Thing(1)}).output_for_node("grow") == 101
    assert execute(takes, input_values={"thing": Thing(1), "by": 2}).output_for_node("grow") == 3
    with pytest.raises(ConfigError, match="root:inputs:thing"):
        execute(takes)


def test_job_inputs_from_run_config(execute: Any) -> None:
    @job
    def takes(n: Any) -> None:
        add_one(n)
        add_one.alias("also")(n)

    assert execute(takes, {"inputs": {"n": 5}}).output_for_node("add_one") == 6
    assert execute(takes, {"inputs": {"n": {"value": 7}}}).output_for_node("also") == 8


def test_one_op_in_many_places(execute: Any) -> None:
    @job
    def wide() -> None:
        root = one()
        total([add_one(root) for _ in range(25)])

    result = execute(wide)
    assert result.output_for_node("total") == 50
    assert result.output_for_node("add_one_25") == 2

"""Graphs for drawing: of a plan, and of the steps of a recorded run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rayexec import DynamicOut, DynamicOutput, Out, Output, RetryPolicy, graph, job, op
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore
from rayexec.store.reading import StoredLog
from rayexec.views.graph_model import OpEdge, OpNode, graph_of_log, graph_of_plan


@op(out=DynamicOut())
def split() -> Iterator[DynamicOutput[int]]:
    for key in "ab":
        yield DynamicOutput(1, key)


@op(cache=True, code_version="1", retry_policy=RetryPolicy(max_retries=1), pool="gpu")
def inc(value: int) -> int:
    return value + 1


@op(out={"left": Out(int), "right": Out(int)})
def pair(values: list[int]) -> Iterator[Any]:
    yield Output(sum(values), "left")
    yield Output(sum(values), "right")


@op(tags={"database": "redshift", "long": "x" * 40, "team": "data", "third": "3"})
def both(one: int, other: int) -> int:
    return one + other


@graph
def part(value: Any) -> Any:
    return inc(inc(value))


@job
def fan() -> None:
    left, right = pair(split().map(part).collect())
    both(left, right)


def test_a_plan_is_a_graph() -> None:
    model = graph_of_plan(compile_job(fan))
    marks = ("cached", "retries", "pool:gpu")
    assert model.ops == (
        OpNode("split", "split"),
        OpNode("part.inc", "inc", True, marks),
        OpNode("part.inc_2", "inc", True, marks),
        OpNode("pair", "pair"),
        OpNode("both", "both", tags=("database=redshift", "team=data")),
    )
    assert model.edges == (
        OpEdge(0, 1, is_dynamic=True),
        OpEdge(1, 2),
        OpEdge(2, 3, is_collected=True),
        OpEdge(3, 4, "left, right"),
    )


def test_a_recorded_run_has_the_graph_of_its_plan(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    result = fan.execute({"execution": {"config": {"in_process": {}}}}, store=store)
    log = StoredLog(store.open(result.run_id))
    model, planned = (
        graph_of_log(log.keys, log.predecessors, log.op_of),
        graph_of_plan(compile_job(fan)),
    )
    assert [(node.path, node.op, node.is_mapped) for node in model.ops] == [
        (node.path, node.op, node.is_mapped) for node in planned.ops
    ]
    assert sorted(edge._replace(label="") for edge in planned.edges) == sorted(model.edges)


def test_a_log_without_predecessors_has_ops_alone() -> None:
    model = graph_of_log(["b[1]", "b[2]", "a"], None, lambda step: "op")
    assert model.ops == (OpNode("b", "op", True), OpNode("a", "op"))
    assert model.edges == ()

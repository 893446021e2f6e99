"""Compilation of jobs to plans."""

from typing import Any

import pytest
from compiled_ops import add, check, keys, one, total

from rayexec import (
    DefinitionError,
    In,
    Nothing,
    RetryPolicy,
    SelectionError,
    StepNotFoundError,
    failure_hook,
    graph,
    job,
    op,
    success_hook,
)
from rayexec.plan import FromConfig, FromStep, OpenInput, compile_job


@op(ins={"start": In(Nothing)})
def gated() -> int:
    return 1


@graph
def doubled(n: Any) -> Any:
    return add(n, n)


@graph
def deep(n: Any) -> Any:
    return doubled.alias("outer")(doubled.alias("inner")(n))


def test_graphs_are_made_flat() -> None:
    @job
    def nested() -> None:
        output = deep(one())
        total([output, one.alias("other")()])

    plan = compile_job(nested)
    check(plan)
    assert keys(plan) == ["one", "deep.inner.add", "deep.outer.add", "other", "total"]
    assert plan.successors == ((1,), (2,), (4,), (4,), ())
    assert plan.in_degrees == (0, 1, 1, 0, 2)
    assert (
        plan.outputs["deep", "result"]
        == plan.outputs["deep.outer", "result"]
        == FromStep(2, "result")
    )
    assert set(plan.node_paths) == {*keys(plan), "deep", "deep.inner", "deep.outer"}
    assert plan.index_of("deep.outer.add") == 2
    with pytest.raises(
        StepNotFoundError, match=r"nested has no step 'deep\.outr\.add'.*Did you mean"
    ):
        plan.index_of("deep.outr.add")


def test_heights_and_depth_first_order_put_the_longest_path_first() -> None:
    @job
    def uneven() -> None:
        one.alias("short")()
        add(add.alias("middle")(one.alias("long")()))
        one.alias("urgent").tag({"rayexec/priority": 3})()

    plan = compile_job(uneven)
    order = sorted(range(len(plan.steps)), key=plan.depth_order.__getitem__)
    assert [plan.steps[index].key for index in order] == [
        "long",
        "middle",
        "add",
        "short",
        "urgent",
    ]
    assert plan.priorities == (0, 0, 0, 0, 3)
    assert plan.heights == (1, 3, 2, 1, 1)


def test_a_job_is_compiled_once_for_each_selection() -> None:
    @job
    def small() -> None:
        add(one())

    assert compile_job(small) is compile_job(small)
    assert compile_job(small, ["one"]) is compile_job(small, ["one", " one"])
    assert compile_job(small, ["one*"]) is compile_job(small)
    assert compile_job(small, []) is compile_job(small)


def test_steps_of_one_op_share_a_template_and_others_do_not() -> None:
    @success_hook
    def hook(context: Any) -> None:
        pass

    policy = RetryPolicy()

    @job
    def shared() -> None:
        one()
        one()
        one.with_hooks({hook})()
        one.with_retry_policy(policy)()
        one.with_retry_policy(policy)()

    plan = compile_job(shared)
    assert [step.template for step in plan.steps] == [0, 0, 1, 2, 2]
    assert plan.templates[1].hooks == (hook,)
    assert plan.templates[2].retry_policy is policy


def test_hooks_policies_and_tags_come_down_from_job_and_graph() -> None:
    @success_hook
    def outer(context: Any) -> None:
        pass

    @failure_hook
    def inner(context: Any) -> None:
        pass

    of_job, of_graph, of_op, of_call = (RetryPolicy(max_retries=retries) for retries in range(1, 5))

    @op(retry_policy=of_op, tags={"a": "op", "b": "op"})
    def own() -> None:
        pass

    @graph
    def part() -> None:
        one()
        own.tag({"a": "call"}).with_hooks({outer, inner})()
        own.with_retry_policy(of_call).alias("called")()

    @job(hooks={outer}, op_retry_policy=of_job)
    def whole() -> None:
        one.alias("top")()
        part.with_retry_policy(of_graph).with_hooks({inner}).tag({"a": "graph"})()

    plan = compile_job(whole)
    templates = {step.key: plan.templates[step.template] for step in plan.steps}
    assert {key: each.retry_policy for key, each in templates.items()} == {
        "top": of_job,
        "part.one": of_graph,
        "part.own": of_op,
        "part.called": of_call,
    }
    assert {key: each.hooks for key, each in templates.items()} == {
        "top": (outer,),
        "part.one": (outer, inner),
        "part.own": (outer, inner),
        "part.called": (outer, inner),
    }
    assert {step.key: dict(step.tags) for step in plan.steps}["part.own"] == {
        "a": "call",
        "b": "op",
    }
    assert {step.key: dict(step.tags) for step in plan.steps}["part.one"] == {}


def test_open_inputs() -> None:
    @job
    def opened(given: Any) -> None:
        add(given)
        add.alias("bare")()
        doubled()
        total.alias("in_list")([given, one()])

    plan = compile_job(opened)
    check(plan)
    open_inputs = {
        source: (each.type.name, each.required) for source, each in plan.open_inputs.items()
    }
    assert open_inputs == {
        ("", "given"): ("int", True),
        ("add", "right"): ("int", False),
        ("bare", "left"): ("int", True),
        ("bare", "right"): ("int", False),
        ("doubled", "n"): ("int", True),
    }
    assert isinstance(plan.open_inputs["bare", "left"], OpenInput)
    assert plan.steps[plan.index_of("doubled.add")].inputs[0].sources == (
        FromConfig("doubled", "n"),
    )


def test_nothing_inputs_are_edges_without_values() -> None:
    @job
    def ordered() -> None:
        first, second = one(), one()
        gated.alias("both")([first, second])
        gated.alias("alone")()
        add(gated.alias("after")(start=first))

    plan = compile_job(ordered)
    check(plan)
    both = plan.steps[plan.index_of("both")]
    assert both.inputs[0].is_nothing
    assert plan.upstream_names(both.index) == ()
    assert plan.in_degrees[both.index] == 2
    assert plan.open_inputs == {("add", "right"): plan.open_inputs["add", "right"]}


def test_one_producer_of_several_inputs_counts_once() -> None:
    @job
    def twice() -> None:
        n = one()
        total([n, n])
        add(n, n)

    plan = compile_job(twice)
    check(plan)
    assert plan.in_degrees == (0, 1, 1)


def test_a_selection_keeps_what_it_names_and_opens_what_it_cuts() -> None:
    @job
    def nested() -> None:
        output = deep(one())
        total([output, one.alias("other")()])
        gated(start=output)

    plan = compile_job(nested, ["deep.outer", "total", "gated"])
    check(plan)
    assert keys(plan) == ["deep.outer.add", "total", "gated"]
    assert set(plan.open_inputs) == {("deep.outer", "n")}
    assert plan.steps[1].inputs[0].sources == (FromStep(0, "result"),)
    assert "other" in plan.node_paths
    with pytest.raises(SelectionError):
        compile_job(nested, "deep")
    with pytest.raises(SelectionError, match="nope"):
        compile_job(nested, ["deep", "nope"])


def test_inputs_that_nothing_can_give_are_refused() -> None:
    class Opaque:
        pass

    @op
    def make() -> Opaque:
        return Opaque()

    @op
    def use(thing: Opaque) -> None:
        pass

    @job
    def tight() -> None:
        use(make())

    with pytest.raises(
        DefinitionError,
        match=r"job 'loose': input 'thing' of 'use' .*nothing is connected to it",
    ):

        @job
        def loose() -> None:
            use()

    with pytest.raises(
        SelectionError, match=r"tight: input 'use\.thing' is of type Opaque.*leaves out the op"
    ):
        compile_job(tight, ["use"])


def test_a_list_of_lists_through_a_graph_is_refused() -> None:
    @graph
    def inner(values: Any) -> Any:
        return total([values, one()])

    @job
    def lists() -> None:
        inner([one(), one()])

    with pytest.raises(
        DefinitionError, match="input 'values' of 'total' is a list, one of whose members is a list"
    ):
        compile_job(lists)


def test_a_large_job_compiles_to_steps_and_edges_of_its_own_number() -> None:
    @job
    def large() -> None:
        layer = [one() for _ in range(100)]
        for _ in range(9):
            layer = [add(n) for n in layer]
        total(layer)

    plan = compile_job(large)
    check(plan)
    assert len(plan.steps) == 1001
    assert len(plan.templates) == 3
    assert sum(map(len, plan.successors)) == 900 + 100

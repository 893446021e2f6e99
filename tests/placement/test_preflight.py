"""Messages about a placement before the run."""

from dataclasses import replace
from typing import Any

import pytest
from placed_plans import OWN, attached, plan_of

from rayexec import Pool, job, op
from rayexec.placement.capacity import Capacity, NodeGroup
from rayexec.placement.choice import choose_placement
from rayexec.placement.preflight import notes, problems
from rayexec.plan import Plan, compile_job


def said(plan: Plan, capacity: Capacity, **options: Any) -> list[str]:
    return problems(plan, choose_placement(plan, capacity, run_id="r"), capacity, **options)


def test_what_no_node_has_is_said_of_every_op_at_once() -> None:
    @op(ray_options={"num_cpus": 9})
    def wide() -> None:
        pass

    @op(pool=Pool("db", slots=3))
    def heavy() -> None:
        pass

    @op(ray_options={"label_selector": {"zone": "mars"}})
    def far() -> None:
        pass

    @op
    def fine() -> None:
        pass

    @job
    def greedy() -> None:
        wide()
        heavy()
        far()
        fine()

    messages = said(compile_job(greedy), attached({"CPU": 4, "pool:db": 2}, {"CPU": 8}))
    assert messages == [
        "op 'wide' asks for 9 CPU (the largest node has 8); no autoscaler is there to add a node",
        (
            "op 'heavy' asks for 3 pool:db (the largest node has 2); no autoscaler is there to "
            "add a "
            "node"
        ),
        "op 'far' asks for label zone=mars; no autoscaler is there to add a node",
    ]


def test_a_request_must_fit_a_single_node() -> None:
    plan = plan_of({}, pool="db", ray_options={"num_cpus": 6})
    [message] = said(plan, attached({"CPU": 4, "pool:db": 2}, {"CPU": 8}))
    assert "6 CPU and 1 pool:db on one node, which no single node has" in message


def test_an_autoscaler_may_add_what_is_missing() -> None:
    plan = plan_of({}, ray_options={"num_cpus": 16})
    large, small = NodeGroup("large", {"CPU": 16}), NodeGroup("small", {"CPU": 8})
    assert said(plan, attached({"CPU": 4}, groups=(small, large))) == []
    assert said(plan, attached({"CPU": 4}, groups=None)) == []  # there is one that does not say
    [message] = said(plan, attached({"CPU": 4}, groups=(small,)))
    assert message.endswith("no node that the autoscaler may add has that (small)")
    capacity = attached({"CPU": 4}, groups=(large,))
    [note] = notes(plan, choose_placement(plan, capacity, run_id="r"), capacity)
    assert (
        note == "op 'work' waits for the autoscaler: no node has 16 CPU (the largest node has 4)."
    )


def test_a_run_inside_an_op_must_not_wait_for_what_that_op_holds() -> None:
    plan = plan_of({}, pool="db")
    cluster = attached({"CPU": 4, "pool:db": 1})
    [message] = said(plan, cluster, held_here=("a", {"CPU": 1.0, "pool:db": 1.0}))
    assert "of which the step that started this run holds 1 of 1" in message
    # The slots must be free on one node; and an autoscaler may add another.
    two = plan_of({}, pool=Pool("db", 2))
    assert said(
        two,
        attached({"CPU": 4, "pool:db": 2}, {"CPU": 4, "pool:db": 1}),
        held_here=("a", {"pool:db": 1.0}),
    )
    more = NodeGroup("more", {"CPU": 4, "pool:db": 1})
    assert (
        said(
            plan,
            attached({"CPU": 4, "pool:db": 1}, groups=(more,)),
            held_here=("a", {"pool:db": 1.0}),
        )
        == []
    )
    assert said(plan, cluster, held_here=("a", {"CPU": 4.0})) == []
    assert said(plan, attached({"CPU": 4, "pool:db": 2}), held_here=("a", {"pool:db": 1.0})) == []


def test_notes_tell_what_a_limit_is_worth() -> None:
    plan = plan_of({"db": "x"}, pool="licence", ray_options={"num_cpus": 1})
    cluster = attached({"CPU": 1, "limit:db=x": 2}, {"CPU": 1, "limit:db=x": 2})
    placement = choose_placement(plan, cluster, run_id="r")
    assert placement.limits[0].most == 4
    assert "multiplied: 2 nodes declare limit:db=x" in placement.limits[0].description
    assert notes(plan, placement, cluster) == [
        (
            "limit:db=x is declared on 2 nodes, which grant 4 at once in all; declare it on one "
            "node for a limit of "
            "the whole cluster."
        ),
        "pool 'licence' is not declared on this Ray, so it limits nothing.",
    ]
    capped = plan_of({}, ray_options={"num_cpus": 2})
    assert notes(
        capped, choose_placement(capped, OWN, run_id="r", max_concurrent=4), OWN, max_concurrent=4
    ) == [
        (
            "op 'work' asks for 2 CPU, so at most 2 of its steps run at once here, whatever "
            "max_concurrent (4) says."
        )
    ]
    assert notes(capped, choose_placement(capped, OWN, run_id="r"), OWN) == []


@pytest.mark.parametrize(("count", "is_noted"), [(200, False), (201, True)])
def test_a_note_tells_of_many_different_requests(count: int, is_noted: bool) -> None:
    ops = [
        op(name=f"o{index}", ray_options={"num_cpus": 1, "memory": 1000.0 + index})(lambda: None)
        for index in range(count)
    ]

    @job
    def varied() -> None:
        for each in ops:
            each()

    plan, cluster = compile_job(varied), attached({"CPU": 2, "memory": 1e9})
    messages = notes(plan, choose_placement(plan, cluster, run_id="r"), cluster)
    assert [message[:49] for message in messages] == is_noted * [
        "the steps have 201 different resource requests, w"
    ]


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ("a", {"a"}),
        ("!a", {"b", None}),
        ("in(a, b)", {"a", "b"}),
        ("in(c)", set()),
        ("!in(a,b)", {None}),
    ],
)
def test_conditions_on_labels_are_judged_as_ray_does(
    condition: str, allowed: set[str | None]
) -> None:
    for label in ("a", "b", None):
        capacity = replace(attached({"CPU": 1}), labels=({} if label is None else {"zone": label},))
        assert (capacity.lacks({"CPU": 1}, {"zone": condition}) is None) == (label in allowed)

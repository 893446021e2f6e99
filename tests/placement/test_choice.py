"""Choice of the holder of each limit, and requests of steps."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from placed_plans import OWN, PREFIX, attached, plan_of

from rayexec import Pool, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement, driver_placement
from rayexec.placement.limits import MAX_CONCURRENT, LimitHolder, Placement
from rayexec.placement.resource_request import limit_share
from rayexec.plan import compile_job


def names(placement: Placement, step: int) -> list[str]:
    return [
        placement.limits[limit].name
        for limit, _ in placement.classes[placement.class_of[step]].limits
    ]


def test_limits_name_the_steps_that_they_count() -> None:
    plan = plan_of({}, {"db": "y"}, {"db": "x"}, {"team": "a"}, {"team": "b"})
    rules = [
        TagLimit("db", 2),
        TagLimit("db", 1, value="x"),
        TagLimit("team", 3, per_unique_value=True),
    ]
    placement = choose_placement(plan, OWN, run_id="r", tag_limits=rules)
    assert [names(placement, step)[1:] for step in range(5)] == [
        [],
        ["db"],
        ["db", "db=x"],
        ["team=a (each)"],
        ["team=b (each)"],
    ]
    assert all(names(placement, step)[0] == MAX_CONCURRENT for step in range(5))


def test_a_value_limit_and_a_limit_for_each_value_count_apart() -> None:
    plan = plan_of({"db": "x"})
    rules = [TagLimit("db", 5, value="x"), TagLimit("db", 1, per_unique_value=True)]
    placement = choose_placement(plan, OWN, run_id="r", tag_limits=rules)
    assert {(limit.name, limit.most) for limit in placement.limits[1:]} == {
        ("db=x", 5),
        ("db=x (each)", 1),
    }


def test_a_tag_called_max_concurrent_is_a_limit_of_its_own() -> None:
    plan = plan_of({MAX_CONCURRENT: "x"})
    placement = choose_placement(
        plan, OWN, run_id="r", max_concurrent=3, tag_limits=[TagLimit(MAX_CONCURRENT, 2)]
    )
    assert [limit.most for limit in placement.limits] == [3, 2]


def test_ray_holds_the_limits_of_a_run_on_a_ray_of_our_own() -> None:
    plan = plan_of({"db": "x"}, {})
    placement = choose_placement(
        plan, OWN, run_id="r", max_concurrent=4, tag_limits=[TagLimit("db", 2)]
    )
    most, db = placement.limits
    assert (most.holder, most.share, db.holder, db.share) == (
        LimitHolder.TOKEN,
        0.25,
        LimitHolder.TOKEN,
        0.5,
    )
    assert placement.uses_tokens
    tagged, plain = [placement.classes[class_id] for class_id in placement.class_of]
    assert tagged.request.as_options()["resources"] == {most.resource: 0.25, db.resource: 0.5}
    assert plain.request.as_options()["resources"] == {most.resource: 0.25}
    assert str(most.resource).startswith(PREFIX)
    assert (tagged.slots, plain.slots, placement.slots) == (2, 4, 4)


@pytest.mark.parametrize("most", [100, 150])
def test_the_driver_holds_what_has_no_exact_share(most: int) -> None:
    placement = choose_placement(plan_of({}), OWN, run_id="r", max_concurrent=most)
    assert placement.limits[0].holder is (LimitHolder.TOKEN if most == 100 else LimitHolder.DRIVER)


@given(st.integers(1, 10_000))
def test_a_share_admits_as_many_as_the_limit_and_no_more(limit: int) -> None:
    share = limit_share(limit)
    assert share is not None or limit > 99
    if share is not None:
        units = round(share * 10_000)
        assert math.isclose(share, units / 10_000)
        assert 10_000 // units == limit


@pytest.mark.parametrize(
    "capacity",
    [
        attached({"CPU": 4}),
        attached({"CPU": 4}, {"CPU": 2}),
        Capacity(({"CPU": 4.0},), is_own=True, implicit_prefix=None),
        Capacity(({"CPU": 4.0}, {"CPU": 4.0}), is_own=True, implicit_prefix=PREFIX),
    ],
    ids=["attached", "several nodes", "a Ray without implicit resources", "own, several nodes"],
)
def test_the_driver_holds_the_limits_of_a_run_elsewhere(capacity: Capacity) -> None:
    plan = plan_of({"db": "x"})
    placement = choose_placement(
        plan, capacity, run_id="r", max_concurrent=4, tag_limits=[TagLimit("db", 2)]
    )
    assert {limit.holder for limit in placement.limits} == {LimitHolder.DRIVER}
    assert "resources" not in placement.classes[0].request.as_options()
    assert not placement.uses_tokens


def test_ray_holds_the_limits_on_a_marked_ray_of_one_node() -> None:
    plan, rules = plan_of({"db": "x"}), [TagLimit("db", 2)]
    resources = set()
    for user_id in ("01000000", "02000000"):
        ray = replace(attached({"CPU": 4}), is_marked=True, user_id=user_id)
        placement = choose_placement(plan, ray, run_id="r", tag_limits=rules)
        # The CPUs are shared, so their number limits no single run.
        [limit] = placement.limits
        assert (limit.name, limit.holder, limit.share) == ("db", LimitHolder.TOKEN, 0.5)
        resources.add(limit.resource)
    assert len(resources) == 2  # also for runs of one id, in two stores
    two = replace(attached({"CPU": 4}, {"CPU": 4}), is_marked=True)
    assert not choose_placement(plan, two, run_id="r", tag_limits=rules).uses_tokens


def test_without_a_limit_a_cluster_is_limited_by_its_cpus() -> None:
    plan = plan_of({})
    assert choose_placement(plan, attached({"CPU": 4}, {"CPU": 2}), run_id="r").limits == ()
    assert choose_placement(plan, attached({"CPU": 4}, {"CPU": 2}), run_id="r").slots == 6
    assert choose_placement(plan, attached({"CPU": 4}), run_id="r").limits == ()
    assert choose_placement(plan, OWN, run_id="r").limits[0].most == 4


def test_limits_of_the_cluster_are_resources_whatever_the_run_says() -> None:
    cluster = attached({"CPU": 4, "limit:db=x": 2, "limit:team": 3}, {"CPU": 4})
    plan = plan_of({"db": "x", "team": "a"}, {"db": "y"}, {})
    placement = choose_placement(plan, cluster, run_id="r", tag_limits=[TagLimit("db", 1)])
    both, other, none = [placement.classes[class_id] for class_id in placement.class_of]
    assert both.request.resources == {"limit:db=x": 1, "limit:team": 1}
    assert (other.request.resources, none.request.resources) == ({}, {})
    held = {limit.name: (limit.holder, limit.most) for limit in placement.limits}
    assert held == {
        "db": (LimitHolder.DRIVER, 1),
        "db=x (cluster)": (LimitHolder.CLUSTER, 2),
        "team (cluster)": (LimitHolder.CLUSTER, 3),
    }
    assert (both.slots, other.slots, none.slots) == (1, 1, 8)


def test_a_pool_takes_its_slots_of_the_clusters_resource() -> None:
    cluster = attached({"CPU": 4, "pool:db": 5})
    placement = choose_placement(plan_of({}, pool=Pool("db", slots=2)), cluster, run_id="r")
    [only] = placement.classes
    assert only.request.resources == {"pool:db": 2}
    assert (only.limits, only.slots) == (((0, 2),), 2)
    assert choose_placement(plan_of({}, pool="db"), OWN, run_id="r").undeclared_pools == ("db",)


def test_the_own_amount_of_a_declared_resource_is_kept() -> None:
    cluster = attached({"CPU": 4, "pool:db": 5})
    plan = plan_of({}, pool="db", ray_options={"resources": {"pool:db": 1, "disk": 1}})
    assert choose_placement(plan, cluster, run_id="r").classes[0].request.resources == {
        "pool:db": 2,
        "disk": 1,
    }


def test_steps_that_ask_for_the_same_and_count_alike_share_a_class() -> None:
    @op
    def one() -> None:
        pass

    @op
    def two() -> None:
        pass

    @op(ray_options={"num_cpus": 2})
    def large() -> None:
        pass

    @job
    def mixed() -> None:
        one()
        two()
        large()
        one.tag({"db": "x"}).alias("tagged")()
        one.tag({"db": "y"}).alias("other")()

    placement = choose_placement(
        compile_job(mixed), OWN, run_id="r", tag_limits=[TagLimit("db", 1, value="x")]
    )
    kinds = [
        placement.class_of[compile_job(mixed).by_key[key]]
        for key in ("one", "two", "large", "tagged", "other")
    ]
    assert kinds[0] == kinds[1] == kinds[4]
    assert len(set(kinds)) == 3
    assert [each.slots for each in placement.classes] == [
        4,
        2,
        1,
    ]  # two of two CPUs each fit at once


def test_more_steps_than_cpus_share_them_evenly() -> None:
    [only] = choose_placement(plan_of({}), OWN, run_id="r", max_concurrent=7).classes
    assert only.request.num_cpus == 0.5714
    assert only.slots == 7


GIB = 1024**3


def memory_of(placement: Placement, step: int) -> float | None:
    return placement.classes[placement.class_of[step]].request.memory


def test_a_step_may_come_to_ask_for_more_memory_than_its_op() -> None:
    capacity = attached({"CPU": 4.0, "memory": 8.0 * GIB}, {"CPU": 1.0, "memory": 64.0 * GIB})
    placement = choose_placement(
        plan_of({}, {}, {}, ray_options={"num_cpus": 2, "memory": GIB}), capacity, run_id="r"
    )
    assert placement.with_more_memory(1, 2.5, 5 * GIB) == 2.5 * GIB
    assert [memory_of(placement, step) for step in range(3)] == [GIB, 2.5 * GIB, GIB]
    # Another step that comes to ask for as much shares its class.
    placement.with_more_memory(2, 2.5, 0)
    assert placement.class_of == [0, 1, 1]
    # Never more than what a node has that has the CPUs as well; then there is no more.
    assert placement.with_more_memory(1, 100, 0) == 8 * GIB
    assert placement.with_more_memory(1, 2, 0) is None
    assert memory_of(placement, 1) == 8 * GIB
    assert placement.class_of == [0, 2, 1]
    assert placement.resource_totals["memory"] == 72 * GIB


@pytest.mark.parametrize(("had", "asks"), [(3 * GIB, 6 * GIB), (0, 2 * GIB)])
def test_what_a_step_had_counts_where_it_asked_for_none(had: int, asks: int) -> None:
    placement = choose_placement(
        plan_of({}), attached({"CPU": 4.0, "memory": 8.0 * GIB}), run_id="r"
    )
    assert placement.with_more_memory(0, 2, had) == asks == memory_of(placement, 0)
    # How many of them can run at once is what fits.
    assert [each.slots for each in placement.classes] == [4, 8 * GIB // asks]


def test_without_a_node_nobody_asks_for_more_memory() -> None:
    placement = driver_placement(plan_of({}), slots=2)
    assert placement.with_more_memory(0, 2, GIB) is None
    assert len(placement.classes) == 1


def test_a_runs_environment_that_every_task_has_goes_with_none() -> None:
    of_run = {"env_vars": {"A": "run", "B": "run"}}
    plan = plan_of({}, ray_options={"runtime_env": {"env_vars": {"B": "op"}, "pip": ["x"]}})
    own = {"env_vars": {"B": "op"}, "pip": ["x"]}
    (only,) = choose_placement(
        plan, replace(attached({"CPU": 4}), runtime_env=of_run), run_id="r", runtime_env=of_run
    ).classes
    assert only.request.runtime_env == own
    (sent,) = choose_placement(plan, attached({"CPU": 4}), run_id="r", runtime_env=of_run).classes
    assert sent.request.runtime_env == {"env_vars": {"A": "run", "B": "op"}, "pip": ["x"]}
    (plain,) = choose_placement(
        plan_of({}),
        replace(attached({"CPU": 4}), runtime_env=of_run),
        run_id="r",
        runtime_env=of_run,
    ).classes
    assert plain.request.runtime_env is None

"""Limits on a simulated cluster: never exceeded, and no usable slot idle."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine_checks import check

from rayexec import Pool, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.execute.driver import run_to_end
from rayexec.execute.log import RunLog
from rayexec.execute.observer import Observer
from rayexec.execute.prepare import prepare
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement
from rayexec.testing.simulated_engine import SimulatedEngine

LIMITS = (1, 2, 3, 7, 10, 50, 99, 150)
KEYS, VALUES = ("db", "team"), ("x", "y")


@dataclass
class Case:
    """Steps as (tags, pool slots, seconds, sources), with their limits and their cluster."""

    steps: list[tuple[dict[str, str], int, float, list[int]]]
    rules: list[TagLimit]
    max_concurrent: int | None
    declared: dict[str, float] = field(default_factory=dict)
    slots: int = 4
    is_own: bool = True


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rules: dict[tuple[str, str | None, bool], TagLimit] = {}
    for _ in range(draw(st.integers(0, 4))):
        key = draw(st.sampled_from(KEYS))
        value = draw(st.sampled_from([None, *VALUES]))
        per_value = value is None and draw(st.booleans())
        limit = TagLimit(key, draw(st.sampled_from(LIMITS)), value, per_value)
        rules[key, value, per_value] = limit
    declared = {}
    for name in draw(
        st.sets(st.sampled_from(["limit:db", "limit:db=x", "limit:team=y", "pool:p"]))
    ):
        declared[name] = float(draw(st.integers(2, 4)))
    # So many steps, mostly side by side, that limits of 150 are met at all.
    count = draw(st.sampled_from([12, 40, 200]))
    few = draw(st.lists(kinds(), min_size=1, max_size=6))
    pattern = draw(st.lists(st.integers(0, len(few) - 1), min_size=1, max_size=7))
    steps = []
    for index in range(count):
        tags, slots, seconds, has_input = few[pattern[index % len(pattern)]]
        steps.append((tags, slots, seconds, [index // 2] if has_input and index else []))
    return Case(
        steps,
        list(rules.values()),
        draw(st.one_of(st.none(), st.sampled_from(LIMITS))),
        declared,
        draw(st.sampled_from([2, 4, 16, 200])),
        draw(st.booleans()),
    )


@st.composite
def kinds(draw: st.DrawFn) -> tuple[dict[str, str], int, float, bool]:
    tags = {key: draw(st.sampled_from(VALUES)) for key in KEYS if draw(st.booleans())}
    return (
        tags,
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0.0, 0.002, 0.03, 0.3])),
        draw(st.booleans()),
    )


def simulate(
    case: Case, *, nodes: Sequence[int] = (), asking: Container[int] = (), **options: Any
) -> tuple[Any, SimulatedEngine]:
    @cache
    def op_with(slots: int, resources: tuple[str, ...]) -> Any:
        pool, options = (
            Pool("p", slots) if slots else None,
            {"resources": dict.fromkeys(resources, 1)},
        )

        @op(name="_".join([f"takes_{slots}", *resources]), pool=pool, ray_options=options)
        def work(values: Any) -> Any:
            return values

        return work

    @job
    def drawn() -> None:
        made: list[Any] = []
        for index, (tags, slots, _, before) in enumerate(case.steps):
            made.append(
                op_with(slots, ("tpu",) if index in asking else ())
                .tag(tags)
                .alias(f"s{index}")([made[source] for source in before])
            )

    spec = prepare(drawn)
    resources = ({"CPU": float(case.slots), **case.declared},)
    capacity = Capacity(resources, is_own=case.is_own, implicit_prefix="implicit_")
    limits: dict[str, Any] = {"max_concurrent": case.max_concurrent, "tag_limits": case.rules}
    engine = SimulatedEngine(
        spec.plan,
        nodes=nodes or [case.slots],
        **options,
        seconds=lambda call: case.steps[call.step][2],
        placement=choose_placement(spec.plan, capacity, run_id="r", **limits),
    )
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    check(outcome.machine)
    return outcome, engine


def peak(schedule: Sequence[tuple[float, float, int]], weights: Mapping[int, int]) -> int:
    """Return the largest sum of weights of steps that run at once."""
    changes = []
    for start, end, step in schedule:
        if weights.get(step):
            changes += [(start, weights[step]), (end, -weights[step])]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def groups(case: Case) -> list[tuple[int, dict[int, int]]]:
    """Return every limit of a case with the weights of the steps that count in it, by the rules as
    written.
    """
    limits: list[tuple[int, dict[int, int]]] = []

    def add(most: int, counts: Any) -> None:
        limits.append(
            (most, {index: 1 for index, (tags, *_) in enumerate(case.steps) if counts(tags)})
        )

    for rule in case.rules:
        if rule.per_unique_value:
            for value in VALUES:
                add(rule.limit, lambda tags, key=rule.key, value=value: tags.get(key) == value)
        elif rule.value is None:
            add(rule.limit, lambda tags, key=rule.key: key in tags)
        else:
            add(rule.limit, lambda tags, rule=rule: tags.get(rule.key) == rule.value)
    for name, amount in case.declared.items():
        kind, _, tag = name.partition(":")
        if kind == "tpu":
            continue
        key, _, value = tag.partition("=")
        if kind == "pool":
            limits.append(
                (int(amount), {index: slots for index, (_, slots, *_) in enumerate(case.steps)})
            )
        else:
            add(
                int(amount),
                lambda tags, key=key, value=value: tags.get(key) == value if value else key in tags,
            )
    if case.max_concurrent is not None:
        add(case.max_concurrent, lambda _tags: True)
    return limits


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_no_limit_is_ever_exceeded_and_every_step_runs(case: Case) -> None:
    outcome, engine = simulate(case)
    assert outcome.status == "SUCCESS"
    assert sorted(step for _, _, step in engine.schedule) == list(range(len(case.steps)))
    for most, weights in groups(case):
        assert peak(engine.schedule, weights) <= most
    assert peak(engine.schedule, dict.fromkeys(range(len(case.steps)), 1)) <= case.slots


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_reached_where_there_is_enough_to_do(limit: int, is_own: bool) -> None:
    steps: list[Any] = [({"db": "x"}, 0, 0.3, []) for _ in range(400)]
    case = Case(steps, [TagLimit("db", limit)], None, slots=200, is_own=is_own)
    _, engine = simulate(case)
    assert peak(engine.schedule, dict.fromkeys(range(400), 1)) == limit


def busy(engine: SimulatedEngine, until: float, slots: int) -> float:
    """Return the share of ``slots`` that steps occupy up to a time, with their cost."""
    return sum(max(0.0, min(end, until) - start) for start, end, _ in engine.schedule) / (
        slots * until
    )


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.5])
def test_slots_are_busy_while_queues_are_long(seconds: float, is_own: bool) -> None:
    tagged: list[Any] = [({"db": "x"}, 0, seconds, []) for _ in range(200)]
    free: list[Any] = [({}, 0, seconds, []) for _ in range(1000)]
    case = Case(tagged + free, [TagLimit("db", 1)], 4, slots=4 if is_own else 8, is_own=is_own)
    _, engine = simulate(case)
    # Until the slots run out of untagged steps.
    until = sorted(start for start, _, step in engine.schedule if step >= 200)[-4]
    assert busy(engine, until, 4) >= 0.97


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
def test_a_limited_queue_keeps_no_slot_from_the_others(is_own: bool) -> None:
    # The limited steps come first, and by far the most of them.
    limited: list[Any] = [({"db": "x"}, 0, 1.0, []) for _ in range(60)]
    free: list[Any] = [({}, 0, 1.0, []) for _ in range(60)]
    case = Case(limited + free, [TagLimit("db", 1)], 4, slots=4 if is_own else 8, is_own=is_own)
    _, engine = simulate(case)
    assert max(end for _, end, step in engine.schedule if step >= 60) < 1.05 * 60 / 3
    assert max(end for _, end, _ in engine.schedule) < 1.1 * 60


def ends(engine: SimulatedEngine, steps: range) -> float:
    return max(end for _, end, step in engine.schedule if step in steps)


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
@pytest.mark.parametrize("most", [1, 2, 4])
def test_what_waits_for_a_limit_of_the_cluster_takes_no_place_of_the_others(
    most: int, is_own: bool
) -> None:
    # Another run takes the pool once the first pooled step has begun, for a while; the pooled steps
    # are many.
    pooled: list[Any] = [({}, 1, 1.0, []) for _ in range(20)]
    free: list[Any] = [({}, 0, 1.0, []) for _ in range(20)]
    case = Case(pooled + free, [], most, {"pool:p": 1.0}, slots=8, is_own=is_own)
    _, engine = simulate(case, others=[(0.0, 30.0, "pool:p", 1)])
    assert ends(engine, range(20, 40)) < 1.05 * 20 / most + 1.0
    assert ends(engine, range(20)) < 30.0 + 1.1 * 20 + 1.0


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
def test_steps_that_wait_for_their_own_runs_share_of_a_pool_leave_the_slots_to_others(
    is_own: bool,
) -> None:
    pooled: list[Any] = [({}, 1, 0.5, []) for _ in range(20)]
    free: list[Any] = [({}, 0, 0.5, []) for _ in range(60)]
    case = Case(pooled + free, [], 4, {"pool:p": 1.0}, slots=4, is_own=is_own)
    _, engine = simulate(case)
    assert ends(engine, range(20, 80)) < 1.1 * 60 * 0.5 / 3
    assert ends(engine, range(80)) < 1.1 * 60 * 0.5 / 3 + 0.5


def test_a_large_pool_that_others_hold_keeps_nothing_else_back() -> None:
    pooled: list[Any] = [({}, 1, 0.5, []) for _ in range(40)]
    free: list[Any] = [({}, 0, 0.5, []) for _ in range(80)]
    _, engine = simulate(
        Case(pooled + free, [], 4, {"pool:p": 10.0}, slots=4), others=[(0.0, 30.0, "pool:p", 10)]
    )
    assert ends(engine, range(40, 120)) < 1.1 * 80 * 0.5 / 4 + 0.5


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
def test_steps_that_wait_for_a_scarce_resource_leave_the_slots_to_others(is_own: bool) -> None:
    scarce: list[Any] = [({}, 0, 0.5, []) for _ in range(20)]
    free: list[Any] = [({}, 0, 0.5, []) for _ in range(60)]
    case = Case(scarce + free, [], 4, {"tpu": 1.0}, slots=8, is_own=is_own)
    _, engine = simulate(case, asking=range(20))
    assert ends(engine, range(20, 80)) < 1.1 * 60 * 0.5 / 3


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.floats(0, 2), st.data())
def test_the_limits_of_a_run_survive_the_loss_of_a_node(
    case: Case, when: float, data: st.DataObject
) -> None:
    spare = data.draw(st.integers(1, 3))
    outcome, engine = simulate(case, nodes=[spare, case.slots], losses=[(when, 1)])
    assert outcome.status == "SUCCESS"
    assert {step for _, _, step in engine.schedule} == set(range(len(case.steps)))


def test_rules_whose_names_read_alike_are_two_limits() -> None:
    steps: list[Any] = [({"db": "x"}, 0, 0.3, []) for _ in range(40)]
    rules = [TagLimit("db=x", 9), TagLimit("db", 2, "x"), TagLimit("db", 3, None, True)]
    _, engine = simulate(Case(steps, rules, 20, slots=20))
    assert peak(engine.schedule, dict.fromkeys(range(40), 1)) == 2


@pytest.mark.parametrize("is_own", [True, False], ids=["Ray holds", "the driver holds"])
def test_a_limit_for_each_of_many_values(is_own: bool) -> None:
    steps: list[Any] = [({"db": f"v{index % 300}"}, 0, 0.002, []) for index in range(1500)]
    case = Case(steps, [TagLimit("db", 1, None, True)], 4, slots=4, is_own=is_own)
    _, engine = simulate(case)
    for value in (0, 7, 299):
        members = {index: 1 for index in range(1500) if index % 300 == value}
        assert peak(engine.schedule, members) == 1

"""Lower bounds of the makespan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayexec import Pool, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.execute.driver import run_to_end
from rayexec.execute.log import RunLog
from rayexec.execute.observer import Observer
from rayexec.execute.prepare import prepare
from rayexec.placement.bound import bounds, longest_path
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement
from rayexec.plan import Plan, compile_job
from rayexec.testing.simulated_engine import Costs, SimulatedEngine

OWN = Capacity(({"CPU": 4.0},), is_own=True, implicit_prefix="implicit_")


@op
def work(values: Any) -> Any:
    return values


def job_of(before: Sequence[Sequence[int]], tagged: frozenset[int] = frozenset()) -> Any:
    @job
    def drawn() -> None:
        made: list[Any] = []
        for index, sources in enumerate(before):
            tags = {"db": "x"} if index in tagged else {}
            made.append(work.tag(tags).alias(f"s{index}")([made[each] for each in sources]))

    return drawn


def keys(plan: Plan, steps: Sequence[int]) -> list[str]:
    return [plan.steps[step].key for step in steps]


def test_the_longest_path_has_the_most_steps_or_takes_longest() -> None:
    plan = compile_job(job_of([[], [0], [1], [0], [3]]))
    assert keys(plan, longest_path(plan)) in (["s0", "s1", "s2"], ["s0", "s3", "s4"])
    seconds = [{"s3": 9.0}.get(step.key, 1.0) for step in plan.steps]
    assert keys(plan, longest_path(plan, seconds)) == ["s0", "s3", "s4"]


def test_each_limit_bounds_the_makespan() -> None:
    plan = compile_job(job_of([[]] * 12, frozenset(range(6))))
    placement = choose_placement(
        plan, OWN, run_id="r", max_concurrent=3, tag_limits=[TagLimit("db", 1)]
    )
    by_reason = {each.reason: each.seconds for each in bounds(plan, placement, [2.0] * 12)}
    assert by_reason == {
        "the longest path": 2.0,
        "max_concurrent 3": 8.0,
        "db 1": 12.0,
        "4 CPU": 6.0,
    }
    assert bounds(plan, placement, [2.0] * 12)[0].reason == "db 1"


def test_a_pool_bounds_by_the_slots_that_its_ops_take() -> None:
    @op(pool=Pool("p", 2))
    def wide() -> None:
        pass

    @job
    def pooled() -> None:
        for _ in range(4):
            wide()

    plan = compile_job(pooled)
    placement = choose_placement(
        plan, Capacity(({"CPU": 9.0, "pool:p": 3.0},), is_own=False), run_id="r"
    )
    assert ("pool p 3", 8 / 3) in [
        (each.reason, each.seconds) for each in bounds(plan, placement, [1.0] * 4)
    ]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[int]], list[float], frozenset[int]]:
    count = draw(st.integers(1, 30))
    before = [
        draw(st.lists(st.integers(0, index - 1), max_size=3, unique=True)) if index else []
        for index in range(count)
    ]
    seconds = draw(st.lists(st.sampled_from([0.01, 0.1, 1.0]), min_size=count, max_size=count))
    return before, seconds, draw(st.frozensets(st.integers(0, count - 1)))


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(1, 4), st.integers(1, 3))
def test_no_simulated_run_beats_its_bound(
    graph: tuple[list[list[int]], list[float], frozenset[int]], most: int, limit: int
) -> None:
    before, seconds, tagged = graph
    spec = prepare(job_of(before, tagged))
    placement = choose_placement(
        spec.plan, OWN, run_id="r", max_concurrent=most, tag_limits=[TagLimit("db", limit)]
    )
    took = [seconds[int(step.key[1:])] for step in spec.plan.steps]
    engine = SimulatedEngine(
        spec.plan,
        nodes=[4],
        seconds=lambda call: took[call.step],
        placement=placement,
        costs=Costs(0, 0, 0),
    )
    run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    assert engine.now() >= bounds(spec.plan, placement, took)[0].seconds * (1 - 1e-9)


def test_of_an_empty_plan_nothing_is_said() -> None:
    @job
    def empty() -> None:
        pass

    assert longest_path(compile_job(empty)) == []


@pytest.mark.parametrize("seconds", [[1.0], [0.0]])
def test_a_single_step(seconds: list[float]) -> None:
    plan = compile_job(job_of([[]]))
    assert longest_path(plan, seconds) == [0]

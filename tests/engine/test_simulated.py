"""Scheduler and driver loop on a simulated cluster: order, limits, and no slot idle for long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machine_checks import check

from rayexec import JobDefinition, job, op
from rayexec.execute.driver import Outcome, run_to_end
from rayexec.execute.log import RunLog
from rayexec.execute.observer import Observer
from rayexec.execute.prepare import prepare
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement
from rayexec.run.spec import BATCH_BUDGET_S, Batch
from rayexec.scheduler.messages import BatchEnded, EngineReport
from rayexec.testing.simulated_engine import Costs, SimulatedEngine

# (seconds, the earlier steps it takes from)
Dag = Sequence[tuple[float, Sequence[int]]]


@op
def work(values: Any) -> Any:
    return values


def job_of(dag: Dag, max_concurrent: int | None = None) -> JobDefinition:
    config = {"execution": {"config": {"ray": {"max_concurrent": max_concurrent}}}}

    @job(config=config)
    def drawn() -> None:
        made: list[Any] = []
        for index, (_, before) in enumerate(dag):
            made.append(work.alias(f"s{index}")([made[source] for source in before]))

    return drawn


def simulate(
    dag: Dag,
    slots: int = 1,
    *,
    nodes: Sequence[int] = (),
    batching: bool = True,
    driver_limit: int | None = None,
    **options: Any,
) -> Any:
    spec = prepare(job_of(dag))
    engine = SimulatedEngine(
        spec.plan,
        nodes=nodes or [slots],
        seconds=lambda call: dag[call.step][0],
        batching=batching,
        driver_limit=driver_limit,
        **options,
    )
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    check(outcome.machine)
    return outcome, engine


@st.composite
def dags(draw: st.DrawFn) -> Dag:
    dag: list[tuple[float, list[int]]] = []
    lengths = st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0.05, 2.0))
    for index in range(draw(st.integers(1, 40))):
        before = draw(st.lists(st.integers(0, index - 1), max_size=3, unique=True)) if index else []
        dag.append((draw(lengths), before))
    return dag


def peak(schedule: Sequence[tuple[float, float, int]]) -> int:
    changes = sorted(
        [(end, -1) for _, end, _ in schedule] + [(start, 1) for start, _, _ in schedule]
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@settings(max_examples=150, deadline=None)
@given(dags(), st.integers(1, 5), st.booleans(), st.one_of(st.none(), st.integers(1, 3)))
def test_every_step_runs_once_after_its_inputs_and_within_the_limits(
    dag: Dag, slots: int, batching: bool, limit: int | None
) -> None:
    outcome, engine = simulate(dag, slots, batching=batching, driver_limit=limit)
    assert outcome.status == "SUCCESS"
    times = {step: (start, end) for start, end, step in engine.schedule}
    assert sorted(step for _, _, step in engine.schedule) == list(range(len(dag)))
    for step, (_, before) in enumerate(dag):
        assert all(times[source][1] <= times[step][0] + 1e-9 for source in before)
    assert peak(engine.schedule) <= min(slots, limit or slots)


def free_from(moment: float, times: Mapping[int, tuple[float, float]], slots: int) -> float:
    """Return the first time from ``moment`` on at which a slot is free, and stays so for a while.

    A task has to start and messages have to pass before the next step runs on it.
    """
    costs = Costs()
    for time in sorted([moment, *(end for _, end in times.values() if end > moment)]):
        just_after = time + costs.task + 2 * costs.hop
        if sum(start <= just_after and end >= time for start, end in times.values()) < slots:
            return time
    return max((end for _, end in times.values()), default=moment)


@settings(max_examples=150, deadline=None)
@example([(1.0, [])] * 12, 2)  # most of them wait for long
@given(dags(), st.integers(1, 4))
def test_no_slot_idles_while_a_ready_step_waits_longer_than_the_budget(
    dag: Dag, slots: int
) -> None:
    costs = Costs()
    _, engine = simulate(dag, slots, costs=costs)
    times = {step: (start, end) for start, end, step in engine.schedule}
    # A group of four long steps may last half as long again as three of them should; other batches
    # their budget.
    hidden = max(BATCH_BUDGET_S, 1.5 * 3 * min(1.0, max(length for length, _ in dag)))
    for step, (_, before) in enumerate(dag):
        ready = max((times[source][1] for source in before), default=0.0)
        patience = ready + hidden + 4 * costs.hop + 2 * costs.task
        # From then on every slot is busy until the step starts.
        others = {other: time for other, time in times.items() if other != step}
        latest = free_from(patience, others, slots) + 2 * costs.hop + costs.task
        assert times[step][0] <= latest, (step, ready, patience)


@settings(max_examples=60, deadline=None)
@given(dags(), st.data())
def test_failures_keep_back_just_what_depends_on_them(dag: Dag, data: st.DataObject) -> None:
    failing = data.draw(st.sets(st.integers(0, len(dag) - 1), max_size=3))
    outcome, engine = simulate(dag, 3, fails=lambda call: call.step in failing)
    abandoned: set[int] = set()
    for step, (_, before) in enumerate(dag):
        if any(source in abandoned or source in failing for source in before):
            abandoned.add(step)
    assert {step for _, _, step in engine.schedule} == set(range(len(dag))) - abandoned
    assert set(outcome.machine.failed) == failing - abandoned


def test_the_same_run_twice_is_the_same() -> None:
    dag: Dag = [(0.01 * (index % 7), [index - 3] if index > 3 else []) for index in range(60)]
    first, second = simulate(dag, 3)[1], simulate(dag, 3)[1]
    assert first.schedule == second.schedule


def test_batches_make_short_steps_cheap() -> None:
    dag: Dag = [(0.0, []) for _ in range(2000)]
    batched: tuple[Outcome, Any] = simulate(dag, 4)
    single: tuple[Outcome, Any] = simulate(dag, 4, batching=False)
    assert batched[1].now() < single[1].now() / 10


def test_nothing_hides_behind_a_long_step_in_the_same_batch() -> None:
    dag: Dag = [(2.0 if index == 700 else 0.0005, []) for index in range(1000)]
    _, engine = simulate(dag, 2)
    short_ones_end = max(end for _, end, step in engine.schedule if step != 700)
    assert short_ones_end < 0.5 + 2 * BATCH_BUDGET_S


@settings(max_examples=100, deadline=None)
@given(dags(), st.lists(st.integers(1, 3), min_size=2, max_size=4), st.data())
def test_a_run_outlives_the_loss_of_all_nodes_but_one(
    dag: Dag, nodes: list[int], data: st.DataObject
) -> None:
    lost = data.draw(st.lists(st.sampled_from(range(1, len(nodes))), unique=True, max_size=3))
    losses = [(data.draw(st.floats(0, 3)), node) for node in lost]
    outcome, engine = simulate(dag, nodes=nodes, losses=losses)
    assert outcome.status == "SUCCESS"
    times = {step: (start, end) for start, end, step in engine.schedule}  # the last attempt's
    assert set(times) == set(range(len(dag)))
    for step, (_, before) in enumerate(dag):
        assert all(times[source][1] <= times[step][0] + 1e-9 for source in before)


def test_fan_outs_do_not_run_level_by_level() -> None:
    # Long steps, which no batch chains: 40 branches of a first, two that need it, and a last that
    # needs both.
    dag: list[tuple[float, list[int]]] = [(0.2, [])]
    for _ in range(40):
        first = len(dag)
        dag += [(0.2, [0]), (0.2, [first]), (0.2, [first]), (0.2, [first + 1, first + 2])]
    _, engine = simulate(dag, 4)
    starts = {step: start for start, _, step in engine.schedule}
    firsts = sorted(starts[step] for step in range(1, len(dag), 4))
    lasts = sorted(starts[step] for step in range(4, len(dag), 4))
    assert lasts[10] < firsts[30]
    assert engine.now() < 1.1 * sum(length for length, _ in dag) / 4


def test_the_longest_path_is_not_left_to_the_end() -> None:
    # A chain of 30 behind step 1000, beside 1000 steps that nothing follows; no worker chains what
    # is that long.
    dag: list[tuple[float, list[int]]] = [(1.0, []) for _ in range(1000)]
    dag += [(1.0, [index - 1] if index > 1000 else []) for index in range(1000, 1030)]
    _, engine = simulate(dag, 10)
    assert engine.now() < 1.05 * len(dag) / 10


@pytest.mark.parametrize(
    "long_ones", [range(200, 2010, 201), range(2000, 2010)], ids=["spread", "last"]
)
def test_long_ops_among_short_ones_start_early(long_ones: range) -> None:
    @op
    def long() -> int:
        return 1

    @op
    def short() -> int:
        return 1

    lengths: list[float] = []

    @job
    def mixed() -> None:
        for index in range(2010):
            is_long = index in long_ones
            (long if is_long else short).alias(f"s{index}")()
            lengths.append(2.0 if is_long else 0.0025)

    spec = prepare(mixed)
    engine = SimulatedEngine(spec.plan, nodes=[4], seconds=lambda call: lengths[call.step])
    run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    assert engine.now() < 1.1 * sum(lengths) / 4


def simulate_ops(
    lengths: Sequence[float], before: Sequence[Sequence[int]], slots: int, *, batching: bool
) -> float:
    """Return the makespan of a job with an op for each step."""

    def make(index: int) -> Any:
        @op(name=f"op_{index}")
        def made(values: Any) -> Any:
            return values

        return made

    @job
    def distinct() -> None:
        handles: list[Any] = []
        for index, sources in enumerate(before):
            handles.append(make(index)([handles[source] for source in sources]))

    spec = prepare(distinct)
    engine = SimulatedEngine(
        spec.plan, nodes=[slots], seconds=lambda call: lengths[call.step], batching=batching
    )
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    assert outcome.status == "SUCCESS"
    return engine.now()


@settings(max_examples=100, deadline=None)
@given(dags(), st.integers(1, 4))
def test_ops_that_were_never_seen_run_side_by_side_as_if_there_were_no_batches(
    dag: Dag, slots: int
) -> None:
    lengths, before = [length for length, _ in dag], [sources for _, sources in dag]
    batched = simulate_ops(lengths, before, slots, batching=True)
    single = simulate_ops(lengths, before, slots, batching=False)
    # List schedules may differ by twice; what batches may add to that is their budget.
    bound = max(sum(lengths) / slots, 0.0)
    assert batched <= max(single, 2 * bound) + 3 * BATCH_BUDGET_S


def test_a_layer_of_ops_that_were_never_seen_is_not_run_on_one_slot() -> None:
    before: list[list[int]] = [[]]
    for _ in range(5):
        last = len(before) - 1
        before += [[last]] * 4
        before.append([last + 1, last + 2, last + 3, last + 4])
    lengths = [0.08] * len(before)
    assert simulate_ops(lengths, before, 4, batching=True) < 1.1 * 0.08 * 11


def test_few_distinct_requests_are_at_the_engine_at_once() -> None:
    ops = [
        op(name=f"o{index}", ray_options={"memory": 1000.0 + index})(lambda: None)
        for index in range(120)
    ]

    @job
    def varied() -> None:
        for each in ops:
            each()

    most = 0

    class Counting(SimulatedEngine):
        """Counts the distinct requests of batches without an answer."""

        at_engine: set[int] = set()  # noqa: RUF012

        def submit(self, work: Batch) -> None:
            nonlocal most
            self.at_engine.add(work.id)
            most = max(most, len(self.at_engine))
            super().submit(work)

        def wait(self, timeout: float | None) -> list[EngineReport]:
            reports = super().wait(timeout)
            self.at_engine -= {each.batch_id for each in reports if isinstance(each, BatchEnded)}
            return reports

    spec = prepare(varied)
    capacity = Capacity(({"CPU": 2.0, "memory": 1e9},), is_own=True, implicit_prefix="implicit_")
    placement = choose_placement(spec.plan, capacity, run_id="r")
    assert len(placement.classes) == 120
    engine = Counting(spec.plan, nodes=[2], seconds=lambda _: 1.0, placement=placement)
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    assert outcome.status == "SUCCESS"
    assert most == 16
    assert engine.now() < 62, "a slot was idle"

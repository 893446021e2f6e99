"""Wait reasons: of a run under way, and of one that is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rayexec import Pool, RetryPolicy, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.events import RETRY, SUCCESS, Attempt
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement
from rayexec.placement.limits import Placement
from rayexec.plan import Plan, compile_job
from rayexec.plan.model import Call
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import BatchEnded, BatchStarted, RunBatch, RunStarted
from rayexec.scheduler.past_waits import BATCH, ENGINE, WORKER, Wait, explain_waits
from rayexec.scheduler.wait_reasons import Queue

OWN = Capacity(({"CPU": 4.0},), is_own=True, implicit_prefix="implicit_")


def plan_of(*kinds: str) -> Plan:
    """Return a plan of steps side by side: ``db`` has that tag, ``pool`` takes a slot of one,
    ``free`` has neither.
    """

    @op
    def work() -> int:
        return 1

    @op(pool=Pool("p"))
    def pooled() -> int:
        return 1

    @job
    def side_by_side() -> None:
        for index, kind in enumerate(kinds):
            made = pooled if kind == "pool" else work
            made.tag({"db": "x"} if kind == "db" else {}).alias(f"s{index}")()

    return compile_job(side_by_side)


def held(plan: Plan, capacity: Capacity = OWN, **options: Any) -> Placement:
    return choose_placement(plan, capacity, run_id="r", **options)


def started(plan: Plan, placement: Placement) -> Machine:
    machine = Machine(plan, placement)
    assert [type(each) for each in machine.handle(RunStarted(), 0.0)].count(RunBatch) > 0
    return machine


def test_who_waits_for_a_limit_that_ray_holds_and_who_holds_it() -> None:
    plan = plan_of("db", "db", "db", "db", "free")
    waiting = started(plan, held(plan, max_concurrent=4, tag_limits=[TagLimit("db", 2)])).waiting(
        2.0
    )
    assert waiting.running == (0, 1, 4)
    assert waiting.queues == (Queue("db", 2, (2, 3), 2, 2, (0, 1)),)


def test_who_waits_for_a_limit_that_the_driver_holds() -> None:
    plan = plan_of("db", "db", "db", "free")
    cluster = Capacity(({"CPU": 4.0},), is_own=False)
    waiting = started(plan, held(plan, cluster, tag_limits=[TagLimit("db", 1)])).waiting(2.0)
    assert waiting.running == (0, 3)
    assert waiting.queues == (Queue("db", 2, (1, 2), 1, 1, (0,)),)


def test_who_waits_for_a_slot() -> None:
    plan = plan_of(*["free"] * 12)
    waiting = started(plan, held(plan, max_concurrent=3)).waiting(2.0)
    assert waiting.running == (0, 1, 2)
    [queue] = waiting.queues
    assert (queue.reason, queue.size, queue.used, queue.most, queue.holders) == (
        "max_concurrent",
        9,
        3,
        3,
        (0, 1, 2),
    )


def reasons(machine: Machine) -> tuple[Any, ...]:
    return machine.waiting(2.0)[:2]


def test_of_a_limit_of_the_cluster_only_what_has_begun_runs() -> None:
    plan = plan_of("pool", "pool", "pool")
    cluster = Capacity(({"CPU": 4.0, "pool:p": 2.0},), is_own=False)
    machine = started(plan, held(plan, cluster))
    assert machine.waiting(0.5).running == (0, 1)  # a worker may be starting
    assert reasons(machine) == ((), (Queue("pool p", 3, (0, 1, 2), 0, 2, (), others=True),))
    machine.handle(BatchStarted(0), 0.1)
    assert reasons(machine) == (
        (0,),
        (Queue("pool p", 2, (1, 2), 1, 2, (0,), others=True),),
    )
    machine.handle(BatchStarted(1), 0.1)
    assert reasons(machine) == ((0, 1), (Queue("pool p", 1, (2,), 2, 2, (0, 1)),))
    machine.handle(BatchEnded(0, (Attempt(0, 0, SUCCESS, 0.0, 1.0),)), 1.0)
    assert reasons(machine) == ((1,), (Queue("pool p", 1, (2,), 1, 2, (1,), others=True),))


def test_a_step_that_is_to_be_tried_again_waits_for_its_delay() -> None:
    @op(retry_policy=RetryPolicy(max_retries=1, delay=5))
    def flaky() -> None:
        pass

    @job
    def lonely() -> None:
        flaky()

    plan = compile_job(lonely)
    machine = started(plan, held(plan))
    machine.handle(BatchEnded(0, (Attempt(0, 0, RETRY, 0.0, 1.0, delay=5),)), 1.0)
    assert machine.waiting(2.0).queues == (Queue("the delay before the next try", 1, (0,)),)


# When the run is over.


def explained(
    plan: Plan,
    placement: Placement,
    rows: Sequence[tuple[int, float, float, int]],
    batches: Sequence[Sequence[int]] = (),
) -> dict[int, Wait]:
    """Return the waits by step of attempts (step, started, ended, pid), all submitted at 0, each
    alone or as given.
    """
    submissions = [
        (0.0, [Call(step, 0) for step in each]) for each in batches or [[row[0]] for row in rows]
    ]
    attempts = [
        Attempt(step, 0, SUCCESS, begun, ended, pid=pid) for step, begun, ended, pid in rows
    ]
    return {wait.step: wait for wait in explain_waits(plan, placement, 0.0, submissions, attempts)}


def test_the_reason_of_a_wait_is_the_limit_that_was_full() -> None:
    plan = plan_of("db", "db", "free", "db")
    placement = held(plan, max_concurrent=4, tag_limits=[TagLimit("db", 2)])
    rows = [(0, 0.001, 1.0, 1), (1, 0.001, 2.0, 2), (2, 0.002, 3.0, 3), (3, 1.003, 2.0, 1)]
    waits = explained(plan, placement, rows)
    assert [waits[step].reason for step in range(4)] == [None, None, None, "db"]
    assert waits[3].held_by == (0, 1)
    assert 0.99 < waits[3].seconds < 1.003
    assert (waits[3].ready, waits[3].submitted, waits[3].started) == (0.0, 0.0, 1.003)


def test_whoever_held_a_limit_is_named() -> None:
    @op
    def first() -> int:
        return 1

    @op(tags={"db": "x"})
    def query(x: int) -> int:
        return x

    @job
    def three() -> None:
        value = first()
        for name in "abc":
            query.alias(name)(value)

    plan = compile_job(three)
    placement = held(plan, max_concurrent=4, tag_limits=[TagLimit("db", 1)])
    steps = [plan.by_key[key] for key in ("first", "a", "b", "c")]
    times = [(0.0, 1.0), (1.001, 3.0), (3.002, 4.0), (4.002, 5.0)]
    waits = explained(
        plan, placement, [(step, *time, 1) for step, time in zip(steps, times, strict=True)]
    )
    last = waits[plan.by_key["c"]]
    assert (last.ready, last.after, last.reason) == (1.0, plan.by_key["first"], "db")
    assert last.held_by == (plan.by_key["a"],)
    assert waits[plan.by_key["a"]].reason is None


def test_without_a_limit_in_the_way_it_was_cpus_a_worker_a_batch_or_the_engine() -> None:
    plan = plan_of(*["free"] * 4)
    placement = held(plan)
    full = [(0, 0.001, 1.0, 1), (1, 0.001, 1.0, 2), (2, 0.001, 1.0, 3), (3, 1.002, 2.0, 1)]
    two_each = held(plan_of(*["free"] * 4), Capacity(({"CPU": 2.0},), is_own=False))
    assert explained(plan, two_each, [*full[:2], (2, 1.002, 2.0, 1)])[2].reason == "CPU"
    assert explained(plan, placement, [(0, 0.8, 1.0, 1)])[0].reason == WORKER
    waits = explained(
        plan, placement, [(0, 0.001, 0.5, 1), (1, 0.5, 0.6, 1), (2, 0.7, 0.8, 1)], [[0, 1], [2]]
    )
    assert (waits[1].reason, waits[2].reason) == (BATCH, ENGINE)
    assert explained(plan, held(plan, max_concurrent=3), full)[3].reason == "max_concurrent"


def test_what_a_run_cannot_explain_by_itself_other_runs_held() -> None:
    plan = plan_of("pool", "pool")
    cluster = Capacity(({"CPU": 4.0, "pool:p": 2.0},), is_own=False)
    waits = explained(plan, held(plan, cluster), [(0, 0.001, 1.0, 1), (1, 3.0, 4.0, 1)])
    assert waits[1].reason == "pool p, held by other runs"
    assert waits[1].is_limit


def test_a_second_try_is_ready_after_its_delay() -> None:
    plan = plan_of("free")
    rows = [
        Attempt(0, 0, RETRY, 1.0, 2.0, delay=3.0, pid=1),
        Attempt(0, 1, SUCCESS, 5.5, 6.0, pid=1),
    ]
    submissions = [(0.5, [Call(0, 0)]), (5.0, [Call(0, 1)])]
    first, second = explain_waits(plan, held(plan), 0.4, submissions, rows)
    assert (first.ready, first.submitted, first.attempt_number) == (0.4, 0.5, 0)
    assert (second.ready, second.submitted, second.attempt_number) == (5.0, 5.0, 1)


def test_of_several_submissions_of_an_attempt_the_last_before_its_start_counts() -> None:
    plan = plan_of("free")
    submissions = [(0.0, [Call(0, 0)]), (2.0, [Call(0, 0)]), (9.0, [Call(0, 0)])]
    [wait] = explain_waits(plan, held(plan), 0.0, submissions, [Attempt(0, 0, SUCCESS, 3.0, 4.0)])
    assert wait.submitted == 2.0

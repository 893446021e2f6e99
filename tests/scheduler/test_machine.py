"""State machine of a run, driven by hand."""

from typing import Any

from hand_driven_machine import CRASH, a_chain, a_crowd, after, attempt, fed, source, submitted

from rayexec import RetryPolicy, job, op
from rayexec.events import (
    FAILURE,
    RETRY,
    Attempt,
)
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement, driver_placement
from rayexec.plan import compile_job
from rayexec.run.spec import Call
from rayexec.scheduler.machine import LOSSES, Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    CancelBatches,
    CancelRequested,
    RunBatch,
    RunStarted,
    StepAbandoned,
    StepStatus,
    TimerFired,
)


def test_a_chain_step_by_step() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1))
    [first] = fed(machine, RunStarted(), 0.0)
    assert isinstance(first, RunBatch)
    assert first.batch.calls == (Call(0, 0),)
    recorded, second = fed(machine, BatchEnded(first.batch.id, (attempt(plan, 0),)), 1.0)
    assert recorded == attempt(plan, 0)
    assert submitted([second]) == {1: 1}
    assert not machine.is_over
    fed(machine, BatchEnded(1, (attempt(plan, 1),)), 2.0)
    fed(machine, BatchEnded(2, (attempt(plan, 2),)), 3.0)
    assert machine.is_over
    assert machine.status == [StepStatus.SUCCESS] * 3


def test_a_delayed_step_wakes_when_it_is_due() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1))
    fed(machine, RunStarted(), 0.0)
    fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    out = fed(machine, BatchEnded(1, (attempt(plan, 1, outcome=RETRY, delay=5.0),)), 2.0)
    assert submitted(out) == {}
    assert machine.wakes_at() == 7.0
    assert machine.status[1] is StepStatus.DELAYED
    assert fed(machine, TimerFired(), 6.9) == []
    [again] = fed(machine, TimerFired(), 7.0)
    assert isinstance(again, RunBatch)
    assert again.batch.calls == (Call(1, 1),)
    assert machine.wakes_at() is None


def test_a_lost_batch_counts_as_an_attempt_of_the_policy() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1))
    fed(machine, RunStarted(), 0.0)
    fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    [row] = fed(machine, BatchLost(1, (), 1, CRASH, 10.0, 11.0), 2.0)
    assert isinstance(row, Attempt)
    assert (row.outcome, row.delay, row.started, row.ended, row.failure) == (
        RETRY,
        5.0,
        10.0,
        11.0,
        CRASH,
    )
    [again] = fed(machine, TimerFired(), 7.0)
    assert submitted([again]) == {1: 2}
    out = fed(machine, BatchLost(2, (), 1, CRASH, 12.0, 13.0), 8.0)
    assert isinstance(out[0], Attempt)
    assert out[0].outcome == FAILURE
    assert out[1:] == [StepAbandoned(2, (1,))]
    assert machine.is_over
    assert machine.failed == [1]


@op(retry_policy=RetryPolicy(max_retries=2, memory_factor=2))
def hungry(value: Any) -> int:
    return 0


def test_a_step_killed_for_memory_asks_for_more_in_a_class_of_its_own() -> None:
    @job
    def eating() -> None:
        begun = source()
        for index in range(3):
            after.alias(f"after_{index}")(hungry.alias(f"hungry_{index}")(begun))

    plan = compile_job(eating)
    gib = 1024**3
    placement = choose_placement(
        plan,
        Capacity(({"CPU": 2.0, "memory": 7.0 * gib},), is_own=False, node_ids=("a",)),
        run_id="r",
    )
    machine = Machine(plan, placement, batching=True)
    out = fed(machine, RunStarted(), 0.0)
    keys = {step.key: step.index for step in plan.steps}
    victim = keys["hungry_1"]
    asked: dict[int, list[float | None]] = {}
    messages = []
    now = 0.0
    while not machine.is_over:
        now += 1.0
        for instruction in [each for each in out if isinstance(each, RunBatch)]:
            for call in instruction.batch.calls:
                asked.setdefault(call.step, []).append(
                    placement.classes[placement.class_of[call.step]].request.memory
                )
        messages += [
            each.failure.error.message for each in out if isinstance(each, Attempt) and each.failure
        ]
        batch_id, batch = next(iter(machine.running.items()))
        calls = batch.outstanding
        if victim in calls and calls[victim].attempt < 2:
            done = tuple(attempt(plan, step) for step in calls if step < victim)
            out = fed(
                machine, BatchLost(batch_id, done, victim, CRASH, now, now, memory=2 * gib), now
            )
        else:
            rows = tuple(attempt(plan, step, call.attempt) for step, call in calls.items())
            out = fed(machine, BatchEnded(batch_id, rows), now)
    assert machine.status == [StepStatus.SUCCESS] * len(plan.steps)
    # Twice what it had, then twice what it asked for, as far as the node goes; nobody else asks for
    # any.
    assert asked[victim][-2:] == [4 * gib, 7 * gib]
    assert {amount for step, amounts in asked.items() if step != victim for amount in amounts} == {
        None
    }
    assert messages == ["gone; the next try asks for 4 GiB", "gone; the next try asks for 7 GiB"]


def test_a_lost_batch_of_an_op_without_policy_fails_it() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1))
    fed(machine, RunStarted(), 0.0)
    fed(machine, BatchLost(0, (), 0, CRASH, 0.0, 0.0), 1.0)
    assert machine.status == [StepStatus.FAILED, StepStatus.ABANDONED, StepStatus.ABANDONED]


def test_with_retries_disabled_a_lost_batch_fails() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1), retries=False)
    fed(machine, RunStarted(), 0.0)
    fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    fed(machine, BatchLost(1, (), 1, CRASH, 0.0, 0.0), 2.0)
    assert machine.status[1] is StepStatus.FAILED


def test_calls_that_a_batch_did_not_reach_are_ready_again() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1, max_concurrent=1))
    fed(machine, RunStarted(), 0.0)
    assert submitted(fed(machine, BatchEnded(0, ()), 1.0)) == {0: 1}
    assert machine.attempts[0] == 0


def test_a_cancel_asks_for_what_runs_and_starts_nothing_more() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1))
    fed(machine, RunStarted(), 0.0)
    assert fed(machine, CancelRequested(), 1.0) == [CancelBatches((0,))]
    assert not machine.is_over
    assert submitted(fed(machine, BatchEnded(0, (attempt(plan, 0),)), 2.0)) == {}
    assert machine.is_over
    assert machine.is_canceled


def test_a_cancel_forgets_delayed_steps_and_lost_batches() -> None:
    plan = a_chain()
    machine = Machine(plan, driver_placement(plan, slots=1))
    fed(machine, RunStarted(), 0.0)
    fed(machine, CancelRequested(), 1.0)
    assert fed(machine, BatchLost(0, (), 0, CRASH, 0.0, 0.0), 2.0) == []
    assert machine.is_over
    assert machine.failed == []
    assert machine.wakes_at() is None


def test_stop_on_failure_starts_nothing_more() -> None:
    @job
    def independent() -> None:
        source()
        source()

    plan = compile_job(independent)
    machine = Machine(plan, driver_placement(plan, slots=1, max_concurrent=1), stop_on_failure=True)
    fed(machine, RunStarted(), 0.0)
    out = fed(machine, BatchEnded(0, (attempt(plan, 0, outcome=FAILURE),)), 1.0)
    assert submitted(out) == {}
    assert machine.is_over
    assert machine.status[1] is StepStatus.READY


def test_the_window_and_max_concurrent_bound_batches() -> None:
    @job
    def wide() -> None:
        for _ in range(5):
            source()

    plan = compile_job(wide)
    for slots, limit in ((1, None), (32, 2)):
        machine = Machine(plan, driver_placement(plan, slots=slots, max_concurrent=limit))
        assert len(submitted(fed(machine, RunStarted(), 0.0))) == 2
        assert len(submitted(fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0))) == 1


def test_an_empty_plan_is_over_at_once() -> None:
    @job
    def empty() -> None:
        pass

    plan = compile_job(empty)
    assert Machine(plan, driver_placement(plan, slots=1)).is_over


def test_workers_that_die_before_a_step_starts_cost_it_nothing_until_they_are_too_many() -> None:
    plan = a_crowd(1)
    machine = Machine(plan, driver_placement(plan, slots=1))
    fed(machine, RunStarted(), 0.0)
    for loss in range(LOSSES):
        assert submitted(fed(machine, BatchLost(loss, (), None, CRASH, 0.0, 0.0), 1.0)) == {
            0: loss + 1
        }
        assert machine.attempts[0] == 0
    fed(machine, BatchLost(LOSSES, (), None, CRASH, 0.0, 0.0), 1.0)
    assert machine.failed == [0]

"""State machine of a run, driven by hand."""

from collections.abc import Sequence
from typing import Any

import pytest
from machine_checks import check

from rayexec import RetryPolicy, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.events import (
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    ErrorInfo,
    OutputRecord,
    StepFailureData,
)
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement, driver_placement
from rayexec.plan import Plan, compile_job
from rayexec.run.spec import Call
from rayexec.scheduler.machine import LOSSES, Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    CancelBatches,
    CancelRequested,
    Instruction,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    StepAbandoned,
    StepStatus,
    TimerFired,
)

CRASH = StepFailureData(
    ErrorInfo("WorkerCrashedError", "gone", ""), ("rayexec.errors.WorkerCrashedError",)
)


@op
def source() -> int:
    return 1


@op
def after(value: Any) -> int:
    return 1


@op(retry_policy=RetryPolicy(max_retries=1, delay=5))
def patient(value: Any) -> int:
    return 1


def fed(machine: Machine, event: SchedulerEvent, now: float) -> list[Instruction]:
    """Return the answers of the machine, and check its state."""
    out = machine.handle(event, now)
    check(machine)
    return out


def submitted(instructions: Sequence[Instruction]) -> dict[int, int]:
    """Return batch ids by step."""
    return {
        each.batch.calls[0].step: each.batch.id
        for each in instructions
        if isinstance(each, RunBatch)
    }


def attempt(
    plan: Plan, step: int, attempt_number: int = 0, outcome: int = SUCCESS, **options: Any
) -> Attempt:
    outputs = (
        tuple(OutputRecord(name) for name in plan.op_of(step).outs) if outcome == SUCCESS else ()
    )
    return Attempt(step, attempt_number, outcome, 0.0, 0.0, **{"outputs": outputs, **options})


def a_chain() -> Plan:
    @job
    def chain() -> None:
        after(patient(source()))

    return compile_job(chain)


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
        for each in [each for each in out if isinstance(each, RunBatch)]:
            for call in each.batch.calls:
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


# Batches of several steps.


def batched(plan: Plan, slots: int = 1, **options: Any) -> Machine:
    return Machine(plan, driver_placement(plan, slots=slots), **{"batching": True, **options})


def batches(instructions: Sequence[Instruction]) -> list[list[int]]:
    """Return the steps of each new batch."""
    return [
        [call.step for call in each.batch.calls]
        for each in instructions
        if isinstance(each, RunBatch)
    ]


def test_a_chain_is_one_batch_and_what_it_did_not_reach_comes_back() -> None:
    plan = a_chain()
    machine = batched(plan)
    assert batches(fed(machine, RunStarted(), 0.0)) == [[0, 1, 2]]
    assert machine.status == [StepStatus.RUNNING, StepStatus.CHAINED, StepStatus.CHAINED]
    out = fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    assert batches(out) == [[1, 2]]
    out = fed(machine, BatchEnded(1, (attempt(plan, 1), attempt(plan, 2))), 2.0)
    assert machine.is_over
    assert machine.status == [StepStatus.SUCCESS] * 3


def test_a_chain_breaks_where_a_step_is_up_for_retry() -> None:
    plan = a_chain()
    machine = batched(plan)
    fed(machine, RunStarted(), 0.0)
    fed(machine, BatchEnded(0, (attempt(plan, 0), attempt(plan, 1, outcome=RETRY, delay=5.0))), 1.0)
    assert machine.status == [StepStatus.SUCCESS, StepStatus.DELAYED, StepStatus.WAITING]
    assert batches(fed(machine, TimerFired(), 6.0)) == [[1, 2]]


def test_a_chain_breaks_where_a_step_fails() -> None:
    plan = a_chain()
    machine = batched(plan)
    fed(machine, RunStarted(), 0.0)
    fed(machine, BatchEnded(0, (attempt(plan, 0, outcome=FAILURE),)), 1.0)
    assert machine.status == [StepStatus.FAILED, StepStatus.ABANDONED, StepStatus.ABANDONED]
    assert machine.is_over


def a_crowd(count: int) -> Plan:
    @job
    def crowd() -> None:
        for _ in range(count):
            source()

    return compile_job(crowd)


def test_siblings_share_batches_once_they_are_known_to_be_short() -> None:
    plan = a_crowd(40)
    machine = batched(plan)
    assert batches(fed(machine, RunStarted(), 0.0)) == [[0], [1]]
    [crowd] = batches(fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0))
    assert crowd == list(range(2, 2 + len(crowd)))
    assert len(crowd) == 8


def test_siblings_that_are_long_go_alone() -> None:
    plan = a_crowd(40)
    machine = batched(plan)
    fed(machine, RunStarted(), 0.0)
    assert batches(fed(machine, BatchEnded(0, (attempt(plan, 0)._replace(ended=1.0),)), 1.0)) == [
        [2]
    ]


def test_what_a_report_gives_back_runs_elsewhere_and_counts_once() -> None:
    plan = a_crowd(20)
    machine = batched(plan)
    fed(machine, RunStarted(), 0.0)
    out = fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    [big] = [each.batch for each in out if isinstance(each, RunBatch)]
    first, second, *rest = [call.step for call in big.calls]
    out = fed(machine, BatchProgressed(big.id, (attempt(plan, first),), tuple(rest)), 2.0)
    assert [each.step for each in out if isinstance(each, Attempt)] == [first]
    assert machine.status[second] is StepStatus.RUNNING
    assert all(machine.status[each] is StepStatus.READY for each in rest)
    out = fed(machine, BatchEnded(big.id, (attempt(plan, first), attempt(plan, second))), 3.0)
    assert [each.step for each in out if isinstance(each, Attempt)] == [second]
    assert batches(out)[0][0] == rest[0]
    assert fed(machine, BatchProgressed(big.id, (attempt(plan, first),), ()), 4.0) == []


def test_a_lost_batch_keeps_what_was_over_and_blames_the_step_that_ran() -> None:
    plan = a_crowd(20)
    machine = batched(plan)
    fed(machine, RunStarted(), 0.0)
    out = fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    [big] = [each.batch for each in out if isinstance(each, RunBatch)]
    first, second, *rest = [call.step for call in big.calls]
    fed(machine, BatchLost(big.id, (attempt(plan, first),), second, CRASH, 0.0, 0.0), 2.0)
    assert machine.status[first] is StepStatus.SUCCESS
    assert machine.failed == [second]
    assert all(machine.status[each] in (StepStatus.READY, StepStatus.RUNNING) for each in rest)
    assert all(machine.attempts[each] == 0 for each in rest)


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


@pytest.mark.parametrize("batching", [False, True])
def test_a_crowd_behind_a_limit_passes_in_order(batching: bool) -> None:
    @op(tags={"db": "x"})
    def limited() -> int:
        return 1

    @job
    def crowd() -> None:
        for _ in range(400):
            limited()

    plan = compile_job(crowd)
    machine = Machine(
        plan, driver_placement(plan, slots=4, tag_limits=[TagLimit("db", 1)]), batching=batching
    )
    [order] = batches(machine.handle(RunStarted(), 0.0))
    under_way = list(order)
    while not machine.is_over:
        [running] = machine.running
        out = machine.handle(
            BatchEnded(running, tuple(attempt(plan, each) for each in under_way)), 1.0
        )
        check(machine)
        under_way = [step for each in batches(out) for step in each]
        order += under_way
    assert order == list(range(400))


def test_a_step_that_waits_for_a_retry_in_its_lost_batch_is_not_blamed() -> None:
    @op(retry_policy=RetryPolicy(max_retries=20))
    def flaky() -> int:
        return 1

    @job
    def chain() -> None:
        after(flaky())

    plan = compile_job(chain)
    machine = batched(plan)
    out = fed(machine, RunStarted(), 0.0)
    for loss in range(2 * LOSSES):
        [work] = [each.batch for each in out if isinstance(each, RunBatch)]
        assert [call.step for call in work.calls] == [0, 1]
        retried = attempt(plan, 0, attempt_number=loss, outcome=RETRY)
        out = fed(machine, BatchLost(work.id, (retried,), None, CRASH, 0.0, 0.0), float(loss))
    assert machine.failed == []


def test_steps_with_large_outputs_go_alone() -> None:
    plan = a_crowd(40)
    machine = batched(plan)
    out = fed(machine, RunStarted(), 0.0)
    for _ in range(3):
        for work in [each.batch for each in out if isinstance(each, RunBatch)]:
            large = attempt(plan, work.calls[0].step)._replace(has_large_output=True)
            out = fed(machine, BatchEnded(work.id, (large,)), 1.0)
    assert [len(each) for each in batches(out)] == [1]


def test_ops_that_were_not_seen_are_not_kept_behind_each_other() -> None:
    @op
    def other(value: Any) -> int:
        return 1

    @job
    def fan() -> None:
        start = source()
        for _ in range(20):
            other(start)

    plan = compile_job(fan)
    machine = batched(plan, slots=4)
    assert batches(fed(machine, RunStarted(), 0.0)) == [[0]]
    out = fed(machine, BatchEnded(0, (attempt(plan, 0),)), 1.0)
    assert batches(out) == [[each] for each in range(1, 9)]


def test_what_a_step_in_a_batch_makes_ready_follows_in_its_order() -> None:
    @job
    def hub() -> None:
        middle = after.alias("hub")(after.alias("seen")(source()))
        for priority in (-1, 3, 2, -2, 5):
            after.alias(f"p{priority + 2}").tag({"dagster/priority": priority})(middle)

    plan = compile_job(hub)
    machine = batched(plan)
    assert batches(fed(machine, RunStarted(), 0.0)) == [[0, 1, 2]]
    [after_hub] = batches(fed(machine, BatchEnded(0, (attempt(plan, 0), attempt(plan, 1))), 1.0))
    assert [plan.steps[step].key for step in after_hub] == ["hub", "p7", "p5", "p4", "p1", "p0"]

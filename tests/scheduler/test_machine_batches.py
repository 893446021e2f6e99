"""Batches of several steps of a state machine driven by hand."""

from typing import Any

import pytest
from hand_driven_machine import (
    CRASH,
    a_chain,
    a_crowd,
    after,
    attempt,
    batched,
    batches,
    fed,
    source,
)
from machine_checks import check

from rayexec import RetryPolicy, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.events import (
    FAILURE,
    RETRY,
    Attempt,
)
from rayexec.placement.choice import driver_placement
from rayexec.plan import compile_job
from rayexec.scheduler.machine import LOSSES, Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    RunBatch,
    RunStarted,
    StepStatus,
    TimerFired,
)


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

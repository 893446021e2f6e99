"""Table of steps: allowed transitions, attempt counts, open steps."""

from __future__ import annotations

import itertools

import pytest
from machine_checks import CheckedStatuses

from rayexec.plan.model import Call
from rayexec.scheduler.messages import OVER, StepStatus
from rayexec.scheduler.step_table import TRANSITIONS, StepTable


def test_each_status_has_its_followers_and_only_lost_outputs_end_an_end() -> None:
    assert TRANSITIONS.keys() == set(StepStatus)
    assert {status for status in OVER if TRANSITIONS[status]} == {StepStatus.SUCCESS}
    assert TRANSITIONS[StepStatus.SUCCESS] == {StepStatus.WAITING}


@pytest.mark.parametrize(("before", "after"), [*itertools.product(StepStatus, StepStatus)])
def test_a_forbidden_transition_raises(before: StepStatus, after: StepStatus) -> None:
    statuses = CheckedStatuses([before])
    if after in TRANSITIONS[before]:
        statuses[0] = after
        assert statuses == [after]
    else:
        with pytest.raises(AssertionError, match=f"step 0 must not go from {before.name}"):
            statuses[0] = after
        assert statuses == [before]


def test_a_table_in_tests_is_checked() -> None:
    table = StepTable(2)
    table.end_unrun(0, StepStatus.SKIPPED)
    with pytest.raises(AssertionError, match="from SKIPPED to READY"):
        table.make_ready(0)


def test_a_table_counts_attempts_and_open_steps() -> None:
    table = StepTable(3)
    table.add(1)
    table.make_ready(0)
    table.deal([Call(0, 0), Call(1, 0)])
    assert table.status[:2] == [StepStatus.RUNNING, StepStatus.CHAINED]
    table.succeed_all([0], [0])
    table.delay(1, 0)
    table.make_ready(1)
    table.deal([Call(1, 1)])
    table.fail(1, 1)
    table.end_unrun(2, StepStatus.LEFT_OUT)
    assert (table.open_count, table.attempts) == (1, [1, 2, 0, 0])
    table.run_again([0])
    assert (table.open_count, table.attempts) == (2, [0, 2, 0, 0])
    assert table.status[0] is StepStatus.WAITING

"""Random runs of the state machine, judged by the rules written out."""

from hypothesis import given, settings
from hypothesis import strategies as st
from random_cases import Case, cases, expected_ends
from random_engine import Driver

from rayexec.scheduler.messages import (
    CancelRequested,
    RunStarted,
    StepStatus,
)


def may_go(driver: Driver) -> set[int]:
    """Return the successful steps without further consumers."""
    followers, keep = driver.plan.successors, driver.case.keep_outputs
    over = [
        step for step, status in enumerate(driver.machine.status) if status is StepStatus.SUCCESS
    ]
    taken = {step for step in over if all(driver.is_content(each) for each in followers[step])}
    leaves = {step for step in taken if not followers[step]}
    return set() if keep == "all" else taken - leaves if keep == "leaves" else taken


@settings(max_examples=400, deadline=None)
@given(cases())
def test_every_run_ends_within_its_limits_and_as_the_rules_say(case: Case) -> None:
    driver = Driver(case)
    driver.run()
    assert driver.machine.status == expected_ends(case)
    assert driver.ends == {step: [status] for step, status in enumerate(driver.machine.status)}
    assert len(driver.made) == len(set(driver.made)), "an attempt counts twice"
    assert len(driver.released) == len(set(driver.released))
    assert {
        each for each in driver.released if driver.machine.status[each] is StepStatus.SUCCESS
    } == may_go(driver)
    for step, node in enumerate(case.nodes):
        attempt_numbers = [call.attempt for call in driver.made if call.step == step]
        assert attempt_numbers == list(range(len(attempt_numbers)))
        assert len(attempt_numbers) <= node.retries + 1
        assert bool(attempt_numbers) == (
            driver.machine.status[step] in (StepStatus.SUCCESS, StepStatus.FAILED)
        )


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_same_events_give_the_same_run(case: Case) -> None:
    first, second = Driver(case), Driver(case)
    first.run()
    second.run()
    assert first.submitted == second.submitted
    assert first.made == second.made


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 12))
def test_a_cancel_at_any_moment_ends_the_run(case: Case, moment: int) -> None:
    driver = Driver(case)
    driver.feed(RunStarted())
    for _ in range(moment):
        if driver.machine.is_over or not driver.flight:
            break
        driver.now += 1.0
        driver.feed(driver.move(min(driver.flight)))
    driver.feed(CancelRequested())
    submitted = len(driver.submitted)
    while driver.flight:
        driver.feed(driver.move(min(driver.flight)))
    assert driver.machine.is_over
    assert len(driver.submitted) == submitted
    assert all(len(each) == 1 for each in driver.ends.values())

"""Size of batches, by observed durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.run.spec import BATCH_BUDGET_S
from rayexec.scheduler.batch_size import (
    MAX_CALLS,
    DurationEstimate,
    batch_budget,
    batch_size,
    window_size,
)


def estimate(seconds: float, count: int = 1000) -> DurationEstimate:
    made = DurationEstimate()
    for _ in range(count):
        made.observe(seconds)
    return made


def test_an_op_that_has_not_been_seen_gets_one_step() -> None:
    assert batch_size(DurationEstimate(), ready=10_000, slots=4) == 1


def test_long_steps_go_alone_or_in_groups_while_there_are_plenty() -> None:
    assert batch_size(estimate(2.0), ready=10_000, slots=4) == 1
    assert batch_size(estimate(BATCH_BUDGET_S), ready=10_000, slots=4) == 4
    assert batch_size(estimate(BATCH_BUDGET_S), ready=16, slots=4) == 2
    assert batch_size(estimate(BATCH_BUDGET_S), ready=15, slots=4) == 1


def test_a_group_may_take_a_little_more_than_its_steps_but_the_last_should() -> None:
    assert batch_budget(estimate(BATCH_BUDGET_S / 2), 30) == BATCH_BUDGET_S
    assert batch_budget(estimate(0.4), 1) == BATCH_BUDGET_S
    assert batch_budget(estimate(0.4), 2) == pytest.approx(0.6)
    assert batch_budget(estimate(0.4), 4) == pytest.approx(1.8)


def test_short_steps_fill_the_budget() -> None:
    assert batch_size(estimate(BATCH_BUDGET_S / 50), ready=10_000, slots=4) == 50


def test_no_batch_takes_more_than_its_share_of_what_is_ready() -> None:
    assert batch_size(estimate(1e-3), ready=80, slots=4) == 20
    assert batch_size(estimate(1e-3), ready=3, slots=4) == 2


def test_no_batch_is_smaller_than_what_makes_up_for_its_own_cost() -> None:
    assert batch_size(estimate(1e-6), ready=600, slots=4) == 200
    assert batch_size(estimate(1e-6), ready=80, slots=4) == 80
    assert batch_size(estimate(20e-3), ready=3, slots=4) == 1


def test_little_knowledge_decides_about_few() -> None:
    assert batch_size(estimate(1e-6, count=1), ready=100_000, slots=2) == 8
    assert batch_size(estimate(1e-6, count=4), ready=100_000, slots=2) == 32


def test_the_pace_follows_the_recent() -> None:
    changing = estimate(1e-3, count=500)
    for _ in range(300):
        changing.observe(0.1)
    assert changing.seconds > 0.09


def test_the_window_holds_a_successor_for_each_slot_and_shows_long_steps_to_an_autoscaler() -> None:
    assert window_size(estimate(1e-3), 4, grows=True) == 8
    assert window_size(estimate(10.0), 4, grows=False) == 8
    assert window_size(estimate(10.0), 4, grows=True) == 132
    assert window_size(estimate(10.0), 1000, grows=True) == 2000
    assert window_size(DurationEstimate(), 0, grows=True) == 2
    assert window_size(DurationEstimate(), 1, grows=True, scales=True) == 16
    assert window_size(DurationEstimate(), 1, grows=False, scales=True) == 2
    assert window_size(DurationEstimate(), 12, grows=True, scales=True) == 24


def test_an_autoscaler_sees_short_steps_where_they_are_many() -> None:
    assert window_size(estimate(0.05), 4, grows=True, scales=True, ready=159) == 8
    assert window_size(estimate(0.05), 4, grows=True, scales=True, ready=161) == 132
    assert window_size(estimate(0.05), 4, grows=True, ready=161) == 8


@given(
    st.floats(0, 10, allow_nan=False),
    st.integers(0, 200),
    st.integers(1, 1_000_000),
    st.integers(1, 10_000),
)
def test_a_batch_holds_something_and_is_bounded(
    seconds: float, count: int, ready: int, slots: int
) -> None:
    size = batch_size(estimate(seconds, count), ready, slots)
    assert 1 <= size <= min(ready, MAX_CALLS)
    assert size <= (4 if seconds < 1.0 else 1) or size * seconds <= BATCH_BUDGET_S * 1.001


def test_what_is_unseen_or_long_goes_alone_and_what_is_short_goes_in_crowds() -> None:
    estimate = DurationEstimate()
    assert batch_size(estimate, ready=1000, slots=4) == 1
    estimate.observe(1.0)
    assert batch_size(estimate, ready=1000, slots=4) == 1
    short = DurationEstimate()
    for _ in range(1000):
        short.observe(BATCH_BUDGET_S / 10)
    assert batch_size(short, ready=1000, slots=4) == 10
    assert batch_size(short, ready=16, slots=4) == 4
    assert batch_size(short, ready=1, slots=4) == 1
    nothing = DurationEstimate()
    nothing.observe(0.0)
    assert batch_size(nothing, ready=100_000, slots=1) == 8


@given(st.lists(st.floats(0, 10), max_size=20), st.integers(1, 10_000), st.integers(1, 64))
def test_a_batch_holds_one_step_at_least_and_never_more_than_are_ready(
    seconds: list[float], ready: int, slots: int
) -> None:
    estimate = DurationEstimate()
    for duration in seconds:
        estimate.observe(duration)
    size = batch_size(estimate, ready, slots)
    assert 1 <= size <= max(1, ready)
    assert size <= MAX_CALLS
    assert size <= 4 or size * estimate.seconds <= BATCH_BUDGET_S

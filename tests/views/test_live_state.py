"""Live state of a run: snapshots while records come."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from rayexec import DynamicOut, DynamicOutput, job, op
from rayexec.events import FAILURE, RETRY, Attempt, Event, EventType, StepEnd, Successes
from rayexec.plan import compile_job
from rayexec.scheduler.wait_reasons import Queue, Waiting
from rayexec.views.live_state import LiveState, Snapshot


@op
def load() -> int:
    return 1


@op
def inc(value: int) -> int:
    return value


@job
def flat() -> None:
    inc.alias("b")(inc.alias("a")(load()))


@op(out=DynamicOut())
def split() -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(1, "k")


@job
def fan() -> None:
    split().map(inc)


def successes(*steps: int) -> Successes:
    moments = array("d", [1.0] * len(steps))
    return Successes(list(steps), [0] * len(steps), moments, moments)


def idle() -> Waiting:
    return Waiting((), ())


def test_ends_are_counted_by_kind() -> None:
    state = LiveState(compile_job(flat), idle)
    for record in (
        successes(0),
        Attempt(1, 0, RETRY, 1.0, 2.0),
        Attempt(1, 1, FAILURE, 2.0, 3.0),
        Event(EventType.LOG_MESSAGE, "", 3.0, None, {"level": 40, "not_run": "b"}),
    ):
        state.record(record)
    snapshot = state.snapshot(0.0)
    assert snapshot.ends == {StepEnd.SUCCEEDED: 1, StepEnd.FAILED: 1, StepEnd.NOT_RUN: 1}
    assert (snapshot.steps, snapshot.over, snapshot.waiting) == (3, 3, 0)
    assert snapshot.is_final


def test_a_step_runs_since_the_first_snapshot_that_had_it() -> None:
    running = [(0,), (0, 1), (1,)]
    queue = Queue("db", 1, (2,))
    state = LiveState(compile_job(flat), lambda: Waiting(running.pop(0), (queue,)))
    snapshots: list[Snapshot] = [state.snapshot(moment) for moment in (10.0, 12.0, 15.0)]
    assert [[(step.key, step.seconds) for step in each.running] for each in snapshots] == [
        [("load", 0.0)],
        [("load", 2.0), ("a", 0.0)],
        [("a", 3.0)],
    ]
    assert all(each.queues == (queue,) for each in snapshots)
    assert snapshots[1].waiting == 1


def test_the_number_of_steps_is_final_once_the_cause_is_over() -> None:
    state = LiveState(compile_job(fan), idle)
    first = state.snapshot(0.0)
    assert not first.is_final
    [node] = first.mapped
    assert (node.path, node.steps, node.is_complete) == ("inc", 0, False)
    state.record(successes(0))
    last = state.snapshot(1.0)
    assert last.is_final
    assert last.mapped == []  # the dynamic output had no value

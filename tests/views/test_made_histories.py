"""Views of histories that runs seldom have: lost outputs, several nodes, waits for limits."""

from __future__ import annotations

import pytest
from made_history import MadeHistory

from rayexec.events import (
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    BatchFacts,
    Event,
    EventType,
    Reused,
    StepBlockedData,
    StepEnd,
    StepsRestored,
)
from rayexec.views.critical_path import critical_path
from rayexec.views.run_summary import summarise
from rayexec.views.waits import LimitWaits, waits_by_limit


def attempt(step: int, index: int, outcome: int, started: float, ended: float) -> Attempt:
    return Attempt(step, index, outcome, started, ended)


def end_of(*entries: Attempt | Event | StepsRestored) -> StepEnd:
    return summarise(MadeHistory(["load"], entries)).steps[0].end


def test_the_last_record_of_a_step_decides_its_end() -> None:
    succeeded = attempt(0, 0, SUCCESS, 1.0, 2.0)
    up_for_retry, failed = attempt(0, 0, RETRY, 1.0, 2.0), attempt(0, 1, FAILURE, 3.0, 4.0)
    reused = succeeded._replace(reused=Reused("r", "load"))
    skipped = Event(EventType.STEP_SKIPPED, "", 1.0, "load")
    not_run = Event(EventType.LOG_MESSAGE, "", 1.0, None, {"level": 40, "not_run": "load"})
    assert end_of() == StepEnd.NOT_RUN
    assert end_of(succeeded) == StepEnd.SUCCEEDED
    assert end_of(reused) == end_of(StepsRestored((0,))) == StepEnd.REUSED
    assert end_of(StepsRestored((0,)), succeeded) == StepEnd.SUCCEEDED  # its outputs were lost
    assert end_of(up_for_retry) == StepEnd.NOT_RUN
    assert end_of(up_for_retry, failed) == StepEnd.FAILED
    assert end_of(skipped) == StepEnd.SKIPPED
    assert end_of(not_run) == StepEnd.NOT_RUN


def test_an_event_about_an_unknown_step_changes_nothing() -> None:
    assert end_of(Event(EventType.STEP_SKIPPED, "", 1.0, "other")) == StepEnd.NOT_RUN


def test_times_add_up_by_step_and_op() -> None:
    history = MadeHistory(
        ["load", "inc[a]", "inc[b]"],
        [
            attempt(1, 0, RETRY, 1.0, 2.0),
            attempt(1, 1, SUCCESS, 3.0, 6.0),
            attempt(2, 0, SUCCESS, 1.0, 1.5),
        ],
    )
    summary = summarise(history)
    assert [(step.attempts, step.seconds) for step in summary.steps] == [(0, 0), (2, 4.0), (1, 0.5)]
    [load, inc] = summary.ops
    assert (load.attempts, load.counts[StepEnd.NOT_RUN]) == (0, 1)
    assert (inc.attempts, inc.seconds, inc.longest) == (3, 4.5, 3.0)
    assert inc.counts[StepEnd.SUCCEEDED] == 2
    assert summary.latest == 6.0


def test_workers_add_up_to_nodes() -> None:
    facts = [
        BatchFacts(1, "a", "n1", pid=10, submitted=1.0, began=3.0, peak_rss=100),
        BatchFacts(2, "a", "n1", pid=11, submitted=1.0, began=1.5, peak_rss=300),
        BatchFacts(3, "b", "n2", pid=10, peak_rss=200),
    ]
    entries = [
        attempt(step, 0, SUCCESS, 1.0, 2.0)._replace(batch=batch)
        for step, batch in enumerate((1, 1, 2, 3, 4))
    ]
    keys = [f"inc[{step}]" for step in range(5)]
    batches = {each.batch_id: each for each in facts}
    summary = summarise(MadeHistory(keys, entries, batches=batches))
    assert [(worker.host, worker.pid, worker.attempts) for worker in summary.workers] == [
        ("a", 10, 2),
        ("a", 11, 1),
        ("b", 10, 1),
        ("", 0, 1),
    ]
    assert [(node.host, node.workers, node.attempts, node.peak_rss) for node in summary.nodes] == [
        ("a", {10, 11}, 3, 300),
        ("b", {10}, 1, 200),
    ]
    longest = summary.longest_queue
    assert longest is not None
    assert (longest.seconds, longest.step_key) == (2.0, "inc[0]")


def test_waits_are_by_limit_with_the_longest_first() -> None:
    blocked = {
        (0, 0): StepBlockedData("db", 1.0, ()),
        (1, 0): StepBlockedData("gpu", 5.0, ("a",)),
        (2, 1): StepBlockedData("db", 3.0, ()),
    }
    history = MadeHistory(["a", "b", "c"], [], blocked=blocked)
    assert waits_by_limit(history) == [
        LimitWaits("gpu", 1, 5.0, 5.0, "b"),
        LimitWaits("db", 2, 4.0, 3.0, "c"),
    ]
    assert [step.blocked for step in summarise(history).steps] == list(blocked.values())


def test_a_link_of_the_critical_path_divides_its_wait() -> None:
    attempts = [
        attempt(0, 0, SUCCESS, 0.0, 1.0),
        attempt(1, 0, SUCCESS, 5.0, 6.0)._replace(batch=7),
    ]
    facts = BatchFacts(7, "a", submitted=2.0, began=4.0)
    history = MadeHistory(["load", "save"], attempts, [(), (0,)], batches={7: facts})
    path = critical_path(history, attempts, 0.0)
    assert path is not None
    assert [link.attempt for link in path] == [0, 1]
    last = path[1]
    assert (last.waited, last.free, last.queued, last.behind) == pytest.approx((4.0, 1.0, 2.0, 1.0))


def test_a_log_without_the_order_of_its_steps_has_no_critical_path() -> None:
    attempts = [attempt(0, 0, SUCCESS, 0.0, 1.0)]
    assert critical_path(MadeHistory(["load"], attempts), attempts, 0.0) is None
